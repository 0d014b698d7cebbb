#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "extended_lstm_kernels.h"

#define BODY "extended_lstm.c"
#include "variants.h"
#else

RND_INLINE void NAME(extended_lstm_cell_row)(int64_t H, int coupled, T clip, T *restrict gates_i, T *restrict gates_f,
                                           T *restrict gates_g, T *restrict gates_o, const T *restrict bias_i,
                                           const T *restrict bias_f, const T *restrict bias_g,
                                           const T *restrict bias_o, const T *restrict peephole_i,
                                           const T *restrict peephole_f, const T *restrict peephole_o,
                                           const T *restrict c_prev, T *restrict c) {
  for (int64_t j = 0; j < H; j++) {
    T f = TYPED(rnd_sigmoid)(gates_f[j] + bias_f[j] + peephole_f[j] * c_prev[j]);
    T i = coupled ? 1 - f : TYPED(rnd_sigmoid)(gates_i[j] + bias_i[j] + peephole_i[j] * c_prev[j]);
    T g = TYPED(rnd_tanh)(gates_g[j] + bias_g[j]);
    T cell = f * c_prev[j] + i * g;
    cell = cell < -clip ? -clip : cell;  // A NaN stays a NaN.
    cell = cell > clip ? clip : cell;
    T o = TYPED(rnd_sigmoid)(gates_o[j] + bias_o[j] + peephole_o[j] * cell);
    if (!coupled) gates_i[j] = i;
    gates_f[j] = f;
    gates_g[j] = g;
    gates_o[j] = o;
    c[j] = cell;
  }
}

void NAME(rnd_extended_lstm_cell)(rnd_extended_lstm a) {
  const int64_t H = a.units;
  const T clip = (T)a.clip, *bias = a.bias, *p = a.peepholes;
  for (int64_t row = 0; row < a.rows; row++) {
    const T *c_prev = (const T *)a.c_previous + row * H;
    T *c = (T *)a.c + row * H;
    if (a.coupled) {
      T *g = (T *)a.gates + row * 3 * H;
      NAME(extended_lstm_cell_row)(H, 1, clip, g, g, g + H, g + 2 * H, bias, bias, bias + H, bias + 2 * H, p, p, p + H,
                                   c_prev, c);
    } else {
      T *g = (T *)a.gates + row * 4 * H;
      NAME(extended_lstm_cell_row)(H, 0, clip, g, g + H, g + 2 * H, g + 3 * H, bias, bias + H, bias + 2 * H,
                                   bias + 3 * H, p, p + H, p + 2 * H, c_prev, c);
    }
  }
}

RND_INLINE void NAME(extended_lstm_output_row)(int64_t H, const T *restrict o, const T *restrict m, T *restrict h) {
  for (int64_t j = 0; j < H; j++) h[j] = o[j] * TYPED(rnd_tanh)(m[j]);
}

void NAME(rnd_extended_lstm_output)(rnd_extended_lstm a) {
  const int64_t H = a.units, count = a.coupled ? 3 : 4;
  for (int64_t row = 0; row < a.rows; row++) {
    NAME(extended_lstm_output_row)(H, (T *)a.gates + (row * count + count - 1) * H, (const T *)a.seen + row * H,
                                   (T *)a.h + row * H);
  }
}

RND_INLINE void NAME(extended_lstm_output_backward_row)(int64_t H, T *restrict o, const T *restrict m,
                                                      const T *restrict dh, T *restrict dm) {
  for (int64_t j = 0; j < H; j++) {
    T tanh_m = TYPED(rnd_tanh)(m[j]);
    dm[j] = dh[j] * o[j] * (1 - tanh_m * tanh_m);  // h = o tanh(m)
    o[j] = dh[j] * tanh_m * o[j] * (1 - o[j]);
  }
}

void NAME(rnd_extended_lstm_output_backward)(rnd_extended_lstm_gradient a) {
  const int64_t H = a.units, count = a.coupled ? 3 : 4;
  for (int64_t row = 0; row < a.rows; row++) {
    NAME(extended_lstm_output_backward_row)(H, (T *)a.gates + (row * count + count - 1) * H,
                                            (const T *)a.seen + row * H, (const T *)a.dh + row * H,
                                            (T *)a.d_seen + row * H);
  }
}

RND_INLINE void NAME(extended_lstm_cell_backward_row)(
    int64_t H, int coupled, T clip, T *restrict gates_i, T *restrict gates_f, T *restrict gates_g,
    const T *restrict gates_o, const T *restrict peephole_i, const T *restrict peephole_f, const T *restrict peephole_o,
    const T *restrict c_prev, const T *restrict c, const T *restrict dm, T *restrict dc, T *restrict dbias_i,
    T *restrict dbias_f, T *restrict dbias_g, T *restrict dbias_o, T *restrict dpeephole_i, T *restrict dpeephole_f,
    T *restrict dpeephole_o) {
  for (int64_t j = 0; j < H; j++) {
    T f = gates_f[j], g = gates_g[j], dout = gates_o[j];
    T i = coupled ? 1 - f : gates_i[j];
    T cell = c[j];
    T d = dc[j] + dm[j] + peephole_o[j] * dout;  // o sees the new c
    d *= (cell < 0 ? -cell : cell) >= clip ? 0 : 1;
    T di = coupled ? 0 : d * g * i * (1 - i);  // c = f c_prev + i g
    T df = d * (coupled ? c_prev[j] - g : c_prev[j]) * f * (1 - f);
    T dg = d * i * (1 - g * g);
    if (!coupled) {
      gates_i[j] = di;
      dbias_i[j] += di;
      dpeephole_i[j] += di * c_prev[j];
    }
    gates_f[j] = df;
    gates_g[j] = dg;
    dbias_f[j] += df;
    dbias_g[j] += dg;
    dbias_o[j] += dout;
    dpeephole_f[j] += df * c_prev[j];
    dpeephole_o[j] += dout * cell;
    dc[j] = d * f + peephole_f[j] * df + (coupled ? 0 : peephole_i[j] * di);
  }
}

void NAME(rnd_extended_lstm_cell_backward)(rnd_extended_lstm_gradient a) {
  const int64_t H = a.units;
  const T clip = (T)a.clip, *p = a.peepholes, *c_prev = a.c_previous, *c = a.c, *d_seen = a.d_seen;
  T *dc = a.dc, *db = a.dbias, *dp = a.dpeepholes;
  for (int64_t row = 0; row < a.rows; row++) {
    int64_t at = row * H;
    if (a.coupled) {
      T *g = (T *)a.gates + 3 * at;
      NAME(extended_lstm_cell_backward_row)(H, 1, clip, g, g, g + H, g + 2 * H, p, p, p + H, c_prev + at, c + at,
                                            d_seen + at, dc + at, db, db, db + H, db + 2 * H, dp, dp, dp + H);
    } else {
      T *g = (T *)a.gates + 4 * at;
      NAME(extended_lstm_cell_backward_row)(H, 0, clip, g, g + H, g + 2 * H, g + 3 * H, p, p + H, p + 2 * H, c_prev + at,
                                            c + at, d_seen + at, dc + at, db, db + H, db + 2 * H, db + 3 * H, dp, dp + H,
                                            dp + 2 * H);
    }
  }
}

#endif
