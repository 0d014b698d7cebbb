#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "sequence_kernels.h"

#define BODY "pooling.c"
#include "variants.h"
#else

RND_INLINE void NAME(add_scaled)(T factor, const T *restrict x, T *restrict y, int64_t n) {
  for (int64_t j = 0; j < n; j++) y[j] += factor * x[j];
}

RND_INLINE void NAME(set_scaled)(T factor, const T *restrict x, T *restrict y, int64_t n) {
  for (int64_t j = 0; j < n; j++) y[j] = factor * x[j];
}

void NAME(rnd_mean_pool)(rnd_pooling a) {
  const rnd_packed_rows at = a.at;
  const int64_t width = a.width;
  const T *h = a.h;
  T *pooled = a.pooled;
  const int64_t stride = a.stride, pstride = a.pooled_stride;
  for (int64_t p = 0; p < at.count; p++) {
    T *y = pooled + p * pstride;
    memset(y, 0, (size_t)width * sizeof(T));
    for (int64_t t = 0; t < at.length[p]; t++) NAME(add_scaled)(1, h + (at.offset[t] + p) * stride, y, width);
    T share = 1 / (T)at.length[p];
    for (int64_t j = 0; j < width; j++) y[j] *= share;
  }
}

void NAME(rnd_mean_pool_backward)(rnd_pooling_gradient a) {
  const rnd_packed_rows at = a.at;
  const int64_t width = a.width;
  const T *dpooled = a.d_pooled;
  T *dh = a.dh;
  const int64_t stride = a.dh_stride, pstride = a.pooled_stride;
  for (int64_t p = 0; p < at.count; p++) {
    T share = 1 / (T)at.length[p];
    for (int64_t t = 0; t < at.length[p]; t++) {
      NAME(set_scaled)(share, dpooled + p * pstride, dh + (at.offset[t] + p) * stride, width);
    }
  }
}

// A NaN beats every number, so that it stays visible.
RND_INLINE void NAME(raise)(const T *restrict x, int32_t step, T *restrict y, int32_t *restrict where, int64_t n) {
  for (int64_t j = 0; j < n; j++) {
    int higher = x[j] > y[j] || x[j] != x[j];
    where[j] = higher ? step : where[j];
    y[j] = higher ? x[j] : y[j];
  }
}

void NAME(rnd_max_pool)(rnd_pooling a) {
  const rnd_packed_rows at = a.at;
  const int64_t width = a.width;
  const T *h = a.h;
  T *pooled = a.pooled;
  const int64_t stride = a.stride, pstride = a.pooled_stride;
  int32_t *where = a.where;
  for (int64_t p = 0; p < at.count; p++) {
    T *y = pooled + p * pstride;
    memcpy(y, h + (at.offset[0] + p) * stride, (size_t)width * sizeof(T));
    memset(where + p * width, 0, (size_t)width * sizeof(int32_t));
    for (int64_t t = 1; t < at.length[p]; t++) {
      NAME(raise)(h + (at.offset[t] + p) * stride, (int32_t)t, y, where + p * width, width);
    }
  }
}

void NAME(rnd_max_pool_backward)(rnd_pooling_gradient a) {
  const rnd_packed_rows at = a.at;
  const int64_t width = a.width;
  const T *dpooled = a.d_pooled;
  T *dh = a.dh;
  const int64_t stride = a.dh_stride, pstride = a.pooled_stride;
  const int32_t *where = a.where;
  for (int64_t p = 0; p < at.count; p++) {
    for (int64_t t = 0; t < at.length[p]; t++) {
      T *d = dh + (at.offset[t] + p) * stride;
      for (int64_t j = 0; j < width; j++) d[j] = where[p * width + j] == t ? dpooled[p * pstride + j] : 0;
    }
  }
}

// The scores of sequence p become weights that sum to one.
RND_INLINE void NAME(attention_weights)(T *scores, rnd_packed_rows at, int64_t p) {
  T largest = scores[at.offset[0] + p];
  for (int64_t t = 1; t < at.length[p]; t++) {
    T score = scores[at.offset[t] + p];
    largest = score > largest ? score : largest;
  }
  T sum = 0;
  for (int64_t t = 0; t < at.length[p]; t++) {
    T *score = scores + at.offset[t] + p;
    *score = TYPED(rnd_exp)(*score - largest);
    sum += *score;
  }
  for (int64_t t = 0; t < at.length[p]; t++) scores[at.offset[t] + p] /= sum;
}

void NAME(rnd_attention_pool)(rnd_pooling a) {
  const rnd_packed_rows at = a.at;
  const int64_t width = a.width;
  const T *h = a.h;
  T *pooled = a.pooled;
  const int64_t stride = a.stride, pstride = a.pooled_stride;
  T *scores = a.scores;
  for (int64_t p = 0; p < at.count; p++) {
    NAME(attention_weights)(scores, at, p);
    T *y = pooled + p * pstride;
    memset(y, 0, (size_t)width * sizeof(T));
    for (int64_t t = 0; t < at.length[p]; t++) {
      int64_t row = at.offset[t] + p;
      NAME(add_scaled)(scores[row], h + row * stride, y, width);
    }
  }
}

void NAME(rnd_attention_pool_backward)(rnd_pooling_gradient a) {
  const rnd_packed_rows at = a.at;
  const int64_t width = a.width;
  const T *weights = a.weights, *h = a.h, *dpooled = a.d_pooled;
  T *dscores = a.d_scores, *dh = a.dh;
  const int64_t stride = a.stride, pstride = a.pooled_stride, dstride = a.dh_stride;
  for (int64_t p = 0; p < at.count; p++) {
    const T *d = dpooled + p * pstride;
    T mean = 0;  // of the weights' gradients, under the weights
    for (int64_t t = 0; t < at.length[p]; t++) {
      int64_t row = at.offset[t] + p;
      T dot = 0;
      for (int64_t j = 0; j < width; j++) dot += d[j] * h[row * stride + j];
      dscores[row] = dot;
      mean += weights[row] * dot;
      NAME(set_scaled)(weights[row], d, dh + row * dstride, width);
    }
    for (int64_t t = 0; t < at.length[p]; t++) {  // da/ds of a softmax: a (da - sum of a da)
      int64_t row = at.offset[t] + p;
      dscores[row] = weights[row] * (dscores[row] - mean);
    }
  }
}

#endif
