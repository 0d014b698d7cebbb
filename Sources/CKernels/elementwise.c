#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "elementwise_kernels.h"

#define BODY "elementwise.c"
#include "variants.h"
#else

RND_INLINE void NAME(activate_row)(T *restrict v, int64_t n, int activation) {
  switch (activation) {
    case rnd_sigmoid:
      for (int64_t j = 0; j < n; j++) v[j] = TYPED(rnd_sigmoid)(v[j]);
      break;
    case rnd_tanh:
      for (int64_t j = 0; j < n; j++) v[j] = TYPED(rnd_tanh)(v[j]);
      break;
    case rnd_exponential:
      for (int64_t j = 0; j < n; j++) v[j] = TYPED(rnd_exp)(v[j]);
      break;
    case rnd_relu:  // Written so that a NaN stays a NaN.
      for (int64_t j = 0; j < n; j++) v[j] = v[j] < 0 ? 0 : v[j];
      break;
    default: break;
  }
}

RND_INLINE void NAME(add_row)(const T *restrict x, T *restrict y, int64_t n) {
  for (int64_t j = 0; j < n; j++) y[j] += x[j];
}

void NAME(rnd_activate)(rnd_activation a) {
  for (int64_t row = 0; row < a.rows; row++) {
    T *y = (T *)a.y + row * a.stride;
    if (a.bias) NAME(add_row)(a.bias, y, a.columns);
    NAME(activate_row)(y, a.columns, a.activation);
  }
}

RND_INLINE void NAME(activate_backward_row)(T *restrict d, const T *restrict v, int64_t n, int activation) {
  switch (activation) {
    case rnd_sigmoid:  // s' = s (1 - s)
      for (int64_t j = 0; j < n; j++) d[j] *= v[j] * (1 - v[j]);
      break;
    case rnd_tanh:  // t' = 1 - t^2
      for (int64_t j = 0; j < n; j++) d[j] *= 1 - v[j] * v[j];
      break;
    case rnd_relu:  // A product, so that a NaN in d or in v stays a NaN.
      for (int64_t j = 0; j < n; j++) d[j] *= v[j] > 0 ? 1 : v[j] <= 0 ? 0 : v[j];
      break;
    default: break;
  }
}

void NAME(rnd_activate_backward)(rnd_activation_gradient a) {
  for (int64_t row = 0; row < a.rows; row++) {
    NAME(activate_backward_row)((T *)a.dy + row * a.dy_stride, (const T *)a.y + row * a.y_stride, a.columns,
                                a.activation);
  }
}

void NAME(rnd_add_scaled)(rnd_scaled a, ptrdiff_t first, ptrdiff_t end) {
  const T alpha = (T)a.alpha, *restrict x = a.x;
  T *restrict y = a.y;
  for (int64_t j = first; j < end; j++) y[j] += alpha * x[j];
}

void NAME(rnd_add_column_sums)(rnd_columns a, ptrdiff_t first, ptrdiff_t end) {
  const T *x = (const T *)a.x + first;
  for (int64_t row = 0; row < a.rows; row++) NAME(add_row)(x + row * a.stride, (T *)a.sum + first, end - first);
}

void NAME(rnd_gather_rows)(rnd_gather a, ptrdiff_t first, ptrdiff_t end) {
  const T *table = a.table;
  for (int64_t row = first; row < end; row++) {
    memcpy((T *)a.y + row * a.stride, table + (int64_t)a.index[row] * a.table_stride, (size_t)a.columns * sizeof(T));
  }
}

void NAME(rnd_scatter_add_rows)(rnd_scatter a, ptrdiff_t first, ptrdiff_t end) {
  const T *x = (const T *)a.x + first;
  T *table = (T *)a.table + first;
  for (int64_t row = 0; row < a.rows; row++) {
    if (a.index[row] < 0) continue;
    NAME(add_row)(x + row * a.stride, table + (int64_t)a.index[row] * a.table_stride, end - first);
  }
}

#endif
