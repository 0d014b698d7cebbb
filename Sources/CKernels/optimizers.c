// Optimizer updates and reductions over flat buffers; formulas in include/optimizer_kernels.h.
#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "kernel_support.h"

#include "optimizer_kernels.h"

#include <string.h>

// A fused multiply-add rounds once, but a product and a sum round twice. Without this pragma, the variants for different
// instruction sets would return different bits.
#pragma STDC FP_CONTRACT OFF

// The builtin is the bare instruction: sqrt() of libm may set errno, so its loops aren't vectorized.
#define SQUARE_ROOT(x) __builtin_elementwise_sqrt(x)

enum { SGD, MOMENTUM, NESTEROV, RMSPROP, ADAGRAD, ADAM, ADAMW };

#define BODY "optimizers.c"
#include "variants.h"
#else

// One update by a rule, which is a constant in each expansion. Scalars are computed in double and rounded to T once,
// before the loop, as in PyTorch. The momentum rules rely on a buffer that starts as zero: the first step gives buf = g.
RND_INLINE void NAME(update)(rnd_update a, const int rule) {
  const T *gradient = a.gradient;
  T *p = a.parameters, *first = a.first, *second = a.second;
  const int is_adam = rule == ADAM || rule == ADAMW;
  const T scale = (T)a.gradient_scale, epsilon = (T)a.epsilon, momentum = (T)a.momentum;
  const T rate = (T)(is_adam ? a.learning_rate / a.bias1 : a.learning_rate);
  const T alpha = (T)a.decay, rest = (T)(1 - a.decay);
  const T rest1 = (T)(1 - a.beta1), beta2 = (T)a.beta2, rest2 = (T)(1 - a.beta2);
  const T root = (T)(is_adam ? 1 / SQUARE_ROOT(a.bias2) : 1);
  // AdamW shrinks the parameters; all others add the weight decay to the gradient.
  const T decay = (T)(rule == ADAMW ? 0 : a.weight_decay);
  const T keep = (T)(rule == ADAMW ? 1 - a.learning_rate * a.weight_decay : 1);
  ELEMENTWISE
  for (int64_t i = 0; i < a.count; i++) {
    const T g = gradient[i] * scale + decay * p[i];
    T step = g;
    if (rule == MOMENTUM || rule == NESTEROV) {
      first[i] = momentum * first[i] + g;
      step = rule == MOMENTUM ? first[i] : g + momentum * first[i];
    } else if (rule == RMSPROP || rule == ADAGRAD) {
      first[i] = rule == RMSPROP ? alpha * first[i] + rest * (g * g) : first[i] + g * g;
      step = g / (SQUARE_ROOT(first[i]) + epsilon);
    } else if (is_adam) {
      first[i] = first[i] + rest1 * (g - first[i]);
      second[i] = beta2 * second[i] + rest2 * (g * g);
      step = first[i] / (SQUARE_ROOT(second[i]) * root + epsilon);
    }
    p[i] = p[i] * keep - rate * step;
  }
}

void NAME(rnd_sgd)(rnd_update a) { NAME(update)(a, SGD); }
void NAME(rnd_momentum)(rnd_update a) { NAME(update)(a, MOMENTUM); }
void NAME(rnd_nesterov)(rnd_update a) { NAME(update)(a, NESTEROV); }
void NAME(rnd_rmsprop)(rnd_update a) { NAME(update)(a, RMSPROP); }
void NAME(rnd_adagrad)(rnd_update a) { NAME(update)(a, ADAGRAD); }
void NAME(rnd_adam)(rnd_update a) { NAME(update)(a, ADAM); }
void NAME(rnd_adamw)(rnd_update a) { NAME(update)(a, ADAMW); }

double NAME(rnd_sum_of_squares)(rnd_numbers a) {
  const T *x = a.x;
  // Lane l sums the elements i with i mod 16 = l in ascending order, regardless of the width of a vector register.
  double lane[16] = {0};
  int64_t i = 0;
  for (; i + 16 <= a.count; i += 16) {
    for (int l = 0; l < 16; l++) {
      lane[l] += (double)x[i + l] * (double)x[i + l];
    }
  }
  for (int l = 0; i + l < a.count; l++) {
    lane[l] += (double)x[i + l] * (double)x[i + l];
  }
  RND_FOLD_LANES(lane, 16)
  return lane[0];
}

double NAME(rnd_sum)(rnd_numbers a) {
  const T *x = a.x;
  T lane[64] = {0};
  int64_t i = 0;
  for (; i + 64 <= a.count; i += 64) {
    for (int l = 0; l < 64; l++) lane[l] += x[i + l];
  }
  for (int l = 0; i + l < a.count; l++) lane[l] += x[i + l];
  double sum = 0;
  for (int l = 0; l < 64; l++) sum += (double)lane[l];
  return sum;
}

// NaN and the infinities are the numbers whose exponent bits are all set; testing them as integers works with any
// floating-point option of the compiler.
ptrdiff_t NAME(rnd_first_nonfinite)(rnd_numbers a) {
  const T *x = a.x;
  enum { BLOCK = 1024 };
  for (int64_t start = 0; start < a.count; start += BLOCK) {
    const int64_t length = a.count - start < BLOCK ? a.count - start : BLOCK;
    BITS found = 0;
    for (int64_t i = 0; i < length; i++) {
      BITS bits;
      memcpy(&bits, x + start + i, sizeof bits);
      found |= (BITS)((bits & EXPONENT) == EXPONENT);
    }
    if (!found) continue;
    for (int64_t i = start; i < start + length; i++) {
      BITS bits;
      memcpy(&bits, x + i, sizeof bits);
      if ((bits & EXPONENT) == EXPONENT) return i;
    }
  }
  return -1;
}

#endif
