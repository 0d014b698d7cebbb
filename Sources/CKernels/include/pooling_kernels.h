// A sequence's states h [rows, width] made into one vector, for each sequence of a packed batch: pooled [count, width].
#ifndef POOLING_KERNELS_H
#define POOLING_KERNELS_H
#include <stdint.h>

#include "packed_rows.h"

#define RND_DECLARE(T, S) \
  /* pooled = mean over the steps. */                                                                                  \
  void rnd_mean_pool_##S(const T *h, int64_t stride, rnd_packed_rows at, int64_t width, T *pooled, int64_t pstride);  \
  /* dh = dpooled / length, overwritten. */                                                                            \
  void rnd_mean_pool_backward_##S(const T *dpooled, int64_t pstride, rnd_packed_rows at, int64_t width, T *dh,        \
                                  int64_t stride);                                                                     \
  /* pooled = largest value of each column; where [count, width] = its step, the first of equals. */                  \
  void rnd_max_pool_##S(const T *h, int64_t stride, rnd_packed_rows at, int64_t width, T *pooled, int64_t pstride,    \
                        int32_t *where);                                                                               \
  /* dh = dpooled at that step, zero elsewhere, overwritten. */                                                        \
  void rnd_max_pool_backward_##S(const T *dpooled, int64_t pstride, const int32_t *where, rnd_packed_rows at,         \
                                 int64_t width, T *dh, int64_t stride);                                                \
  /* scores [rows] become their softmax over each sequence's steps; pooled = sum of these weights times h. */         \
  void rnd_attention_pool_##S(T *scores, const T *h, int64_t stride, rnd_packed_rows at, int64_t width, T *pooled,    \
                              int64_t pstride);                                                                        \
  /* dscores [rows] and dh = weight * dpooled, both overwritten. */                                                    \
  void rnd_attention_pool_backward_##S(const T *weights, const T *h, int64_t stride, const T *dpooled,                \
                                       int64_t pstride, rnd_packed_rows at, int64_t width, T *dscores, T *dh,         \
                                       int64_t dstride);

RND_DECLARE(float, f32)
RND_DECLARE(double, f64)
#undef RND_DECLARE
#endif
