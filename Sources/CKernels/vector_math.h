// Branch-free exp, sigmoid and tanh that clang vectorizes inside the caller's loop; the double forms are libm's.
//
// Error bounds (measured over floats of all magnitudes in Tests/NumericKernelsTests/ElementaryFunctionTests):
//   exp      relative error below 2e-7 for -87.3 <= x <= 88.0, clamped outside
//   sigmoid  absolute error below 1.2e-7 everywhere
//   tanh     relative error below 3e-7 everywhere, exact sign, tanh(0) = 0
// A NaN stays a NaN: the comparisons that clamp are false for it.
#ifndef VECTOR_MATH_H
#define VECTOR_MATH_H
#include <math.h>
#include <string.h>

#include "kernel_support.h"

// exp(x) = 2^n * e^r with n = round(x / ln 2), |r| <= ln(2)/2. Adding 1.5 * 2^23 leaves n in the low mantissa bits, so
// rounding and conversion to an integer exponent cost one addition and one shift and can be vectorized.
typedef struct {
  float power;     // 2^n
  float fraction;  // e^r - 1, accurate relative to itself
} rnd_split_exp;

RND_INLINE rnd_split_exp rnd_split_exp_f32(float x) {
  const float magic = 12582912.0f;
  float shifted = x * 1.44269504088896341f + magic;
  float n = shifted - magic;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  // e^r - 1 = r + r^2 (1/2 + r/6 + ...): a minimax polynomial of degree 5 in the bracket (Cephes expf coefficients).
  float q = 1.9875691500e-4f;
  q = q * r + 1.3981999507e-3f;
  q = q * r + 8.3334519073e-3f;
  q = q * r + 4.1665795894e-2f;
  q = q * r + 1.6666665459e-1f;
  q = q * r + 5.0000001201e-1f;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + 0x3f800000u;
  rnd_split_exp result;
  memcpy(&result.power, &bits, sizeof bits);
  result.fraction = q * r * r + r;
  return result;
}

RND_INLINE float rnd_exp_f32(float x) {
  x = x < -87.3f ? -87.3f : x;
  x = x > 88.0f ? 88.0f : x;
  rnd_split_exp e = rnd_split_exp_f32(x);
  return e.power * e.fraction + e.power;
}

RND_INLINE float rnd_sigmoid_f32(float x) { return 1.0f / (1.0f + rnd_exp_f32(-x)); }

// tanh(x) = u / (u + 2), u = e^(2x) - 1 = 2^n * fraction + (2^n - 1), which keeps full relative accuracy near zero.
RND_INLINE float rnd_tanh_f32(float x) {
  float clamped = x < -9.02f ? -9.02f : x;
  clamped = clamped > 9.02f ? 9.02f : clamped;
  rnd_split_exp e = rnd_split_exp_f32(2.0f * clamped);
  float u = e.power * e.fraction + (e.power - 1.0f);
  float y = u / (u + 2.0f);
  return __builtin_copysignf(y, x);  // tanh(-0) = -0
}

RND_INLINE double rnd_exp_f64(double x) { return exp(x); }
RND_INLINE double rnd_sigmoid_f64(double x) { return 1.0 / (1.0 + exp(-x)); }
RND_INLINE double rnd_tanh_f64(double x) { return tanh(x); }

#endif
