// Softmax, losses and decisions of output layers, row by row.
#ifndef OUTPUT_KERNELS_H
#define OUTPUT_KERNELS_H
#include "element.h"

/// x = softmax(x + bias) row by row.
typedef struct {
  ptrdiff_t rows, columns;
  void *x;
  ptrdiff_t stride;
  const void *bias;  // null: none
} rnd_softmax;
RND_KERNEL(void, rnd_softmax_rows, rnd_softmax)

/// dy = y (dy - sum of dy y) row by row.
typedef struct {
  ptrdiff_t rows, columns;
  const void *y;
  ptrdiff_t y_stride;
  void *dy;
  ptrdiff_t dy_stride;
} rnd_softmax_gradient;
RND_KERNEL(void, rnd_softmax_backward, rnd_softmax_gradient)

/// x += shift[row] in every column.
typedef struct {
  ptrdiff_t rows, columns;
  void *x;
  ptrdiff_t stride;
  const double *shift;
} rnd_row_shift;
RND_KERNEL(void, rnd_shift_rows, rnd_row_shift)

/// The cross-entropy of softmax(logits + bias) against target[row] for a block of rows. Its sum in double goes to *loss
/// (nats). With label smoothing e the target distribution is (1 - e) one-hot + e / classes uniform. If with_gradient,
/// logits become softmax - target distribution; otherwise they hold unspecified values afterwards. A target below zero is
/// skipped: no loss, zero gradient.
typedef struct {
  ptrdiff_t classes;
  void *logits;
  ptrdiff_t stride;
  const void *bias;  // null: none
  const int32_t *target;
  double smoothing;
  bool with_gradient;
  double *loss;
} rnd_cross_entropy;
RND_SHARED_KERNEL(rnd_softmax_cross_entropy, rnd_cross_entropy)

/// Returns a loss of y + bias against targets, summed over columns and rows in double. y becomes the gradient if
/// with_gradient, y + bias otherwise.
typedef struct {
  ptrdiff_t rows, columns;
  void *y;
  ptrdiff_t stride;
  const void *bias, *target;
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
