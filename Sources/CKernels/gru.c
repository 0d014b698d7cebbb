#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "gru_kernels.h"

#define BODY "gru.c"
#include "variants.h"
#else

// Reference: torch.nn.GRU, n = tanh(x_n + b_in + r (h_n + b_hn)).
void NAME(rnd_gru_forward)(rnd_gru a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  const T *x_bias = a.x_bias, *h_bias = a.h_bias;
  for (int64_t row = first; row < end; row++) {
    T *x_gates = (T *)a.x_gates + row * 3 * H, *h_gates = (T *)a.h_gates + row * 3 * H, *h = (T *)a.h + row * H;
    const T *h_previous = (const T *)a.h_previous + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < H; j++) {
      T r = TYPED(rnd_sigmoid)(x_gates[j] + h_gates[j] + x_bias[j] + h_bias[j]);
      T z = TYPED(rnd_sigmoid)(x_gates[H + j] + h_gates[H + j] + x_bias[H + j] + h_bias[H + j]);
      T recurrent = h_gates[2 * H + j] + h_bias[2 * H + j];
      T n = TYPED(rnd_tanh)(x_gates[2 * H + j] + x_bias[2 * H + j] + r * recurrent);
      x_gates[j] = r;
      x_gates[H + j] = z;
      x_gates[2 * H + j] = n;
      h_gates[2 * H + j] = recurrent;
      h[j] = n + z * (h_previous[j] - n);
    }
  }
}

void NAME(rnd_gru_backward)(rnd_gru_gradient a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  for (int64_t row = first; row < end; row++) {
    T *x_gates = (T *)a.x_gates + row * 3 * H, *h_gates = (T *)a.h_gates + row * 3 * H, *dh = (T *)a.dh + row * H;
    const T *h_previous = (const T *)a.h_previous + row * H, *dh_out = (const T *)a.dh_out + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < H; j++) {
      T r = x_gates[j], z = x_gates[H + j], n = x_gates[2 * H + j];
      T d = dh_out[j] + dh[j];
      T dz = d * (h_previous[j] - n) * z * (1 - z);  // h = (1 - z) n + z h_previous
      T dn = d * (1 - z) * (1 - n * n);
      T dr = dn * h_gates[2 * H + j] * r * (1 - r);  // n = tanh(x_n + r recurrent)
      T drecurrent = dn * r;
      x_gates[j] = dr;
      x_gates[H + j] = dz;
      x_gates[2 * H + j] = dn;
      h_gates[j] = dr;
      h_gates[H + j] = dz;
      h_gates[2 * H + j] = drecurrent;
      dh[j] = d * z;
    }
  }
}

// Reference: Cho et al. 2014, equations 5-8; TensorFlow's GRUCell, n = tanh(x_n + U (r h_previous) + b).
void NAME(rnd_gru_before_gates)(rnd_gru_before a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  const T *bias = a.bias;
  for (int64_t row = first; row < end; row++) {
    T *gates = (T *)a.gates + row * 3 * H, *reset_h = (T *)a.reset_h + row * H;
    const T *h_previous = (const T *)a.h_previous + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < H; j++) {
      T r = TYPED(rnd_sigmoid)(gates[j] + bias[j]);
      gates[j] = r;
      gates[H + j] = TYPED(rnd_sigmoid)(gates[H + j] + bias[H + j]);
      reset_h[j] = r * h_previous[j];
    }
  }
}

void NAME(rnd_gru_before_output)(rnd_gru_before a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  const T *bias = a.bias;
  for (int64_t row = first; row < end; row++) {
    T *gates = (T *)a.gates + row * 3 * H, *h = (T *)a.h + row * H;
    const T *h_previous = (const T *)a.h_previous + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < H; j++) {
      T n = TYPED(rnd_tanh)(gates[2 * H + j] + bias[2 * H + j]);
      gates[2 * H + j] = n;
      h[j] = n + gates[H + j] * (h_previous[j] - n);
    }
  }
}

void NAME(rnd_gru_before_output_backward)(rnd_gru_before_gradient a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  for (int64_t row = first; row < end; row++) {
    T *gates = (T *)a.gates + row * 3 * H, *dh = (T *)a.dh + row * H;
    const T *h_previous = (const T *)a.h_previous + row * H, *dh_out = (const T *)a.dh_out + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < H; j++) {
      T z = gates[H + j], n = gates[2 * H + j];
      T d = dh_out[j] + dh[j];
      T dz = d * (h_previous[j] - n) * z * (1 - z);  // h = (1 - z) n + z h_previous
      T dn = d * (1 - z) * (1 - n * n);
      gates[H + j] = dz;
      gates[2 * H + j] = dn;
      dh[j] = d * z;
    }
  }
}

void NAME(rnd_gru_before_gates_backward)(rnd_gru_before_gradient a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  for (int64_t row = first; row < end; row++) {
    T *gates = (T *)a.gates + row * 3 * H, *dh = (T *)a.dh + row * H;
    const T *h_previous = (const T *)a.h_previous + row * H, *d_reset_h = (const T *)a.d_reset_h + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < H; j++) {
      T r = gates[j];
      T dr = d_reset_h[j] * h_previous[j] * r * (1 - r);  // reset_h = r h_previous
      gates[j] = dr;
      dh[j] += d_reset_h[j] * r;
    }
  }
}

#endif
