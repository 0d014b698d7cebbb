// Softmax over the columns of each row, and its cross-entropy with gradient in place.
#ifndef SOFTMAX_KERNELS_H
#define SOFTMAX_KERNELS_H
#include <stdint.h>

#define RND_DECLARE(T, S)                                                                                           \
  /* x = softmax((x + bias) / temperature) row by row; bias may be null. */                                         \
  void rnd_softmax_rows_##S(T *x, int64_t stride, const T *bias, int64_t rows, int64_t columns, T temperature);     \
  /* x += shift[row] in every column. */                                                                            \
  void rnd_shift_rows_##S(T *x, int64_t stride, const double *shift, int64_t rows, int64_t columns);               \
  /* dx = y * (dy - sum(dy * y)), in place over dy. */                                                              \
  void rnd_softmax_backward_##S(const T *y, int64_t ystride, T *dy, int64_t dstride, int64_t rows, int64_t columns); \
  /* Cross-entropy of softmax(logits + bias) against target[row], summed over rows in double and returned (nats).  \
     With label smoothing e the target distribution is (1 - e) one-hot + e/V uniform. If with_gradient, logits       \
     become softmax - target distribution; otherwise they hold unspecified values afterwards. A target below zero    \
     is skipped: no loss, zero gradient. */                                                                         \
  double rnd_softmax_cross_entropy_##S(T *logits, int64_t stride, const T *bias, const int32_t *target,             \
                                       int64_t rows, int64_t V, T smoothing, int with_gradient);

RND_DECLARE(float, f32)
RND_DECLARE(double, f64)
#undef RND_DECLARE
#endif
