// Losses and decisions of output layers other than softmax, row by row. Strides are in elements.
#ifndef OUTPUT_KERNELS_H
#define OUTPUT_KERNELS_H
#include <stdint.h>

#define RND_DECLARE(T, S) \
  /* Independent bits: cross-entropy of sigmoid(logits + bias) against targets in 0...1, summed over bits and rows in \
     double and returned (nats). Logits become sigmoid - target if with_gradient, the sum with the bias otherwise. A   \
     row whose first target is below zero is skipped: no loss, zero gradient. */                                       \
  double rnd_sigmoid_cross_entropy_##S(T *logits, int64_t stride, const T *bias, const T *target, int64_t tstride,   \
                                       int64_t rows, int64_t bits, int with_gradient);                               \
  /* Squared errors of y + bias, summed over columns and rows in double and returned. y becomes                       \
     2 (y + bias - target) if with_gradient, y + bias otherwise. */                                                   \
  double rnd_squared_error_##S(T *y, int64_t stride, const T *bias, const T *target, int64_t tstride, int64_t rows,  \
                               int64_t columns, int with_gradient);                                                  \
  /* The column of each row's largest value, the first of equals. */                                                 \
  void rnd_argmax_rows_##S(const T *x, int64_t stride, int64_t rows, int64_t columns, int32_t *index);

RND_DECLARE(float, f32)
RND_DECLARE(double, f64)
#undef RND_DECLARE
#endif
