// Optimizer updates: one fused sweep over flat buffers.
//
// Every kernel reads the gradient once, scales it by `gradient_scale`, and overwrites moments and parameters.
// All arithmetic is per element, without contraction into fused multiply-add, so the result doesn't depend on
// the instruction set or on how a buffer is cut. The formulas and defaults are PyTorch 2's (torch.optim).
#ifndef OPTIMIZER_KERNELS_H
#define OPTIMIZER_KERNELS_H
#include "element.h"

/// One update; a kernel ignores the fields that its formula doesn't name.
typedef struct {
  ptrdiff_t count;
  void *parameters;  // p
  const void *gradient;
  void *first;            // buf, m, or v where that is the only moment
  void *second;           // v
  double gradient_scale;  // g = gradient_scale * gradient: clip factor over token count
  double learning_rate;
  double weight_decay;  // added to g as weight_decay * parameter; AdamW shrinks the parameter instead
  double momentum;
  double decay;  // RMSprop's alpha
  double beta1;
  double beta2;
  double epsilon;
  double bias1;  // 1 - beta1^t, t counted from 1
  double bias2;  // 1 - beta2^t
} rnd_update;

/// p -= lr g
RND_KERNEL(void, rnd_sgd, rnd_update)
/// buf = momentum buf + g; p -= lr buf
RND_KERNEL(void, rnd_momentum, rnd_update)
/// buf = momentum buf + g; p -= lr (g + momentum buf)
RND_KERNEL(void, rnd_nesterov, rnd_update)
/// v = decay v + (1 - decay) g^2; p -= lr g / (sqrt(v) + epsilon)
RND_KERNEL(void, rnd_rmsprop, rnd_update)
/// v = v + g^2; p -= lr g / (sqrt(v) + epsilon)
RND_KERNEL(void, rnd_adagrad, rnd_update)
/// m += (1 - beta1)(g - m); v = beta2 v + (1 - beta2) g^2; p -= lr/bias1 m / (sqrt(v / bias2) + epsilon)
RND_KERNEL(void, rnd_adam, rnd_update)
/// p *= 1 - lr weight_decay; then as Adam without weight decay
RND_KERNEL(void, rnd_adamw, rnd_update)

/// Sum of x^2 in double: 16 interleaved partial sums, then a fixed tree; the same bits for every instruction set.
RND_KERNEL(double, rnd_sum_of_squares, rnd_numbers)
/// Sum of x in 64 interleaved partial sums: it reads memory at full speed, to measure the bandwidth.
RND_KERNEL(double, rnd_sum, rnd_numbers)
/// Index of the first NaN or infinity, or -1.
RND_KERNEL(ptrdiff_t, rnd_first_nonfinite, rnd_numbers)
#endif
