// A sequence's states h [rows, width] made into one vector, for each sequence of a packed batch: pooled [count, width].
#ifndef POOLING_KERNELS_H
#define POOLING_KERNELS_H
#include "element.h"
#include "packed_rows.h"

/// `mean`: pooled = the mean over the steps. `max`: pooled = the largest value of each column, `where` [count, width] its
/// step, the first of equals. `attention`: scores [rows] become their softmax over each sequence's steps, pooled = the sum of
/// these weights times h.
typedef struct {
  rnd_packed_rows at;
  ptrdiff_t width;
  const void *h;
  ptrdiff_t stride;
  void *pooled;
  ptrdiff_t pooled_stride;
  int32_t *where;
  void *scores;
} rnd_pooling;
RND_KERNEL(void, rnd_mean_pool, rnd_pooling)
RND_KERNEL(void, rnd_max_pool, rnd_pooling)
RND_KERNEL(void, rnd_attention_pool, rnd_pooling)

/// The backward passes: dh = d_pooled / length; dh = d_pooled at the step of the largest value, zero elsewhere;
/// dh = weight d_pooled, and d_scores [rows].
typedef struct {
  rnd_packed_rows at;
  ptrdiff_t width;
  const void *d_pooled;
  ptrdiff_t pooled_stride;
  void *dh;
  ptrdiff_t dh_stride;
  const int32_t *where;
  const void *h;  // attention, like all below
  ptrdiff_t stride;
  const void *weights;
  void *d_scores;
} rnd_pooling_gradient;
RND_KERNEL(void, rnd_mean_pool_backward, rnd_pooling_gradient)
RND_KERNEL(void, rnd_max_pool_backward, rnd_pooling_gradient)
RND_KERNEL(void, rnd_attention_pool_backward, rnd_pooling_gradient)
#endif
