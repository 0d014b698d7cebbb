// Sums keep sixteen partial results in a fixed order, which lets them vectorize.
#ifndef T  // Both element types are compiled from this file, see both_types.h.
#include "vector_math.h"

#include "output_kernels.h"

#define LANES 16
// Factors 1 + e^-|z| lie in 1...2: the product of one run of 512 of them stays far below the largest double, so that a
// run takes one logarithm instead of 512.
#define RUN (32 * LANES)

#define BODY "outputs.c"
#include "both_types.h"
#else

typedef struct {
  double product[LANES];  // of 1 + e^-|z|
  double sum[LANES];      // of max(z, 0) - z t
} NAME(bit_sums);

RND_INLINE void NAME(add_bit)(NAME(bit_sums) *restrict sums, int lane, T *restrict z, T t, int with_gradient) {
  T v = *z;
  T e = NAME(rnd_exp)(v < 0 ? v : -v);
  sums->product[lane] *= 1 + (double)e;
  sums->sum[lane] += (double)(v > 0 ? v : 0) - (double)v * (double)t;
  if (with_gradient) *z = (v < 0 ? e : 1) / (1 + e) - t;
}

// -sum of t log s(z) + (1 - t) log(1 - s(z)) = sum of max(z, 0) - z t + log(1 + e^-|z|), which no z overflows.
RND_INLINE double NAME(bits_row)(T *restrict z, const T *restrict t, int64_t n, int with_gradient) {
  double total = 0;
  for (int64_t first = 0; first < n; first += RUN) {
    int64_t end = n < first + RUN ? n : first + RUN;
    int64_t whole = end - (end - first) % LANES;
    NAME(bit_sums) sums;
    for (int k = 0; k < LANES; k++) sums.product[k] = 1, sums.sum[k] = 0;
    for (int64_t j = first; j < whole; j += LANES) {
      for (int k = 0; k < LANES; k++) NAME(add_bit)(&sums, k, z + j + k, t[j + k], with_gradient);
    }
    for (int64_t j = whole; j < end; j++) NAME(add_bit)(&sums, (int)(j - whole), z + j, t[j], with_gradient);
    for (int width = LANES / 2; width > 0; width /= 2) {
      for (int k = 0; k < width; k++) {
        sums.product[k] *= sums.product[k + width];
        sums.sum[k] += sums.sum[k + width];
      }
    }
    total += sums.sum[0] + log(sums.product[0]);
  }
  return total;
}

RND_INLINE void NAME(add_output_bias)(T *restrict x, const T *restrict bias, int64_t n) {
  for (int64_t j = 0; j < n; j++) x[j] += bias[j];
}

RND_CLONES double NAME(rnd_sigmoid_cross_entropy)(rnd_output_loss a) {
  double total = 0;
  for (int64_t row = 0; row < a.rows; row++) {
    T *z = (T *)a.y + row * a.stride;
    const T *t = (const T *)a.target + row * a.target_stride;
    if (t[0] < 0) {
      if (a.with_gradient) memset(z, 0, (size_t)a.columns * sizeof(T));
      continue;
    }
    NAME(add_output_bias)(z, a.bias, a.columns);
    total += a.with_gradient ? NAME(bits_row)(z, t, a.columns, 1) : NAME(bits_row)(z, t, a.columns, 0);
  }
  return total;
}

RND_CLONES double NAME(rnd_squared_error)(rnd_output_loss a) {
  double total = 0;
  for (int64_t row = 0; row < a.rows; row++) {
    T *v = (T *)a.y + row * a.stride;
    const T *t = (const T *)a.target + row * a.target_stride;
    NAME(add_output_bias)(v, a.bias, a.columns);
    for (int64_t j = 0; j < a.columns; j++) {
      T error = v[j] - t[j];
      total += (double)error * (double)error;
      if (a.with_gradient) v[j] = 2 * error;
    }
  }
  return total;
}

void NAME(rnd_argmax_rows)(rnd_argmax a) {
  for (int64_t row = 0; row < a.rows; row++) {
    const T *v = (const T *)a.x + row * a.stride;
    int64_t best = 0;
    for (int64_t j = 1; j < a.columns; j++) best = v[j] > v[best] ? j : best;
    a.index[row] = (int32_t)best;
  }
}

#endif
