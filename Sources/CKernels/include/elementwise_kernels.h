// Elementwise functions and small row operations. n, rows, columns count elements; strides are in elements.
#ifndef ELEMENTWISE_KERNELS_H
#define ELEMENTWISE_KERNELS_H
#include <stdint.h>

// Activation codes shared with Swift's `Activation`.
enum {
  rnd_identity = 0,
  rnd_sigmoid = 1,
  rnd_tanh = 2,
  rnd_relu = 3,
};

#define RND_DECLARE(T, S)                                                                                         \
  /* y = exp(x), y = sigmoid(x), y = tanh(x); y may be x. */                                                      \
  void rnd_exp_array_##S(const T *x, T *y, int64_t n);                                                            \
  void rnd_sigmoid_array_##S(const T *x, T *y, int64_t n);                                                        \
  void rnd_tanh_array_##S(const T *x, T *y, int64_t n);                                                           \
  /* y = f(y + bias) row by row; bias may be null. */                                                             \
  void rnd_activate_rows_##S(T *y, int64_t stride, const T *bias, int64_t rows, int64_t columns, int activation); \
  /* dy = dy * f'(pre-activation), written with the activated y. */                                               \
  void rnd_activate_backward_##S(T *dy, int64_t dstride, const T *y, int64_t ystride, int64_t rows,               \
                                 int64_t columns, int activation);                                                \
  /* y += alpha * x. */                                                                                           \
  void rnd_axpy_##S(T alpha, const T *x, T *y, int64_t n);                                                        \
  /* sum[j] += sum over rows of x[row][j]. */                                                                     \
  void rnd_add_column_sums_##S(const T *x, int64_t stride, int64_t rows, int64_t columns, T *sum);                \
  /* y[row] = table[index[row]]. */                                                                               \
  void rnd_gather_rows_##S(const T *table, int64_t table_stride, const int32_t *index, int64_t rows,              \
                           int64_t columns, T *y, int64_t stride);                                                \
  /* table[index[row]] += x[row], rows in order, so that the sum does not depend on anything but the data;        \
     rows whose index is below zero are left out. */                                                              \
  void rnd_scatter_add_rows_##S(const T *x, int64_t stride, const int32_t *index, int64_t rows, int64_t columns,  \
                                T *table, int64_t table_stride);

RND_DECLARE(float, f32)
RND_DECLARE(double, f64)
#undef RND_DECLARE
#endif
