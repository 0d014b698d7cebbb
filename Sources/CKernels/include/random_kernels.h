// Counter-based random numbers: Philox4x32-10, fills and dropout.
//
// Nothing here has a state. A draw is a function of its coordinates, so it is the same whichever rank,
// thread or instruction set computes it, and can be computed again instead of being stored.
//
//   key     = first two words of Philox(counter: step low, step high, stream, purpose; key: seed)
//   block b = Philox(counter: b low, b high, sample low, sample high; key)          scalars and fills
//   block b = Philox(counter: b, time, sample, 0; key)                              dropout

#ifndef RND_RANDOM_KERNELS_H
#define RND_RANDOM_KERNELS_H

#include <stdint.h>

// The purpose word of the counter for dropout; Swift's RandomPurpose.dropout has the same value.
enum { RND_PURPOSE_DROPOUT = 3 };

/// Philox4x32-10: four random words from a 128-bit counter and a 64-bit key.
/// J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
void rnd_philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t result[4]);

/// The 64-bit key under which the draws of one (seed, step, purpose, stream) are made; low word first.
uint64_t rnd_derive_key(uint64_t seed, uint64_t step, uint32_t purpose, uint32_t stream);

/// out[i] = low + (high - low) u_i, where u_i in [0, 1) is made of the 53 upper bits of words 2i and 2i + 1.
/// The float kernel rounds what the double kernel computes.
void rnd_uniform_fill_f32(float *out, int64_t count, uint64_t key, uint64_t sample, double low, double high);
void rnd_uniform_fill_f64(double *out, int64_t count, uint64_t key, uint64_t sample, double low, double high);

/// A standard normal number from two uniform ones in [0, 1): sqrt(-2 ln(1 - u)) cos(2 pi v).
double rnd_box_muller(double u, double v);

/// Box-Muller over the same uniforms: with r = sqrt(-2 ln(1 - u_2k)) and a = 2 pi u_2k+1,
/// out[2k] = mean + sd r cos a and out[2k + 1] = mean + sd r sin a.
void rnd_normal_fill_f32(float *out, int64_t count, uint64_t key, uint64_t sample, double mean, double sd);
void rnd_normal_fill_f64(double *out, int64_t count, uint64_t key, uint64_t sample, double mean, double sd);

/// Inverted dropout in place on `rows` rows of `units` numbers, `stride` numbers apart: x = x m, where
/// m is 0 with probability p and 1 / (1 - p) otherwise; p is `rate` rounded to a multiple of 1/65536.
///
/// m is a function of (seed, step, stream, sample[row], time[row], unit) alone. The backward pass calls the
/// same function on the gradient. `time` may be NULL: one mask for all time steps. NaN and Inf stay visible.
void rnd_dropout_rows_f32(float *x, int64_t stride, int64_t rows, int64_t units, const uint32_t *sample,
                          const uint32_t *time, uint32_t stream, uint32_t step_lo, uint32_t step_hi,
                          uint64_t seed, double rate);
void rnd_dropout_rows_f64(double *x, int64_t stride, int64_t rows, int64_t units, const uint32_t *sample,
                          const uint32_t *time, uint32_t stream, uint32_t step_lo, uint32_t step_hi,
                          uint64_t seed, double rate);

/// The same mask, y = x m: overwrites y. x and y must be the same memory with the same stride or not overlap.
void rnd_dropout_rows_to_f32(float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t rows,
                             int64_t units, const uint32_t *sample, const uint32_t *time, uint32_t stream,
                             uint32_t step_lo, uint32_t step_hi, uint64_t seed, double rate);
void rnd_dropout_rows_to_f64(double *y, int64_t y_stride, const double *x, int64_t x_stride, int64_t rows,
                             int64_t units, const uint32_t *sample, const uint32_t *time, uint32_t stream,
                             uint32_t step_lo, uint32_t step_hi, uint64_t seed, double rate);

#endif
