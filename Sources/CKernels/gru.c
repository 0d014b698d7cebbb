#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "gru_kernels.h"

#define BODY "gru.c"
#include "variants.h"
#else

// Reference: torch.nn.GRU, n = tanh(x_n + b_in + r (h_n + b_hn)).
RND_INLINE void NAME(gru_row)(int64_t H, T *restrict x_gates_r, T *restrict x_gates_z, T *restrict x_gates_n,
                              T *restrict h_gates_r, T *restrict h_gates_z, T *restrict h_gates_n,
                              const T *restrict x_bias_r, const T *restrict x_bias_z, const T *restrict x_bias_n,
                              const T *restrict h_bias_r, const T *restrict h_bias_z, const T *restrict h_bias_n,
                              const T *restrict h_prev, T *restrict h) {
  for (int64_t j = 0; j < H; j++) {
    T r = TYPED(rnd_sigmoid)(x_gates_r[j] + h_gates_r[j] + x_bias_r[j] + h_bias_r[j]);
    T z = TYPED(rnd_sigmoid)(x_gates_z[j] + h_gates_z[j] + x_bias_z[j] + h_bias_z[j]);
    T recurrent = h_gates_n[j] + h_bias_n[j];
    T n = TYPED(rnd_tanh)(x_gates_n[j] + x_bias_n[j] + r * recurrent);
    x_gates_r[j] = r;
    x_gates_z[j] = z;
    x_gates_n[j] = n;
    h_gates_n[j] = recurrent;
    h[j] = n + z * (h_prev[j] - n);
  }
}

void NAME(rnd_gru_forward)(rnd_gru a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  const T *x_bias = a.x_bias, *h_bias = a.h_bias, *h_previous = a.h_previous;
  for (int64_t row = first; row < end; row++) {
    T *x = (T *)a.x_gates + row * 3 * H, *h = (T *)a.h_gates + row * 3 * H;
    NAME(gru_row)(H, x, x + H, x + 2 * H, h, h + H, h + 2 * H, x_bias, x_bias + H, x_bias + 2 * H, h_bias, h_bias + H,
                  h_bias + 2 * H, h_previous + row * H, (T *)a.h + row * H);
  }
}

RND_INLINE void NAME(gru_backward_row)(int64_t H, T *restrict x_gates_r, T *restrict x_gates_z, T *restrict x_gates_n,
                                       T *restrict h_gates_r, T *restrict h_gates_z, T *restrict h_gates_n,
                                       const T *restrict h_prev, const T *restrict dh_out, T *restrict dh,
                                       T *restrict dx_bias_r, T *restrict dx_bias_z, T *restrict dx_bias_n,
                                       T *restrict dh_bias_r, T *restrict dh_bias_z, T *restrict dh_bias_n) {
  for (int64_t j = 0; j < H; j++) {
    T r = x_gates_r[j], z = x_gates_z[j], n = x_gates_n[j];
    T d = dh_out[j] + dh[j];
    T dz = d * (h_prev[j] - n) * z * (1 - z);  // h = (1 - z) n + z h_prev
    T dn = d * (1 - z) * (1 - n * n);
    T dr = dn * h_gates_n[j] * r * (1 - r);  // n = tanh(x_n + r recurrent)
    T drecurrent = dn * r;
    x_gates_r[j] = dr;
    x_gates_z[j] = dz;
    x_gates_n[j] = dn;
    h_gates_r[j] = dr;
    h_gates_z[j] = dz;
    h_gates_n[j] = drecurrent;
    dh[j] = d * z;
    dx_bias_r[j] += dr;
    dx_bias_z[j] += dz;
    dx_bias_n[j] += dn;
    dh_bias_r[j] += dr;
    dh_bias_z[j] += dz;
    dh_bias_n[j] += drecurrent;
  }
}

void NAME(rnd_gru_backward)(rnd_gru_gradient a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  const T *h_previous = a.h_previous, *dh_out = a.dh_out;
  T *dh = a.dh, *x_sum = (T *)a.dx_bias + first, *h_sum = (T *)a.dh_bias + first;
  for (int64_t row = 0; row < a.rows; row++) {
    int64_t at = row * H + first;
    T *x = (T *)a.x_gates + row * 3 * H + first, *h = (T *)a.h_gates + row * 3 * H + first;
    NAME(gru_backward_row)(end - first, x, x + H, x + 2 * H, h, h + H, h + 2 * H, h_previous + at, dh_out + at, dh + at,
                           x_sum, x_sum + H, x_sum + 2 * H, h_sum, h_sum + H, h_sum + 2 * H);
  }
}

// Reference: Cho et al. 2014, equations 5-8; TensorFlow's GRUCell, n = tanh(x_n + U (r h_prev) + b).
RND_INLINE void NAME(gru_before_gates_row)(int64_t H, T *restrict gates_r, T *restrict gates_z,
                                           const T *restrict bias_r, const T *restrict bias_z,
                                           const T *restrict h_prev, T *restrict reset_h) {
  for (int64_t j = 0; j < H; j++) {
    T r = TYPED(rnd_sigmoid)(gates_r[j] + bias_r[j]);
    gates_r[j] = r;
    gates_z[j] = TYPED(rnd_sigmoid)(gates_z[j] + bias_z[j]);
    reset_h[j] = r * h_prev[j];
  }
}

void NAME(rnd_gru_before_gates)(rnd_gru_before a) {
  const int64_t H = a.units;
  const T *bias = a.bias, *h_previous = a.h_previous;
  for (int64_t row = 0; row < a.rows; row++) {
    T *g = (T *)a.gates + row * 3 * H;
    NAME(gru_before_gates_row)(H, g, g + H, bias, bias + H, h_previous + row * H, (T *)a.reset_h + row * H);
  }
}

RND_INLINE void NAME(gru_before_output_row)(int64_t H, T *restrict gates_z, T *restrict gates_n,
                                            const T *restrict bias_n, const T *restrict h_prev, T *restrict h) {
  for (int64_t j = 0; j < H; j++) {
    T n = TYPED(rnd_tanh)(gates_n[j] + bias_n[j]);
    gates_n[j] = n;
    h[j] = n + gates_z[j] * (h_prev[j] - n);
  }
}

void NAME(rnd_gru_before_output)(rnd_gru_before a) {
  const int64_t H = a.units;
  const T *bias = a.bias, *h_previous = a.h_previous;
  for (int64_t row = 0; row < a.rows; row++) {
    T *g = (T *)a.gates + row * 3 * H;
    NAME(gru_before_output_row)(H, g + H, g + 2 * H, bias + 2 * H, h_previous + row * H, (T *)a.h + row * H);
  }
}

RND_INLINE void NAME(gru_before_output_backward_row)(int64_t H, T *restrict gates_z, T *restrict gates_n,
                                                     const T *restrict h_prev, const T *restrict dh_out,
                                                     T *restrict dh, T *restrict dbias_z, T *restrict dbias_n) {
  for (int64_t j = 0; j < H; j++) {
    T z = gates_z[j], n = gates_n[j];
    T d = dh_out[j] + dh[j];
    T dz = d * (h_prev[j] - n) * z * (1 - z);  // h = (1 - z) n + z h_prev
    T dn = d * (1 - z) * (1 - n * n);
    gates_z[j] = dz;
    gates_n[j] = dn;
    dh[j] = d * z;
    dbias_z[j] += dz;
    dbias_n[j] += dn;
  }
}

void NAME(rnd_gru_before_output_backward)(rnd_gru_before_gradient a) {
  const int64_t H = a.units;
  const T *h_previous = a.h_previous, *dh_out = a.dh_out;
  T *dh = a.dh, *dbias = a.dbias;
  for (int64_t row = 0; row < a.rows; row++) {
    T *g = (T *)a.gates + row * 3 * H;
    NAME(gru_before_output_backward_row)(H, g + H, g + 2 * H, h_previous + row * H, dh_out + row * H, dh + row * H,
                                         dbias + H, dbias + 2 * H);
  }
}

RND_INLINE void NAME(gru_before_gates_backward_row)(int64_t H, T *restrict gates, const T *restrict h_prev,
                                                    const T *restrict d_reset_h, T *restrict dh, T *restrict dbias) {
  for (int64_t j = 0; j < H; j++) {
    T r = gates[j];
    T dr = d_reset_h[j] * h_prev[j] * r * (1 - r);  // reset_h = r h_prev
    gates[j] = dr;
    dh[j] += d_reset_h[j] * r;
    dbias[j] += dr;
  }
}

void NAME(rnd_gru_before_gates_backward)(rnd_gru_before_gradient a) {
  const int64_t H = a.units;
  const T *h_previous = a.h_previous, *d_reset_h = a.d_reset_h;
  T *dh = a.dh;
  for (int64_t row = 0; row < a.rows; row++) {
    NAME(gru_before_gates_backward_row)(H, (T *)a.gates + row * 3 * H, h_previous + row * H, d_reset_h + row * H,
                                        dh + row * H, a.dbias);
  }
}

#endif
