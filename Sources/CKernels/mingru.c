#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "mingru_kernels.h"

#define BODY "mingru.c"
#include "variants.h"
#else

// Reference: Feng et al. 2024, "Were RNNs All We Needed?", section 3.1 and appendix B (the function g).
void NAME(rnd_mingru_forward)(rnd_mingru a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  const T *bias = a.bias;
  for (int64_t row = first; row < end; row++) {
    T *gates = (T *)a.gates + row * 2 * H, *h = (T *)a.h + row * H;
    const T *h_previous = (const T *)a.h_previous + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < H; j++) {
      T z = TYPED(rnd_sigmoid)(gates[j] + bias[j]);
      T x = gates[H + j] + bias[H + j];
      T s = TYPED(rnd_sigmoid)(x);
      T candidate = x >= 0 ? x + (T)0.5 : s;  // A NaN stays a NaN.
      gates[j] = z;
      gates[H + j] = candidate;
      h[j] = h_previous[j] + z * (candidate - h_previous[j]);
    }
  }
}

void NAME(rnd_mingru_backward)(rnd_mingru_gradient a, ptrdiff_t first, ptrdiff_t end) {
  const int64_t H = a.units;
  for (int64_t row = first; row < end; row++) {
    T *gates = (T *)a.gates + row * 2 * H, *dh = (T *)a.dh + row * H;
    const T *h_previous = (const T *)a.h_previous + row * H, *dh_out = (const T *)a.dh_out + row * H;
    ELEMENTWISE
    for (int64_t j = 0; j < H; j++) {
      T z = gates[j], candidate = gates[H + j];
      T d = dh_out[j] + dh[j];
      T dz = d * (candidate - h_previous[j]) * z * (1 - z);             // h = (1 - z) h_previous + z h~
      T slope = candidate >= (T)0.5 ? 1 : candidate * (1 - candidate);  // h~ >= 0.5 where x >= 0
      T dx = d * z * slope;
      gates[j] = dz;
      gates[H + j] = dx;
      dh[j] = d * (1 - z);
    }
  }
}

#endif
