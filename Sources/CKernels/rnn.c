#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "rnn_kernels.h"

#define BODY "rnn.c"
#include "variants.h"
#else

// Reference: Elman 1990, h = f(W x + U h_prev + b).
RND_INLINE void NAME(rnn_row)(int64_t H, const T *restrict pre, const T *restrict bias, T *restrict h, int relu) {
  for (int64_t j = 0; j < H; j++) {
    T v = pre[j] + bias[j];
    h[j] = relu ? (v < 0 ? 0 : v) : TYPED(rnd_tanh)(v);
  }
}

void NAME(rnd_rnn_forward)(rnd_rnn a, ptrdiff_t first, ptrdiff_t end) {
  const T *pre = a.pre, *bias = a.bias;
  T *h = a.h;
  for (int64_t row = first; row < end; row++) {
    if (a.relu) {
      NAME(rnn_row)(a.units, pre + row * a.units, bias, h + row * a.units, 1);
    } else {
      NAME(rnn_row)(a.units, pre + row * a.units, bias, h + row * a.units, 0);
    }
  }
}

RND_INLINE void NAME(rnn_backward_row)(int64_t H, const T *restrict h, const T *restrict dh_out,
                                       const T *restrict dh_next, T *restrict d_pre, T *restrict dbias, int relu) {
  for (int64_t j = 0; j < H; j++) {
    T slope = relu ? (h[j] > 0 ? 1 : h[j] <= 0 ? 0 : h[j]) : 1 - h[j] * h[j];  // A NaN stays a NaN.
    T v = (dh_out[j] + dh_next[j]) * slope;
    d_pre[j] = v;
    dbias[j] += v;
  }
}

void NAME(rnd_rnn_backward)(rnd_rnn_gradient a, ptrdiff_t first, ptrdiff_t end) {
  const T *h = a.h, *dh_out = a.dh_out, *dh_next = a.dh_next;
  T *d_pre = a.d_pre, *dbias = (T *)a.dbias + first;
  for (int64_t row = 0; row < a.rows; row++) {
    int64_t at = row * a.units + first;
    if (a.relu) {
      NAME(rnn_backward_row)(end - first, h + at, dh_out + at, dh_next + at, d_pre + at, dbias, 1);
    } else {
      NAME(rnn_backward_row)(end - first, h + at, dh_out + at, dh_next + at, d_pre + at, dbias, 0);
    }
  }
}

#endif
