#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "extended_lstm_kernels.h"

#define BODY "extended_lstm.c"
#include "variants.h"
#else

// The gates of a row in order: i (unless it is coupled to f), f, g, o. Peepholes: i (unless coupled), f, o.

RND_INLINE void NAME(extended_lstm_rows)(rnd_extended_lstm a, int coupled) {
  const int64_t H = a.units, F = coupled ? 0 : H, G = F + H, O = G + H, width = O + H;
  const T clip = (T)a.clip, *bias = a.bias, *peepholes = a.peepholes;
  for (int64_t row = 0; row < a.rows; row++) {
    T *gates = (T *)a.gates + row * width, *c = (T *)a.c + row * H;
    const T *c_previous = (const T *)a.c_previous + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < H; j++) {
      T f = TYPED(rnd_sigmoid)(gates[F + j] + bias[F + j] + peepholes[F + j] * c_previous[j]);
      T i = coupled ? 1 - f : TYPED(rnd_sigmoid)(gates[j] + bias[j] + peepholes[j] * c_previous[j]);
      T g = TYPED(rnd_tanh)(gates[G + j] + bias[G + j]);
      T cell = f * c_previous[j] + i * g;
      cell = cell < -clip ? -clip : cell;  // A NaN stays a NaN.
      cell = cell > clip ? clip : cell;
      T o = TYPED(rnd_sigmoid)(gates[O + j] + bias[O + j] + peepholes[G + j] * cell);
      if (!coupled) gates[j] = i;
      gates[F + j] = f;
      gates[G + j] = g;
      gates[O + j] = o;
      c[j] = cell;
    }
  }
}

// `coupled` is a constant in each expansion, so the loops have no branches.
void NAME(rnd_extended_lstm_cell)(rnd_extended_lstm a) {
  if (a.coupled) NAME(extended_lstm_rows)(a, 1);
  else NAME(extended_lstm_rows)(a, 0);
}

void NAME(rnd_extended_lstm_output)(rnd_extended_lstm a) {
  const int64_t H = a.units, count = a.coupled ? 3 : 4;
  for (int64_t row = 0; row < a.rows; row++) {
    const T *o = (const T *)a.gates + (row * count + count - 1) * H, *seen = (const T *)a.seen + row * H;
    T *h = (T *)a.h + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < H; j++) h[j] = o[j] * TYPED(rnd_tanh)(seen[j]);
  }
}

void NAME(rnd_extended_lstm_output_backward)(rnd_extended_lstm_gradient a) {
  const int64_t H = a.units, count = a.coupled ? 3 : 4;
  for (int64_t row = 0; row < a.rows; row++) {
    T *o = (T *)a.gates + (row * count + count - 1) * H, *d_seen = (T *)a.d_seen + row * H;
    const T *seen = (const T *)a.seen + row * H, *dh = (const T *)a.dh + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < H; j++) {
      T tanh_seen = TYPED(rnd_tanh)(seen[j]);
      d_seen[j] = dh[j] * o[j] * (1 - tanh_seen * tanh_seen);  // h = o tanh(seen)
      o[j] = dh[j] * tanh_seen * o[j] * (1 - o[j]);
    }
  }
}

RND_INLINE void NAME(extended_lstm_backward_rows)(rnd_extended_lstm_gradient a, int coupled) {
  const int64_t H = a.units, F = coupled ? 0 : H, G = F + H, O = G + H, width = O + H;
  const T clip = (T)a.clip, *peepholes = a.peepholes;
  T *dbias = a.dbias, *dpeepholes = a.dpeepholes;
  for (int64_t row = 0; row < a.rows; row++) {
    T *gates = (T *)a.gates + row * width, *dc = (T *)a.dc + row * H;
    const T *c_previous = (const T *)a.c_previous + row * H, *c = (const T *)a.c + row * H;
    const T *d_seen = (const T *)a.d_seen + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < H; j++) {
      T f = gates[F + j], g = gates[G + j], dout = gates[O + j];
      T i = coupled ? 1 - f : gates[j];
      T d = dc[j] + d_seen[j] + peepholes[G + j] * dout;  // o sees the new c
      d *= (c[j] < 0 ? -c[j] : c[j]) >= clip ? 0 : 1;
      T di = coupled ? 0 : d * g * i * (1 - i);  // c = f c_previous + i g
      T df = d * (coupled ? c_previous[j] - g : c_previous[j]) * f * (1 - f);
      T dg = d * i * (1 - g * g);
      if (!coupled) {
        gates[j] = di;
        dbias[j] += di;
        dpeepholes[j] += di * c_previous[j];
      }
      gates[F + j] = df;
      gates[G + j] = dg;
      dbias[F + j] += df;
      dbias[G + j] += dg;
      dbias[O + j] += dout;
      dpeepholes[F + j] += df * c_previous[j];
      dpeepholes[G + j] += dout * c[j];
      dc[j] = d * f + peepholes[F + j] * df + (coupled ? 0 : peepholes[j] * di);
    }
  }
}

void NAME(rnd_extended_lstm_cell_backward)(rnd_extended_lstm_gradient a) {
  if (a.coupled) NAME(extended_lstm_backward_rows)(a, 1);
  else NAME(extended_lstm_backward_rows)(a, 0);
}

#endif
