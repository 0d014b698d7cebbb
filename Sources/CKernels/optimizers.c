// Optimizer updates and reductions over flat buffers; formulas in include/optimizer_kernels.h.
#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "kernel_support.h"

#include "optimizer_kernels.h"

#include <string.h>

// A fused multiply-add rounds once where a product and a sum round twice: without this the variants for
// different instruction sets would give different bits.
#pragma STDC FP_CONTRACT OFF

// The builtin is the bare instruction: sqrt() of libm may set errno, so its loops aren't vectorized.
#define SQUARE_ROOT(x) __builtin_elementwise_sqrt(x)

#define BODY "optimizers.c"
#include "variants.h"
#else

// The scalars of an update are worked out in double and rounded to T once, before the loop, as PyTorch does.

void NAME(rnd_sgd)(rnd_update a) {
  const T *restrict gradient = a.gradient;
  T *restrict p = a.parameters;
  const T scale = (T)a.gradient_scale, rate = (T)a.learning_rate, decay = (T)a.weight_decay;
  for (int64_t i = 0; i < a.count; i++) {
    const T g = gradient[i] * scale + decay * p[i];
    p[i] -= rate * g;
  }
}

// Both momentum kernels rely on a buffer that starts as zero: the first step gives buf = g.

void NAME(rnd_momentum)(rnd_update a) {
  const T *restrict gradient = a.gradient;
  T *restrict p = a.parameters, *restrict buf = a.first;
  const T scale = (T)a.gradient_scale, rate = (T)a.learning_rate, decay = (T)a.weight_decay;
  const T momentum = (T)a.momentum;
  for (int64_t i = 0; i < a.count; i++) {
    const T g = gradient[i] * scale + decay * p[i];
    const T b = momentum * buf[i] + g;
    buf[i] = b;
    p[i] -= rate * b;
  }
}

void NAME(rnd_nesterov)(rnd_update a) {
  const T *restrict gradient = a.gradient;
  T *restrict p = a.parameters, *restrict buf = a.first;
  const T scale = (T)a.gradient_scale, rate = (T)a.learning_rate, decay = (T)a.weight_decay;
  const T momentum = (T)a.momentum;
  for (int64_t i = 0; i < a.count; i++) {
    const T g = gradient[i] * scale + decay * p[i];
    const T b = momentum * buf[i] + g;
    buf[i] = b;
    p[i] -= rate * (g + momentum * b);
  }
}

void NAME(rnd_rmsprop)(rnd_update a) {
  const T *restrict gradient = a.gradient;
  T *restrict p = a.parameters, *restrict v = a.first;
  const T scale = (T)a.gradient_scale, rate = (T)a.learning_rate, decay = (T)a.weight_decay;
  const T alpha = (T)a.decay, rest = (T)(1 - a.decay), epsilon = (T)a.epsilon;
  for (int64_t i = 0; i < a.count; i++) {
    const T g = gradient[i] * scale + decay * p[i];
    const T s = alpha * v[i] + rest * (g * g);
    v[i] = s;
    p[i] -= rate * (g / (SQUARE_ROOT(s) + epsilon));
  }
}

void NAME(rnd_adagrad)(rnd_update a) {
  const T *restrict gradient = a.gradient;
  T *restrict p = a.parameters, *restrict v = a.first;
  const T scale = (T)a.gradient_scale, rate = (T)a.learning_rate, decay = (T)a.weight_decay;
  const T epsilon = (T)a.epsilon;
  for (int64_t i = 0; i < a.count; i++) {
    const T g = gradient[i] * scale + decay * p[i];
    const T s = v[i] + g * g;
    v[i] = s;
    p[i] -= rate * (g / (SQUARE_ROOT(s) + epsilon));
  }
}

// Adam and AdamW apply weight decay differently: Adam adds `decay` p to the gradient (keep = 1), AdamW
// multiplies p by `keep` = 1 - lr weight_decay (decay = 0).
RND_INLINE void NAME(adam_sweep)(T *restrict p, const T *restrict gradient, T *restrict m, T *restrict v,
                                 const rnd_update *u, T decay, T keep) {
  const T scale = (T)u->gradient_scale, epsilon = (T)u->epsilon;
  const T rest1 = (T)(1 - u->beta1), beta2 = (T)u->beta2, rest2 = (T)(1 - u->beta2);
  const T rate = (T)(u->learning_rate / u->bias1), root = (T)(1 / SQUARE_ROOT(u->bias2));
  for (int64_t i = 0; i < u->count; i++) {
    const T g = gradient[i] * scale + decay * p[i];
    const T first = m[i] + rest1 * (g - m[i]);
    const T second = beta2 * v[i] + rest2 * (g * g);
    m[i] = first;
    v[i] = second;
    p[i] = p[i] * keep - rate * (first / (SQUARE_ROOT(second) * root + epsilon));
  }
}

void NAME(rnd_adam)(rnd_update a) {
  NAME(adam_sweep)(a.parameters, a.gradient, a.first, a.second, &a, (T)a.weight_decay, (T)1);
}

void NAME(rnd_adamw)(rnd_update a) {
  NAME(adam_sweep)(a.parameters, a.gradient, a.first, a.second, &a, (T)0, (T)(1 - a.learning_rate * a.weight_decay));
}

double NAME(rnd_sum_of_squares)(rnd_buffer a) {
  const T *x = a.x;
  // Lane l sums the elements i with i mod 16 = l in rising order, whatever the width of a vector register.
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
  for (int half = 8; half > 0; half /= 2) {
    for (int l = 0; l < half; l++) {
      lane[l] += lane[l + half];
    }
  }
  return lane[0];
}

double NAME(rnd_sum)(rnd_buffer a) {
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

// NaN and the infinities are the numbers whose exponent bits are all set; integers keep this true under any
// floating-point option of the compiler.
ptrdiff_t NAME(rnd_first_nonfinite)(rnd_buffer a) {
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
