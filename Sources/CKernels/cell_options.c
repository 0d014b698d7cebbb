#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "cell_option_kernels.h"

#define BODY "cell_options.c"
#include "variants.h"
#else

void NAME(rnd_clip)(rnd_clipping a) {
  const T bound = (T)a.bound;
  T *x = a.x;
  for (int64_t j = 0; j < a.count; j++) {
    T v = x[j] < -bound ? -bound : x[j];
    x[j] = v > bound ? bound : v;
  }
}

void NAME(rnd_clip_backward)(rnd_clipping a) {
  const T bound = (T)a.bound, *restrict x = a.x;
  T *restrict d = a.d;
  for (int64_t j = 0; j < a.count; j++) d[j] *= (x[j] < 0 ? -x[j] : x[j]) >= bound ? 0 : 1;
}

void NAME(rnd_multiply)(rnd_factors a) {
  const T *x = a.x, *y = a.y;
  T *out = a.out;
  for (int64_t j = 0; j < a.count; j++) out[j] = x[j] * y[j];
}

void NAME(rnd_multiply_add)(rnd_factors a) {
  const T *restrict x = a.x, *restrict y = a.y;
  T *restrict out = a.out;
  for (int64_t j = 0; j < a.count; j++) out[j] += x[j] * y[j];
}

// Reference: Krueger et al. 2016, "Zoneout", equations 4-6 and section 3.2 for the mean.
void NAME(rnd_zoneout)(rnd_zoneout_step a) {
  const T rate = (T)a.rate, *restrict mask = a.mask;
  const T *restrict previous = a.previous, *restrict candidate = a.candidate;
  T *restrict out = a.out;
  if (mask) {
    for (int64_t j = 0; j < a.count; j++) out[j] = mask[j] > 0 ? candidate[j] : previous[j];
  } else {
    for (int64_t j = 0; j < a.count; j++) out[j] = candidate[j] + rate * (previous[j] - candidate[j]);
  }
}

void NAME(rnd_zoneout_backward)(rnd_zoneout_gradient a) {
  const T rate = (T)a.rate, *restrict mask = a.mask, *restrict dout = a.d_out;
  T *restrict d = a.d, *restrict kept = a.kept;
  if (dout) {
    for (int64_t j = 0; j < a.count; j++) d[j] += dout[j];
  }
  for (int64_t j = 0; j < a.count; j++) {
    T share = mask ? (mask[j] > 0 ? 0 : 1) : rate;
    kept[j] = d[j] * share;
    d[j] *= 1 - share;
  }
}

// Reference: Srivastava et al. 2015, "Highway networks", equation 3.
void NAME(rnd_highway_forward)(rnd_highway a) {
  const T *restrict gate = a.gate, *restrict x = a.x, *restrict y = a.y;
  T *restrict out = a.out;
  for (int64_t j = 0; j < a.count; j++) out[j] = x[j] + gate[j] * (y[j] - x[j]);
}

RND_INLINE void NAME(highway_backward_elements)(T *restrict gate, const T *restrict x, const T *restrict y,
                                                const T *restrict dout, T *restrict dx, T *restrict dy, int64_t n) {
  for (int64_t j = 0; j < n; j++) {
    T t = gate[j], d = dout[j];
    dy[j] = d * t;
    dx[j] = d * (1 - t);
    gate[j] = d * (y[j] - x[j]) * t * (1 - t);
  }
}

void NAME(rnd_highway_backward)(rnd_highway a) {
  NAME(highway_backward_elements)(a.gate, a.x, a.y, a.d_out, a.dx, a.dy, a.count);
}

// A sum in 16 lanes, which clang keeps in vector registers. In a plain loop it may not reorder the additions.
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

void NAME(rnd_layer_norm_forward)(rnd_layer_norm a) {
  for (int64_t row = 0; row < a.rows; row++) {
    NAME(layer_norm_row)(a.columns, (T *)a.x + row * a.stride, a.gain, a.bias,
                         (T *)a.normalized + row * a.normalized_stride, (T *)a.scale + row * a.scale_stride);
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

void NAME(rnd_layer_norm_backward)(rnd_layer_norm_gradient a) {
  for (int64_t row = 0; row < a.rows; row++) {
    NAME(layer_norm_backward_row)(a.columns, (T *)a.d + row * a.stride, a.gain,
                                  (const T *)a.normalized + row * a.normalized_stride,
                                  ((const T *)a.scale)[row * a.scale_stride], a.dgain, a.dbias);
  }
}

#endif
