#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "sequence_kernels.h"

#define BODY "pooling.c"
#include "variants.h"
#else

// Row t of sequence p.
RND_INLINE int64_t NAME(row)(rnd_packed_rows at, int64_t t, int64_t p) { return at.offset[t] + p; }

RND_INLINE void NAME(add_scaled)(T factor, const T *x, T *y, int64_t n) {
  ELEMENTWISE
  for (int64_t j = 0; j < n; j++) y[j] += factor * x[j];
}

RND_INLINE void NAME(set_scaled)(T factor, const T *x, T *y, int64_t n) {
  ELEMENTWISE
  for (int64_t j = 0; j < n; j++) y[j] = factor * x[j];
}

void NAME(rnd_mean_pool)(rnd_pooling a) {
  for (int64_t p = 0; p < a.at.count; p++) {
    T *pooled = (T *)a.pooled + p * a.pooled_stride;
    memset(pooled, 0, (size_t)a.width * sizeof(T));
    for (int64_t t = 0; t < a.at.length[p]; t++) {
      NAME(add_scaled)(1, (const T *)a.h + NAME(row)(a.at, t, p) * a.stride, pooled, a.width);
    }
    NAME(set_scaled)(1 / (T)a.at.length[p], pooled, pooled, a.width);
  }
}

void NAME(rnd_mean_pool_backward)(rnd_pooling_gradient a) {
  for (int64_t p = 0; p < a.at.count; p++) {
    for (int64_t t = 0; t < a.at.length[p]; t++) {
      NAME(set_scaled)(1 / (T)a.at.length[p], (const T *)a.d_pooled + p * a.pooled_stride,
                       (T *)a.dh + NAME(row)(a.at, t, p) * a.dh_stride, a.width);
    }
  }
}

void NAME(rnd_max_pool)(rnd_pooling a) {
  for (int64_t p = 0; p < a.at.count; p++) {
    T *pooled = (T *)a.pooled + p * a.pooled_stride;
    int32_t *where = a.where + p * a.width;
    memcpy(pooled, (const T *)a.h + NAME(row)(a.at, 0, p) * a.stride, (size_t)a.width * sizeof(T));
    memset(where, 0, (size_t)a.width * sizeof *where);
    for (int64_t t = 1; t < a.at.length[p]; t++) {
      const T *h = (const T *)a.h + NAME(row)(a.at, t, p) * a.stride;
      ELEMENTWISE
      for (int64_t j = 0; j < a.width; j++) {
        const int higher = h[j] > pooled[j] || h[j] != h[j];  // A NaN beats every number, so that it stays visible.
        where[j] = higher ? (int32_t)t : where[j];
        pooled[j] = higher ? h[j] : pooled[j];
      }
    }
  }
}

void NAME(rnd_max_pool_backward)(rnd_pooling_gradient a) {
  for (int64_t p = 0; p < a.at.count; p++) {
    const T *d_pooled = (const T *)a.d_pooled + p * a.pooled_stride;
    const int32_t *where = a.where + p * a.width;
    for (int64_t t = 0; t < a.at.length[p]; t++) {
      T *dh = (T *)a.dh + NAME(row)(a.at, t, p) * a.dh_stride;
      ELEMENTWISE
      for (int64_t j = 0; j < a.width; j++) dh[j] = where[j] == t ? d_pooled[j] : 0;
    }
  }
}

// The scores of sequence p become weights that sum to one.
RND_INLINE void NAME(attention_weights)(T *scores, rnd_packed_rows at, int64_t p) {
  T largest = scores[NAME(row)(at, 0, p)];
  for (int64_t t = 1; t < at.length[p]; t++) {
    T score = scores[NAME(row)(at, t, p)];
    largest = score > largest ? score : largest;
  }
  T sum = 0;
  for (int64_t t = 0; t < at.length[p]; t++) {
    T *score = scores + NAME(row)(at, t, p);
    *score = TYPED(rnd_exp)(*score - largest);
    sum += *score;
  }
  for (int64_t t = 0; t < at.length[p]; t++) scores[NAME(row)(at, t, p)] /= sum;
}

void NAME(rnd_attention_pool)(rnd_pooling a) {
  for (int64_t p = 0; p < a.at.count; p++) {
    T *scores = a.scores, *pooled = (T *)a.pooled + p * a.pooled_stride;
    NAME(attention_weights)(scores, a.at, p);
    memset(pooled, 0, (size_t)a.width * sizeof(T));
    for (int64_t t = 0; t < a.at.length[p]; t++) {
      const int64_t row = NAME(row)(a.at, t, p);
      NAME(add_scaled)(scores[row], (const T *)a.h + row * a.stride, pooled, a.width);
    }
  }
}

void NAME(rnd_attention_pool_backward)(rnd_pooling_gradient a) {
  const T *weights = a.weights;
  T *d_scores = a.d_scores;
  for (int64_t p = 0; p < a.at.count; p++) {
    const T *d_pooled = (const T *)a.d_pooled + p * a.pooled_stride;
    T mean = 0;  // of the weights' gradients, under the weights
    for (int64_t t = 0; t < a.at.length[p]; t++) {
      const int64_t row = NAME(row)(a.at, t, p);
      const T *h = (const T *)a.h + row * a.stride;
      T dot = 0;
      for (int64_t j = 0; j < a.width; j++) dot += d_pooled[j] * h[j];
      d_scores[row] = dot;
      mean += weights[row] * dot;
      NAME(set_scaled)(weights[row], d_pooled, (T *)a.dh + row * a.dh_stride, a.width);
    }
    for (int64_t t = 0; t < a.at.length[p]; t++) {  // da/ds of a softmax: a (da - sum of a da)
      const int64_t row = NAME(row)(a.at, t, p);
      d_scores[row] = weights[row] * (d_scores[row] - mean);
    }
  }
}

#endif
