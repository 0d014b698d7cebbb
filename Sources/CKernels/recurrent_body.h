// Included once per element type with T and NAME(stem) defined. Rows are independent, so each kernel is an inlined
// function of one row, whose restrict parameters let clang turn its loop over units into branch-free vector code, and
// a loop over the rows.

// Reference: equations of torch.nn.LSTM (Hochreiter & Schmidhuber 1997 with the forget gate of Gers 2000).
RND_INLINE void NAME(lstm_row)(int64_t H, T *restrict gates_i, T *restrict gates_f, T *restrict gates_g,
                               T *restrict gates_o, const T *restrict bias_i, const T *restrict bias_f,
                               const T *restrict bias_g, const T *restrict bias_o, const T *restrict c_prev,
                               T *restrict c, T *restrict h) {
  for (int64_t j = 0; j < H; j++) {
    T i = NAME(rnd_sigmoid)(gates_i[j] + bias_i[j]);
    T f = NAME(rnd_sigmoid)(gates_f[j] + bias_f[j]);
    T g = NAME(rnd_tanh)(gates_g[j] + bias_g[j]);
    T o = NAME(rnd_sigmoid)(gates_o[j] + bias_o[j]);
    T cell = f * c_prev[j] + i * g;
    gates_i[j] = i;
    gates_f[j] = f;
    gates_g[j] = g;
    gates_o[j] = o;
    c[j] = cell;
    h[j] = o * NAME(rnd_tanh)(cell);
  }
}

RND_CLONES void NAME(rnd_lstm_forward)(int64_t rows, int64_t H, T *gates, const T *bias, const T *c_prev, T *c, T *h) {
  for (int64_t row = 0; row < rows; row++) {
    NAME(lstm_row)(H, gates + row * 4 * H, gates + row * 4 * H + H, gates + row * 4 * H + 2 * H,
                   gates + row * 4 * H + 3 * H, bias, bias + H, bias + 2 * H, bias + 3 * H, c_prev + row * H,
                   c + row * H, h + row * H);
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
    T tanh_c = NAME(rnd_tanh)(c[j]);
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

RND_CLONES void NAME(rnd_lstm_backward)(int64_t rows, int64_t H, int64_t first, int64_t count, T *gates,
                                        const T *c_prev, const T *c, const T *dh_out, const T *dh_next, T *dc,
                                        T *dbias) {
  T *sum = dbias + first;
  for (int64_t row = 0; row < rows; row++) {
    int64_t at = row * H + first;
    T *g = gates + row * 4 * H + first;
    NAME(lstm_backward_row)(count, g, g + H, g + 2 * H, g + 3 * H, c_prev + at, c + at, dh_out + at, dh_next + at,
                            dc + at, sum, sum + H, sum + 2 * H, sum + 3 * H);
  }
}

// Reference: torch.nn.GRU, n = tanh(x_n + b_in + r (h_n + b_hn)).
RND_INLINE void NAME(gru_row)(int64_t H, T *restrict x_gates_r, T *restrict x_gates_z, T *restrict x_gates_n,
                              T *restrict h_gates_r, T *restrict h_gates_z, T *restrict h_gates_n,
                              const T *restrict x_bias_r, const T *restrict x_bias_z, const T *restrict x_bias_n,
                              const T *restrict h_bias_r, const T *restrict h_bias_z, const T *restrict h_bias_n,
                              const T *restrict h_prev, T *restrict h) {
  for (int64_t j = 0; j < H; j++) {
    T r = NAME(rnd_sigmoid)(x_gates_r[j] + h_gates_r[j] + x_bias_r[j] + h_bias_r[j]);
    T z = NAME(rnd_sigmoid)(x_gates_z[j] + h_gates_z[j] + x_bias_z[j] + h_bias_z[j]);
    T recurrent = h_gates_n[j] + h_bias_n[j];
    T n = NAME(rnd_tanh)(x_gates_n[j] + x_bias_n[j] + r * recurrent);
    x_gates_r[j] = r;
    x_gates_z[j] = z;
    x_gates_n[j] = n;
    h_gates_n[j] = recurrent;
    h[j] = n + z * (h_prev[j] - n);
  }
}

RND_CLONES void NAME(rnd_gru_forward)(int64_t rows, int64_t H, T *x_gates, T *h_gates, const T *x_bias,
                                      const T *h_bias, const T *h_prev, T *h) {
  for (int64_t row = 0; row < rows; row++) {
    int64_t at = row * H;
    NAME(gru_row)(H, x_gates + 3 * at, x_gates + 3 * at + H, x_gates + 3 * at + 2 * H, h_gates + 3 * at,
                  h_gates + 3 * at + H, h_gates + 3 * at + 2 * H, x_bias, x_bias + H, x_bias + 2 * H, h_bias,
                  h_bias + H, h_bias + 2 * H, h_prev + at, h + at);
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

RND_CLONES void NAME(rnd_gru_backward)(int64_t rows, int64_t H, int64_t first, int64_t count, T *x_gates, T *h_gates,
                                       const T *h_prev, const T *dh_out, T *dh, T *dx_bias, T *dh_bias) {
  T *x_sum = dx_bias + first, *h_sum = dh_bias + first;
  for (int64_t row = 0; row < rows; row++) {
    int64_t at = row * H + first;
    T *x = x_gates + row * 3 * H + first, *h = h_gates + row * 3 * H + first;
    NAME(gru_backward_row)(count, x, x + H, x + 2 * H, h, h + H, h + 2 * H, h_prev + at, dh_out + at, dh + at, x_sum,
                           x_sum + H, x_sum + 2 * H, h_sum, h_sum + H, h_sum + 2 * H);
  }
}

// Reference: Cho et al. 2014, equations 5-8; TensorFlow's GRUCell, n = tanh(x_n + U (r h_prev) + b).
RND_INLINE void NAME(gru_before_gates_row)(int64_t H, T *restrict gates_r, T *restrict gates_z,
                                           const T *restrict bias_r, const T *restrict bias_z,
                                           const T *restrict h_prev, T *restrict reset_h) {
  for (int64_t j = 0; j < H; j++) {
    T r = NAME(rnd_sigmoid)(gates_r[j] + bias_r[j]);
    gates_r[j] = r;
    gates_z[j] = NAME(rnd_sigmoid)(gates_z[j] + bias_z[j]);
    reset_h[j] = r * h_prev[j];
  }
}

RND_CLONES void NAME(rnd_gru_before_gates)(int64_t rows, int64_t H, T *gates, const T *bias, const T *h_prev,
                                           T *reset_h) {
  for (int64_t row = 0; row < rows; row++) {
    NAME(gru_before_gates_row)(H, gates + row * 3 * H, gates + row * 3 * H + H, bias, bias + H, h_prev + row * H,
                               reset_h + row * H);
  }
}

RND_INLINE void NAME(gru_before_output_row)(int64_t H, T *restrict gates_z, T *restrict gates_n,
                                            const T *restrict bias_n, const T *restrict h_prev, T *restrict h) {
  for (int64_t j = 0; j < H; j++) {
    T n = NAME(rnd_tanh)(gates_n[j] + bias_n[j]);
    gates_n[j] = n;
    h[j] = n + gates_z[j] * (h_prev[j] - n);
  }
}

RND_CLONES void NAME(rnd_gru_before_output)(int64_t rows, int64_t H, T *gates, const T *bias, const T *h_prev, T *h) {
  for (int64_t row = 0; row < rows; row++) {
    NAME(gru_before_output_row)(H, gates + row * 3 * H + H, gates + row * 3 * H + 2 * H, bias + 2 * H,
                                h_prev + row * H, h + row * H);
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

RND_CLONES void NAME(rnd_gru_before_output_backward)(int64_t rows, int64_t H, T *gates, const T *h_prev,
                                                     const T *dh_out, T *dh, T *dbias) {
  for (int64_t row = 0; row < rows; row++) {
    int64_t at = row * H;
    NAME(gru_before_output_backward_row)(H, gates + 3 * at + H, gates + 3 * at + 2 * H, h_prev + at, dh_out + at,
                                         dh + at, dbias + H, dbias + 2 * H);
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

RND_CLONES void NAME(rnd_gru_before_gates_backward)(int64_t rows, int64_t H, T *gates, const T *h_prev,
                                                    const T *d_reset_h, T *dh, T *dbias) {
  for (int64_t row = 0; row < rows; row++) {
    int64_t at = row * H;
    NAME(gru_before_gates_backward_row)(H, gates + 3 * at, h_prev + at, d_reset_h + at, dh + at, dbias);
  }
}

// Reference: Elman 1990, h = f(W x + U h_prev + b).
RND_INLINE void NAME(rnn_row)(int64_t H, const T *restrict pre, const T *restrict bias, T *restrict h, int relu) {
  for (int64_t j = 0; j < H; j++) {
    T v = pre[j] + bias[j];
    h[j] = relu ? (v < 0 ? 0 : v) : NAME(rnd_tanh)(v);
  }
}

RND_CLONES void NAME(rnd_rnn_forward)(int64_t rows, int64_t H, const T *pre, const T *bias, T *h, int activation) {
  for (int64_t row = 0; row < rows; row++) {
    if (activation == rnd_relu) {
      NAME(rnn_row)(H, pre + row * H, bias, h + row * H, 1);
    } else {
      NAME(rnn_row)(H, pre + row * H, bias, h + row * H, 0);
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

RND_CLONES void NAME(rnd_rnn_backward)(int64_t rows, int64_t H, int64_t first, int64_t count, const T *h,
                                       const T *dh_out, const T *dh_next, T *d_pre, T *dbias, int activation) {
  for (int64_t row = 0; row < rows; row++) {
    int64_t at = row * H + first;
    if (activation == rnd_relu) {
      NAME(rnn_backward_row)(count, h + at, dh_out + at, dh_next + at, d_pre + at, dbias + first, 1);
    } else {
      NAME(rnn_backward_row)(count, h + at, dh_out + at, dh_next + at, d_pre + at, dbias + first, 0);
    }
  }
}
