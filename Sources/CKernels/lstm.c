#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "lstm_kernels.h"

#define BODY "lstm.c"
#include "variants.h"
#else

void NAME(rnd_lstm_forward)(rnd_lstm a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  const T *bias = a.bias;
  for (int64_t row = first; row < end; row++) {
    T *gates = (T *)a.gates + row * 4 * H, *c = (T *)a.c + row * H, *h = (T *)a.h + row * H;
    const T *c_previous = (const T *)a.c_previous + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < a.width; j++) {
      T i = TYPED(rnd_sigmoid)(gates[j] + bias[j]);
      T f = TYPED(rnd_sigmoid)(gates[H + j] + bias[H + j]);
      T g = TYPED(rnd_tanh)(gates[2 * H + j] + bias[2 * H + j]);
      T o = TYPED(rnd_sigmoid)(gates[3 * H + j] + bias[3 * H + j]);
      T cell = f * c_previous[j] + i * g;
      gates[j] = i;
      gates[H + j] = f;
      gates[2 * H + j] = g;
      gates[3 * H + j] = o;
      c[j] = cell;
      h[j] = o * TYPED(rnd_tanh)(cell);
    }
  }
}

// tanh(c) is recomputed rather than stored: one vector tanh is cheaper than writing and reading [N, H].
void NAME(rnd_lstm_backward)(rnd_lstm_gradient a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  for (int64_t row = first; row < end; row++) {
    T *gates = (T *)a.gates + row * 4 * H, *dc = (T *)a.dc + row * H;
    const T *c_previous = (const T *)a.c_previous + row * H, *c = (const T *)a.c + row * H;
    const T *dh_out = (const T *)a.dh_out + row * H, *dh_next = (const T *)a.dh_next + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < H; j++) {
      T i = gates[j], f = gates[H + j], g = gates[2 * H + j], o = gates[3 * H + j];
      T tanh_c = TYPED(rnd_tanh)(c[j]);
      T dh = dh_out[j] + dh_next[j];
      T d = dc[j] + dh * o * (1 - tanh_c * tanh_c);  // h = o tanh(c)
      T di = d * g * i * (1 - i);                    // c = f c_previous + i g
      T df = d * c_previous[j] * f * (1 - f);
      T dg = d * i * (1 - g * g);
      T dout = dh * tanh_c * o * (1 - o);
      gates[j] = di;
      gates[H + j] = df;
      gates[2 * H + j] = dg;
      gates[3 * H + j] = dout;
      dc[j] = d * f;
    }
  }
}

#endif
