#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "rnn_kernels.h"

#define BODY "rnn.c"
#include "variants.h"
#else

// Reference: Elman 1990, h = f(W x + U h_previous + b).
RND_INLINE void NAME(rnn_rows)(rnd_rnn a, ptrdiff_t first, ptrdiff_t end, int relu) {
  const T *bias = a.bias;
  for (int64_t row = first; row < end; row++) {
    const T *pre = (const T *)a.pre + row * a.units;
    T *h = (T *)a.h + row * a.units;
    ELEMENTWISE
    for (int64_t j = 0; j < a.units; j++) {
      T v = pre[j] + bias[j];
      h[j] = relu ? (v < 0 ? 0 : v) : TYPED(rnd_tanh)(v);
    }
  }
}

// The function is a constant in each expansion, so the loops have no branches.
void NAME(rnd_rnn_forward)(rnd_rnn a, ptrdiff_t first, ptrdiff_t end) {
  if (a.relu) NAME(rnn_rows)(a, first, end, 1);
  else NAME(rnn_rows)(a, first, end, 0);
}

RND_INLINE void NAME(rnn_backward_rows)(rnd_rnn_gradient a, ptrdiff_t first, ptrdiff_t end, int relu) {
  for (int64_t row = first; row < end; row++) {
    const T *h = (const T *)a.h + row * a.units, *dh_out = (const T *)a.dh_out + row * a.units;
    const T *dh_next = (const T *)a.dh_next + row * a.units;
    T *d_pre = (T *)a.d_pre + row * a.units;
    ELEMENTWISE
    for (int64_t j = 0; j < a.units; j++) {
      T slope = relu ? (h[j] > 0 ? 1 : h[j] <= 0 ? 0 : h[j]) : 1 - h[j] * h[j];  // A NaN stays a NaN.
      d_pre[j] = (dh_out[j] + dh_next[j]) * slope;
    }
  }
}

void NAME(rnd_rnn_backward)(rnd_rnn_gradient a, ptrdiff_t first, ptrdiff_t end) {
  if (a.relu) NAME(rnn_backward_rows)(a, first, end, 1);
  else NAME(rnn_backward_rows)(a, first, end, 0);
}

#endif
