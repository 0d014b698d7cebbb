// Activation functions and small row operations.
#ifndef ELEMENTWISE_KERNELS_H
#define ELEMENTWISE_KERNELS_H
#include "element.h"

/// Activation functions; Swift's `ElementwiseActivation` has the same codes. `rnd_exponential` has no backward pass: it
/// is for tests of the exponential, on which all other functions are based.
enum { rnd_identity = 0, rnd_sigmoid = 1, rnd_tanh = 2, rnd_relu = 3, rnd_exponential = 4 };

/// y = f(y + bias) row by row.
typedef struct {
  ptrdiff_t rows, columns;
  void *y;
  ptrdiff_t stride;
  const void *bias;  // null: none
  int activation;
} rnd_activation;
RND_KERNEL(void, rnd_activate, rnd_activation)

/// dy = dy f'(pre-activation), computed from the activated y.
typedef struct {
  ptrdiff_t rows, columns;
  void *dy;
  ptrdiff_t dy_stride;
  const void *y;
  ptrdiff_t y_stride;
  int activation;
} rnd_activation_gradient;
RND_KERNEL(void, rnd_activate_backward, rnd_activation_gradient)

/// y += alpha x. Threads share the elements.
typedef struct {
  double alpha;
  const void *x;
  void *y;
} rnd_scaled;
RND_SHARED_KERNEL(rnd_add_scaled, rnd_scaled)

/// sum[j] += the sum over the rows of x[row][j]. Threads share the columns.
typedef struct {
  ptrdiff_t rows;
  const void *x;
  ptrdiff_t stride;
  void *sum;
} rnd_columns;
RND_SHARED_KERNEL(rnd_add_column_sums, rnd_columns)

/// y[row] = table[index[row]]. Threads share the rows.
typedef struct {
  ptrdiff_t columns;
  const int32_t *index;
  const void *table;
  ptrdiff_t table_stride;
  void *y;
  ptrdiff_t stride;
} rnd_gather;
RND_SHARED_KERNEL(rnd_gather_rows, rnd_gather)

/// table[index[row]] += x[row], rows in order, so the sum depends on the data alone; rows whose index is below zero are
/// left out. Threads share the columns.
typedef struct {
  ptrdiff_t rows;
  const int32_t *index;
  const void *x;
  ptrdiff_t stride;
  void *table;
  ptrdiff_t table_stride;
} rnd_scatter;
RND_SHARED_KERNEL(rnd_scatter_add_rows, rnd_scatter)
#endif
