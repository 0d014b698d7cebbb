#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "lstm_kernels.h"

#define BODY "lstm.c"
#include "variants.h"
#else

RND_INLINE void NAME(lstm_row)(int64_t H, T *restrict gates_i, T *restrict gates_f, T *restrict gates_g,
                               T *restrict gates_o, const T *restrict bias_i, const T *restrict bias_f,
                               const T *restrict bias_g, const T *restrict bias_o, const T *restrict c_prev,
                               T *restrict c, T *restrict h) {
  for (int64_t j = 0; j < H; j++) {
    T i = TYPED(rnd_sigmoid)(gates_i[j] + bias_i[j]);
    T f = TYPED(rnd_sigmoid)(gates_f[j] + bias_f[j]);
    T g = TYPED(rnd_tanh)(gates_g[j] + bias_g[j]);
    T o = TYPED(rnd_sigmoid)(gates_o[j] + bias_o[j]);
    T cell = f * c_prev[j] + i * g;
    gates_i[j] = i;
    gates_f[j] = f;
    gates_g[j] = g;
    gates_o[j] = o;
    c[j] = cell;
    h[j] = o * TYPED(rnd_tanh)(cell);
  }
}

void NAME(rnd_lstm_forward)(rnd_lstm a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  const T *bias = a.bias, *c_previous = a.c_previous;
  T *c = a.c, *h = a.h;
  for (int64_t row = first; row < end; row++) {
    T *g = (T *)a.gates + row * 4 * H;
    NAME(lstm_row)(H, g, g + H, g + 2 * H, g + 3 * H, bias, bias + H, bias + 2 * H, bias + 3 * H,
                   c_previous + row * H, c + row * H, h + row * H);
  }
}

// tanh(c) is computed again rather than stored: one vector tanh is cheaper than writing and reading [N, H].
RND_INLINE void NAME(lstm_backward_row)(int64_t H, T *restrict gates_i, T *restrict gates_f, T *restrict gates_g,
                                        T *restrict gates_o, const T *restrict c_prev, const T *restrict c,
                                        const T *restrict dh_out, const T *restrict dh_next, T *restrict dc,
                                        T *restrict dbias_i, T *restrict dbias_f, T *restrict dbias_g,
                                        T *restrict dbias_o) {
  for (int64_t j = 0; j < H; j++) {
    T i = gates_i[j], f = gates_f[j], g = gates_g[j], o = gates_o[j];
    T tanh_c = TYPED(rnd_tanh)(c[j]);
    T dh = dh_out[j] + dh_next[j];
    T d = dc[j] + dh * o * (1 - tanh_c * tanh_c);  // h = o tanh(c)
    T di = d * g * i * (1 - i);                    // c = f c_prev + i g
    T df = d * c_prev[j] * f * (1 - f);
    T dg = d * i * (1 - g * g);
    T dout = dh * tanh_c * o * (1 - o);
    gates_i[j] = di;
    gates_f[j] = df;
    gates_g[j] = dg;
    gates_o[j] = dout;
    dc[j] = d * f;
    dbias_i[j] += di;
    dbias_f[j] += df;
    dbias_g[j] += dg;
    dbias_o[j] += dout;
  }
}

void NAME(rnd_lstm_backward)(rnd_lstm_gradient a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  const T *c_previous = a.c_previous, *c = a.c, *dh_out = a.dh_out, *dh_next = a.dh_next;
  T *dc = a.dc, *sum = (T *)a.dbias + first;
  for (int64_t row = 0; row < a.rows; row++) {
    int64_t at = row * H + first;
    T *g = (T *)a.gates + row * 4 * H + first;
    NAME(lstm_backward_row)(end - first, g, g + H, g + 2 * H, g + 3 * H, c_previous + at, c + at, dh_out + at,
                            dh_next + at, dc + at, sum, sum + H, sum + 2 * H, sum + 3 * H);
  }
}

#endif
