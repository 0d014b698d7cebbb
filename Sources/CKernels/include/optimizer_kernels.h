// Optimizer updates: one fused sweep over flat buffers of `count` numbers each.
//
// Every kernel reads the gradient once, scales it by `gradient_scale`, and overwrites moments and parameters.
// All arithmetic is per element, without contraction into fused multiply-add, so the result doesn't depend on
// the instruction set or on how a buffer is cut. The formulas and defaults are PyTorch 2's (torch.optim).

#ifndef RND_OPTIMIZER_KERNELS_H
#define RND_OPTIMIZER_KERNELS_H

#include <stdint.h>

/// What one update needs to know; a kernel ignores the fields its formula doesn't name.
typedef struct {
  double gradient_scale;  // g = gradient_scale * gradient: clip factor over token count
  double learning_rate;
  double weight_decay;    // added to g as weight_decay * parameter; AdamW shrinks the parameter instead
  double momentum;
  double decay;           // RMSprop's alpha
  double beta1;
  double beta2;
  double epsilon;
  double bias1;           // 1 - beta1^t, t counted from 1
  double bias2;           // 1 - beta2^t
} rnd_update;

#define RND_DECLARE_OPTIMIZERS(T, S)                                                                        \
  /* p -= lr g */                                                                                           \
  void rnd_sgd_##S(T *p, const T *gradient, int64_t count, rnd_update u);                                   \
  /* buf = momentum buf + g; p -= lr buf */                                                                 \
  void rnd_momentum_##S(T *p, const T *gradient, T *buf, int64_t count, rnd_update u);                      \
  /* buf = momentum buf + g; p -= lr (g + momentum buf) */                                                  \
  void rnd_nesterov_##S(T *p, const T *gradient, T *buf, int64_t count, rnd_update u);                      \
  /* v = decay v + (1 - decay) g^2; p -= lr g / (sqrt(v) + epsilon) */                                      \
  void rnd_rmsprop_##S(T *p, const T *gradient, T *v, int64_t count, rnd_update u);                         \
  /* v = v + g^2; p -= lr g / (sqrt(v) + epsilon) */                                                        \
  void rnd_adagrad_##S(T *p, const T *gradient, T *v, int64_t count, rnd_update u);                         \
  /* m += (1 - beta1)(g - m); v = beta2 v + (1 - beta2) g^2; p -= lr/bias1 m / (sqrt(v / bias2) + epsilon) */\
  void rnd_adam_##S(T *p, const T *gradient, T *m, T *v, int64_t count, rnd_update u);                      \
  /* p *= 1 - lr weight_decay; then as Adam without weight decay */                                         \
  void rnd_adamw_##S(T *p, const T *gradient, T *m, T *v, int64_t count, rnd_update u);                     \
  /* sum of x^2 in double: 16 interleaved partial sums, then a fixed tree; the same bits everywhere */      \
  double rnd_sum_of_squares_##S(const T *x, int64_t count);                                                 \
  /* index of the first NaN or infinity, or -1 */                                                           \
  int64_t rnd_first_nonfinite_##S(const T *x, int64_t count);

RND_DECLARE_OPTIMIZERS(float, f32)
RND_DECLARE_OPTIMIZERS(double, f64)

#undef RND_DECLARE_OPTIMIZERS

#endif
