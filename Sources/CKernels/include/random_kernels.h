// Counter-based random numbers: Philox4x32-10, fills and dropout.
//
// There is no state. A random number is a function of its coordinates: every rank and thread computes the same number,
// and it can be recomputed instead of being stored. Uniform numbers and dropout masks have the same bits for every
// instruction set; normal numbers have the accuracy of the C library's log1p, sin and cos.
//
//   key     = first two words of Philox(counter: step low, step high, stream, purpose; key: seed)
//   block b = Philox(counter: b low, b high, sample low, sample high; key)          scalars and fills
//   block b = Philox(counter: b, time, sample, 0; key)                              dropout

#ifndef RANDOM_KERNELS_H
#define RANDOM_KERNELS_H

#include "element.h"

// The purpose word of the counter for dropout; Swift's RandomPurpose.dropout has the same value.
enum { RND_PURPOSE_DROPOUT = 3 };

/// Philox4x32-10: four random words from a 128-bit counter and a 64-bit key.
/// J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
void rnd_philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t result[4]);

/// The 64-bit key for the numbers of one (seed, step, purpose, stream); low word first.
uint64_t rnd_derive_key(uint64_t seed, uint64_t step, uint32_t purpose, uint32_t stream);

/// `uniform`: out[i] = first + (second - first) u_i, where u_i in [0, 1) consists of the 53 upper bits of words 2i and 2i
/// + 1. `normal`: Box-Muller over the same uniforms: with r = sqrt(-2 ln(1 - u_2k)) and a = 2 pi u_2k+1, out[2k] = first
/// + second r cos a and out[2k + 1] = first + second r sin a, where `first` is the mean and `second` the standard
/// deviation. The float kernels round the results of the double kernels.
typedef struct {
  void *out;
  ptrdiff_t count;
  uint64_t key;
  uint64_t sample;
  double first;
  double second;
} rnd_fill;
RND_KERNEL(void, rnd_uniform_fill, rnd_fill)
RND_KERNEL(void, rnd_normal_fill, rnd_fill)

/// Inverted dropout: y = x m, where m is 0 with probability p and 1 / (1 - p) otherwise; p is `rate` rounded to a multiple of
/// 1/65536. x and y are the same memory with the same stride, or don't overlap.
///
/// m is a function of (seed, step, stream, sample[row], time[row], unit) alone. The backward pass calls the same function on
/// the gradient. NaN and Inf are preserved.
typedef struct {
  ptrdiff_t rows, units;
  const void *x;
  ptrdiff_t x_stride;
  void *y;
  ptrdiff_t y_stride;
  const uint32_t *sample;
  const uint32_t *time;  // null: one mask for all time steps
  uint64_t seed;
  uint64_t step;
  uint32_t stream;
  double rate;
} rnd_dropout;
RND_KERNEL(void, rnd_dropout_rows, rnd_dropout)
#endif
