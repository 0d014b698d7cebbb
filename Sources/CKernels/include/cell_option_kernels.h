// Operations around cells and between the layers of a stack: clipping, masks, zoneout, highway connections and layer
// normalization. `count` is the number of elements of contiguous blocks.
#ifndef CELL_OPTION_KERNELS_H
#define CELL_OPTION_KERNELS_H
#include "element.h"

/// `clip`: x = x limited to [-bound, bound]. `clip_backward`: d = 0 where x has been clipped.
typedef struct {
  ptrdiff_t count;
  double bound;
  void *x, *d;
} rnd_clipping;
RND_KERNEL(void, rnd_clip, rnd_clipping)
RND_KERNEL(void, rnd_clip_backward, rnd_clipping)

/// `multiply`: out = x y; out may be x. `multiply_add`: out += x y.
typedef struct {
  ptrdiff_t count;
  const void *x, *y;
  void *out;
} rnd_factors;
RND_KERNEL(void, rnd_multiply, rnd_factors)
RND_KERNEL(void, rnd_multiply_add, rnd_factors)

/// out is `previous` where the mask is 0 and `candidate` elsewhere. Without a mask (null) it is the mean over random masks.
typedef struct {
  ptrdiff_t count;
  double rate;
  const void *mask, *previous, *candidate;
  void *out;
} rnd_zoneout_step;
RND_KERNEL(void, rnd_zoneout, rnd_zoneout_step)

/// d + d_out (null: none) is the gradient of out: d becomes that of the candidate, `kept` that of `previous`.
typedef struct {
  ptrdiff_t count;
  double rate;
  const void *mask, *d_out;
  void *d, *kept;
} rnd_zoneout_gradient;
RND_KERNEL(void, rnd_zoneout_backward, rnd_zoneout_gradient)

/// out = x + gate (y - x). Backward: gate, the activation of a sigmoid, becomes the gradient of its pre-activation; dx and dy
/// are computed from d_out.
typedef struct {
  ptrdiff_t count;
  void *gate;
  const void *x, *y;
  void *out;
  const void *d_out;
  void *dx, *dy;
} rnd_highway;
RND_KERNEL(void, rnd_highway_forward, rnd_highway)
RND_KERNEL(void, rnd_highway_backward, rnd_highway)

/// For each row normalized = (x - mean) / sqrt(variance + 1e-5), x = gain normalized + bias; scale[row * scale_stride] keeps
/// 1 / sqrt(variance + 1e-5).
typedef struct {
  ptrdiff_t rows, columns;
  void *x;
  ptrdiff_t stride;
  const void *gain;
  const void *bias;  // null: none
  void *normalized;
  ptrdiff_t normalized_stride;
  void *scale;
  ptrdiff_t scale_stride;
} rnd_layer_norm;
RND_KERNEL(void, rnd_layer_norm_forward, rnd_layer_norm)

/// d is the gradient of the result on entry and that of x on return.
typedef struct {
  ptrdiff_t rows, columns;
  void *d;
  ptrdiff_t stride;
  const void *gain, *normalized;
  ptrdiff_t normalized_stride;
  const void *scale;
  ptrdiff_t scale_stride;
  void *dgain;  // added to
  void *dbias;  // added to; null: none
} rnd_layer_norm_gradient;
RND_KERNEL(void, rnd_layer_norm_backward, rnd_layer_norm_gradient)
#endif
