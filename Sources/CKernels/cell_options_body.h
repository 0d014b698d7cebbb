// Included once per element type with T and NAME(stem) defined.

// Reference: Gers & Schmidhuber 2000 (peepholes); Greff et al. 2017, "LSTM: a search space odyssey" (coupled gates).
// `gates_i` is not read if the gates are coupled; the constant flag makes two loops without branches.
RND_INLINE void NAME(lstm_option_cell_row)(int64_t H, int coupled, T clip, T *restrict gates_i, T *restrict gates_f,
                                           T *restrict gates_g, T *restrict gates_o, const T *restrict bias_i,
                                           const T *restrict bias_f, const T *restrict bias_g,
                                           const T *restrict bias_o, const T *restrict peephole_i,
                                           const T *restrict peephole_f, const T *restrict peephole_o,
                                           const T *restrict c_prev, T *restrict c) {
  for (int64_t j = 0; j < H; j++) {
    T f = NAME(rnd_sigmoid)(gates_f[j] + bias_f[j] + peephole_f[j] * c_prev[j]);
    T i = coupled ? 1 - f : NAME(rnd_sigmoid)(gates_i[j] + bias_i[j] + peephole_i[j] * c_prev[j]);
    T g = NAME(rnd_tanh)(gates_g[j] + bias_g[j]);
    T cell = f * c_prev[j] + i * g;
    cell = cell < -clip ? -clip : cell;  // A NaN stays a NaN.
    cell = cell > clip ? clip : cell;
    T o = NAME(rnd_sigmoid)(gates_o[j] + bias_o[j] + peephole_o[j] * cell);
    if (!coupled) gates_i[j] = i;
    gates_f[j] = f;
    gates_g[j] = g;
    gates_o[j] = o;
    c[j] = cell;
  }
}

RND_CLONES void NAME(rnd_lstm_option_cell)(int64_t rows, int64_t H, int coupled, T clip, T *gates, const T *bias,
                                           const T *peepholes, const T *c_prev, T *c) {
  for (int64_t row = 0; row < rows; row++) {
    if (coupled) {
      T *g = gates + row * 3 * H;
      NAME(lstm_option_cell_row)(H, 1, clip, g, g, g + H, g + 2 * H, bias, bias, bias + H, bias + 2 * H, peepholes,
                                 peepholes, peepholes + H, c_prev + row * H, c + row * H);
    } else {
      T *g = gates + row * 4 * H;
      NAME(lstm_option_cell_row)(H, 0, clip, g, g + H, g + 2 * H, g + 3 * H, bias, bias + H, bias + 2 * H,
                                 bias + 3 * H, peepholes, peepholes + H, peepholes + 2 * H, c_prev + row * H,
                                 c + row * H);
    }
  }
}

RND_INLINE void NAME(lstm_option_output_row)(int64_t H, const T *restrict o, const T *restrict m, T *restrict h) {
  for (int64_t j = 0; j < H; j++) h[j] = o[j] * NAME(rnd_tanh)(m[j]);
}

RND_CLONES void NAME(rnd_lstm_option_output)(int64_t rows, int64_t H, int count, const T *gates, const T *m, T *h) {
  for (int64_t row = 0; row < rows; row++) {
    NAME(lstm_option_output_row)(H, gates + (row * count + count - 1) * H, m + row * H, h + row * H);
  }
}

RND_INLINE void NAME(lstm_option_output_backward_row)(int64_t H, T *restrict o, const T *restrict m,
                                                      const T *restrict dh, T *restrict dm) {
  for (int64_t j = 0; j < H; j++) {
    T tanh_m = NAME(rnd_tanh)(m[j]);
    dm[j] = dh[j] * o[j] * (1 - tanh_m * tanh_m);  // h = o tanh(m)
    o[j] = dh[j] * tanh_m * o[j] * (1 - o[j]);
  }
}

RND_CLONES void NAME(rnd_lstm_option_output_backward)(int64_t rows, int64_t H, int count, T *gates, const T *m,
                                                      const T *dh, T *dm) {
  for (int64_t row = 0; row < rows; row++) {
    NAME(lstm_option_output_backward_row)(H, gates + (row * count + count - 1) * H, m + row * H, dh + row * H,
                                          dm + row * H);
  }
}

RND_INLINE void NAME(lstm_option_cell_backward_row)(
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

RND_CLONES void NAME(rnd_lstm_option_cell_backward)(int64_t rows, int64_t H, int coupled, T clip, T *gates,
                                                    const T *peepholes, const T *c_prev, const T *c, const T *dm,
                                                    T *dc, T *dbias, T *dpeepholes) {
  for (int64_t row = 0; row < rows; row++) {
    int64_t at = row * H;
    if (coupled) {
      T *g = gates + 3 * at;
      NAME(lstm_option_cell_backward_row)(H, 1, clip, g, g, g + H, g + 2 * H, peepholes, peepholes, peepholes + H,
                                          c_prev + at, c + at, dm + at, dc + at, dbias, dbias, dbias + H,
                                          dbias + 2 * H, dpeepholes, dpeepholes, dpeepholes + H);
    } else {
      T *g = gates + 4 * at;
      NAME(lstm_option_cell_backward_row)(H, 0, clip, g, g + H, g + 2 * H, g + 3 * H, peepholes, peepholes + H,
                                          peepholes + 2 * H, c_prev + at, c + at, dm + at, dc + at, dbias, dbias + H,
                                          dbias + 2 * H, dbias + 3 * H, dpeepholes, dpeepholes + H,
                                          dpeepholes + 2 * H);
    }
  }
}

RND_CLONES void NAME(rnd_clip)(T *x, int64_t n, T bound) {
  for (int64_t j = 0; j < n; j++) {
    T v = x[j] < -bound ? -bound : x[j];
    x[j] = v > bound ? bound : v;
  }
}

RND_CLONES void NAME(rnd_clip_backward)(T *restrict d, const T *restrict x, int64_t n, T bound) {
  for (int64_t j = 0; j < n; j++) d[j] *= (x[j] < 0 ? -x[j] : x[j]) >= bound ? 0 : 1;
}

RND_CLONES void NAME(rnd_multiply)(const T *x, const T *y, T *out, int64_t n) {
  for (int64_t j = 0; j < n; j++) out[j] = x[j] * y[j];
}

RND_CLONES void NAME(rnd_multiply_add)(const T *restrict x, const T *restrict y, T *restrict out, int64_t n) {
  for (int64_t j = 0; j < n; j++) out[j] += x[j] * y[j];
}

// Reference: Krueger et al. 2016, "Zoneout", equations 4-6 and section 3.2 for the mean.
RND_CLONES void NAME(rnd_zoneout)(const T *restrict previous, const T *restrict candidate, const T *restrict mask,
                                  T rate, T *restrict out, int64_t n) {
  if (mask) {
    for (int64_t j = 0; j < n; j++) out[j] = mask[j] > 0 ? candidate[j] : previous[j];
  } else {
    for (int64_t j = 0; j < n; j++) out[j] = candidate[j] + rate * (previous[j] - candidate[j]);
  }
}

RND_CLONES void NAME(rnd_zoneout_backward)(T *restrict d, const T *restrict dout, const T *restrict mask, T rate,
                                           T *restrict kept, int64_t n) {
  if (dout) {
    for (int64_t j = 0; j < n; j++) d[j] += dout[j];
  }
  for (int64_t j = 0; j < n; j++) {
    T share = mask ? (mask[j] > 0 ? 0 : 1) : rate;
    kept[j] = d[j] * share;
    d[j] *= 1 - share;
  }
}

// Reference: Srivastava et al. 2015, "Highway networks", equation 3.
RND_CLONES void NAME(rnd_highway)(const T *restrict gate, const T *restrict x, const T *restrict y, T *restrict out,
                                  int64_t n) {
  for (int64_t j = 0; j < n; j++) out[j] = x[j] + gate[j] * (y[j] - x[j]);
}

RND_CLONES void NAME(rnd_highway_backward)(T *restrict gate, const T *restrict x, const T *restrict y,
                                           const T *restrict dout, T *restrict dx, T *restrict dy, int64_t n) {
  for (int64_t j = 0; j < n; j++) {
    T t = gate[j], d = dout[j];
    dy[j] = d * t;
    dx[j] = d * (1 - t);
    gate[j] = d * (y[j] - x[j]) * t * (1 - t);
  }
}

// A sum in 16 lanes, which clang keeps in vector registers: it may not reorder the additions of a plain loop.
RND_INLINE T NAME(lane_sum)(const T *lanes) {
  T sum = 0;
  for (int lane = 0; lane < 16; lane++) sum += lanes[lane];
  return sum;
}

// Reference: Ba et al. 2016, "Layer normalization", equation 4, with the epsilon of torch.nn.LayerNorm.
RND_INLINE void NAME(layer_norm_row)(int64_t n, T *restrict x, const T *restrict gain, const T *restrict bias,
                                     T *restrict xhat, T *restrict rstd) {
  T sums[16] = {0}, squares[16] = {0};
  int64_t whole = n / 16 * 16;
  for (int64_t j = 0; j < whole; j += 16) {
    for (int lane = 0; lane < 16; lane++) sums[lane] += x[j + lane];
  }
  for (int64_t j = whole; j < n; j++) sums[j - whole] += x[j];
  T mean = NAME(lane_sum)(sums) / (T)n;
  for (int64_t j = 0; j < n; j++) xhat[j] = x[j] - mean;
  for (int64_t j = 0; j < whole; j += 16) {
    for (int lane = 0; lane < 16; lane++) squares[lane] += xhat[j + lane] * xhat[j + lane];
  }
  for (int64_t j = whole; j < n; j++) squares[j - whole] += xhat[j] * xhat[j];
  T scale = (T)(1.0 / sqrt((double)(NAME(lane_sum)(squares) / (T)n) + 1e-5));
  for (int64_t j = 0; j < n; j++) xhat[j] *= scale;
  if (bias) {
    for (int64_t j = 0; j < n; j++) x[j] = gain[j] * xhat[j] + bias[j];
  } else {
    for (int64_t j = 0; j < n; j++) x[j] = gain[j] * xhat[j];
  }
  *rstd = scale;
}

RND_CLONES void NAME(rnd_layer_norm)(int64_t rows, int64_t columns, T *x, int64_t stride, const T *gain, const T *bias,
                                     T *xhat, int64_t xhat_stride, T *rstd, int64_t rstd_stride) {
  for (int64_t row = 0; row < rows; row++) {
    NAME(layer_norm_row)(columns, x + row * stride, gain, bias, xhat + row * xhat_stride, rstd + row * rstd_stride);
  }
}

// dx = rstd (e - mean(e) - xhat mean(e xhat)) with e = gain d.
RND_INLINE void NAME(layer_norm_backward_row)(int64_t n, T *restrict d, const T *restrict gain,
                                              const T *restrict xhat, T rstd, T *restrict dgain, T *restrict dbias) {
  T sums[16] = {0}, products[16] = {0};
  if (dbias) {
    for (int64_t j = 0; j < n; j++) dbias[j] += d[j];
  }
  for (int64_t j = 0; j < n; j++) dgain[j] += d[j] * xhat[j];
  for (int64_t j = 0; j < n; j++) d[j] *= gain[j];
  int64_t whole = n / 16 * 16;
  for (int64_t j = 0; j < whole; j += 16) {
    for (int lane = 0; lane < 16; lane++) {
      sums[lane] += d[j + lane];
      products[lane] += d[j + lane] * xhat[j + lane];
    }
  }
  for (int64_t j = whole; j < n; j++) {
    sums[j - whole] += d[j];
    products[j - whole] += d[j] * xhat[j];
  }
  T mean = NAME(lane_sum)(sums) / (T)n, slope = NAME(lane_sum)(products) / (T)n;
  for (int64_t j = 0; j < n; j++) d[j] = rstd * (d[j] - mean - xhat[j] * slope);
}

RND_CLONES void NAME(rnd_layer_norm_backward)(int64_t rows, int64_t columns, T *d, int64_t stride, const T *gain,
                                              const T *xhat, int64_t xhat_stride, const T *rstd, int64_t rstd_stride,
                                              T *dgain, T *dbias) {
  for (int64_t row = 0; row < rows; row++) {
    NAME(layer_norm_backward_row)(columns, d + row * stride, gain, xhat + row * xhat_stride, rstd[row * rstd_stride],
                                  dgain, dbias);
  }
}
