// Reductions keep sixteen partial results in a fixed order, which lets them vectorize.
#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "output_kernels.h"

#define LANES 16
// Factors 1 + e^-|z| lie in 1...2. The product of a run of 512 factors stays far below the largest double, so a run takes
// one logarithm instead of 512.
#define RUN (32 * LANES)

#define BODY "outputs.c"
#include "variants.h"
#else

// MARK: Softmax

RND_INLINE T NAME(rnd_row_maximum)(const T *restrict x, int64_t n) {
  T lanes[LANES];
  for (int k = 0; k < LANES; k++) lanes[k] = x[0];
  int64_t whole = n - n % LANES;
  for (int64_t j = 0; j < whole; j += LANES) {
    for (int k = 0; k < LANES; k++) lanes[k] = x[j + k] > lanes[k] ? x[j + k] : lanes[k];
  }
  T best = lanes[0];
  for (int k = 1; k < LANES; k++) best = lanes[k] > best ? lanes[k] : best;
  for (int64_t j = whole; j < n; j++) best = x[j] > best ? x[j] : best;
  return best;
}

// x = exp(x - shift); returns the sum.
RND_INLINE T NAME(rnd_row_exp_sum)(T *restrict x, int64_t n, T shift) {
  T lanes[LANES] = {0};
  int64_t whole = n - n % LANES;
  for (int64_t j = 0; j < whole; j += LANES) {
    for (int k = 0; k < LANES; k++) {
      T e = TYPED(rnd_exp)(x[j + k] - shift);
      x[j + k] = e;
      lanes[k] += e;
    }
  }
  for (int64_t j = whole; j < n; j++) {
    x[j] = TYPED(rnd_exp)(x[j] - shift);
    lanes[j - whole] += x[j];
  }
  RND_FOLD_LANES(lanes, LANES)
  return lanes[0];
}

RND_INLINE void NAME(add_bias)(T *restrict x, const T *restrict bias, int64_t n) {
  for (int64_t j = 0; j < n; j++) x[j] += bias[j];
}

RND_INLINE void NAME(scale_and_shift)(T *restrict x, T scale, T shift, int64_t n) {
  for (int64_t j = 0; j < n; j++) x[j] = x[j] * scale + shift;
}

void NAME(rnd_softmax_rows)(rnd_softmax a) {
  for (int64_t row = 0; row < a.rows; row++) {
    T *v = (T *)a.x + row * a.stride;
    if (a.bias) NAME(add_bias)(v, a.bias, a.columns);
    T sum = NAME(rnd_row_exp_sum)(v, a.columns, NAME(rnd_row_maximum)(v, a.columns));
    NAME(scale_and_shift)(v, 1 / sum, 0, a.columns);
  }
}

void NAME(rnd_shift_rows)(rnd_row_shift a) {
  for (int64_t row = 0; row < a.rows; row++) {
    NAME(scale_and_shift)((T *)a.x + row * a.stride, 1, (T)a.shift[row], a.columns);
  }
}

RND_INLINE void NAME(softmax_backward_row)(const T *restrict y, T *restrict d, int64_t n) {
  T dot = 0;
  for (int64_t j = 0; j < n; j++) dot += y[j] * d[j];
  for (int64_t j = 0; j < n; j++) d[j] = y[j] * (d[j] - dot);
}

void NAME(rnd_softmax_backward)(rnd_softmax_gradient a) {
  for (int64_t row = 0; row < a.rows; row++) {
    NAME(softmax_backward_row)((const T *)a.y + row * a.y_stride, (T *)a.dy + row * a.dy_stride, a.columns);
  }
}

// One row: returns -sum over v of q[v] log p[v] for the smoothed target distribution q.
RND_INLINE double NAME(cross_entropy_row)(T *restrict v, int64_t V, int64_t correct, T smoothing, int with_gradient) {
  T maximum = NAME(rnd_row_maximum)(v, V);
  T correct_logit = v[correct];
  double mean_logit = 0;
  if (smoothing > 0) {
    for (int64_t j = 0; j < V; j++) mean_logit += v[j];
    mean_logit /= (double)V;
  }
  T sum = NAME(rnd_row_exp_sum)(v, V, maximum);
  double log_normalizer = log((double)sum) + (double)maximum;
  if (with_gradient) {
    NAME(scale_and_shift)(v, 1 / sum, -smoothing / (T)V, V);
    v[correct] -= 1 - smoothing;
  }
  return log_normalizer - (1 - (double)smoothing) * (double)correct_logit - (double)smoothing * mean_logit;
}

void NAME(rnd_softmax_cross_entropy)(rnd_cross_entropy a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t V = a.classes;
  double total = 0;
  for (int64_t row = first; row < end; row++) {
    T *v = (T *)a.logits + row * a.stride;
    if (a.target[row] < 0) {
      if (a.with_gradient) memset(v, 0, (size_t)V * sizeof(T));
      continue;
    }
    if (a.bias) NAME(add_bias)(v, a.bias, V);
    total += NAME(cross_entropy_row)(v, V, a.target[row], (T)a.smoothing, a.with_gradient);
  }
  *a.loss = total;
}

// MARK: Other outputs

typedef struct {
  double product[LANES];  // of 1 + e^-|z|
  double sum[LANES];      // of max(z, 0) - z t
} NAME(bit_sums);

RND_INLINE void NAME(add_bit)(NAME(bit_sums) *restrict sums, int lane, T *restrict z, T t, int with_gradient) {
  T v = *z;
  T e = TYPED(rnd_exp)(v < 0 ? v : -v);
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

double NAME(rnd_sigmoid_cross_entropy)(rnd_output_loss a) {
  double total = 0;
  for (int64_t row = 0; row < a.rows; row++) {
    T *z = (T *)a.y + row * a.stride;
    const T *t = (const T *)a.target + row * a.target_stride;
    if (t[0] < 0) {
      if (a.with_gradient) memset(z, 0, (size_t)a.columns * sizeof(T));
      continue;
    }
    NAME(add_bias)(z, a.bias, a.columns);
    total += a.with_gradient ? NAME(bits_row)(z, t, a.columns, 1) : NAME(bits_row)(z, t, a.columns, 0);
  }
  return total;
}

double NAME(rnd_squared_error)(rnd_output_loss a) {
  double total = 0;
  for (int64_t row = 0; row < a.rows; row++) {
    T *v = (T *)a.y + row * a.stride;
    const T *t = (const T *)a.target + row * a.target_stride;
    NAME(add_bias)(v, a.bias, a.columns);
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
