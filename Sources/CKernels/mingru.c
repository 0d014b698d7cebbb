#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "mingru_kernels.h"

#define BODY "mingru.c"
#include "variants.h"
#else

// Reference: Feng et al. 2024, "Were RNNs All We Needed?", section 3.1 and appendix B (the function g).
RND_INLINE void NAME(mingru_row)(int64_t H, T *restrict gates_z, T *restrict gates_h, const T *restrict bias_z,
                                 const T *restrict bias_h, const T *restrict h_prev, T *restrict h) {
  for (int64_t j = 0; j < H; j++) {
    T z = TYPED(rnd_sigmoid)(gates_z[j] + bias_z[j]);
    T x = gates_h[j] + bias_h[j];
    T s = TYPED(rnd_sigmoid)(x);
    T candidate = x >= 0 ? x + (T)0.5 : s;  // A NaN stays a NaN.
    gates_z[j] = z;
    gates_h[j] = candidate;
    h[j] = h_prev[j] + z * (candidate - h_prev[j]);
  }
}

void NAME(rnd_mingru_forward)(rnd_mingru a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  const T *bias = a.bias, *h_previous = a.h_previous;
  for (int64_t row = first; row < end; row++) {
    T *g = (T *)a.gates + row * 2 * H;
    NAME(mingru_row)(H, g, g + H, bias, bias + H, h_previous + row * H, (T *)a.h + row * H);
  }
}

RND_INLINE void NAME(mingru_backward_row)(int64_t H, T *restrict gates_z, T *restrict gates_h,
                                          const T *restrict h_prev, const T *restrict dh_out, T *restrict dh,
                                          T *restrict dbias_z, T *restrict dbias_h) {
  for (int64_t j = 0; j < H; j++) {
    T z = gates_z[j], candidate = gates_h[j];
    T d = dh_out[j] + dh[j];
    T dz = d * (candidate - h_prev[j]) * z * (1 - z);                   // h = (1 - z) h_prev + z h~
    T slope = candidate >= (T)0.5 ? 1 : candidate * (1 - candidate);  // h~ >= 0.5 where x >= 0
    T dx = d * z * slope;
    gates_z[j] = dz;
    gates_h[j] = dx;
    dh[j] = d * (1 - z);
    dbias_z[j] += dz;
    dbias_h[j] += dx;
  }
}

void NAME(rnd_mingru_backward)(rnd_mingru_gradient a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  const T *h_previous = a.h_previous, *dh_out = a.dh_out;
  T *dh = a.dh, *sum = (T *)a.dbias + first;
  for (int64_t row = 0; row < a.rows; row++) {
    int64_t at = row * H + first;
    T *g = (T *)a.gates + row * 2 * H + first;
    NAME(mingru_backward_row)(end - first, g, g + H, h_previous + at, dh_out + at, dh + at, sum, sum + H);
  }
}

#endif
