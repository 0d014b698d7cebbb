// Losses and decisions of output layers other than softmax, row by row.
#ifndef OUTPUT_KERNELS_H
#define OUTPUT_KERNELS_H
#include "element.h"

/// A loss of y + bias against targets, summed over columns and rows in double and returned. y becomes the gradient if
/// with_gradient, y + bias otherwise.
typedef struct {
  ptrdiff_t rows, columns;
  void *y;
  ptrdiff_t stride;
  const void *bias;
  const void *target;
  ptrdiff_t target_stride;
  bool with_gradient;
} rnd_output_loss;
/// Independent bits: the cross-entropy (nats) of sigmoid(y + bias) against targets in 0...1. A row whose first target is
/// below zero is skipped: no loss, zero gradient.
RND_KERNEL(double, rnd_sigmoid_cross_entropy, rnd_output_loss)
/// Squared errors.
RND_KERNEL(double, rnd_squared_error, rnd_output_loss)

/// The column of each row's largest value, the first of equals.
typedef struct {
  ptrdiff_t rows, columns;
  const void *x;
  ptrdiff_t stride;
  int32_t *index;
} rnd_argmax;
RND_KERNEL(void, rnd_argmax_rows, rnd_argmax)
#endif
