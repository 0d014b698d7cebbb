// Philox4x32-10, fills and dropout; include/random_kernels.h describes the coordinates of a number.
#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "kernel_support.h"

#include "random_kernels.h"

#include <math.h>
#include <string.h>

// A fused multiply-add rounds once, but a product and a sum round twice. Without this pragma, the variants for different
// instruction sets would return different bits.
#pragma STDC FP_CONTRACT OFF

// Multipliers and Weyl increments of Philox4x32 (Salmon et al., table 2 and section 3.3).
#define PHILOX_M0 0xD2511F53u
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u

// One block. Each word is stored in 64 bits, whose upper half is ignored. A round then consists of two 32 x 32 products,
// two shifts and two three-way exclusive ors, which a vector unit computes without shuffles.
RND_INLINE void philox(uint64_t x[4], uint32_t k0, uint32_t k1) {
#pragma clang loop unroll(full)
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = (uint64_t)(uint32_t)x[0] * PHILOX_M0;
    const uint64_t p1 = (uint64_t)(uint32_t)x[2] * PHILOX_M1;
    x[0] = (p1 >> 32) ^ x[1] ^ k0;
    x[1] = p1;
    x[2] = (p0 >> 32) ^ x[3] ^ k1;
    x[3] = p0;
    k0 += PHILOX_W0;
    k1 += PHILOX_W1;
  }
}

void rnd_philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t result[4]) {
  uint64_t x[4] = {counter[0], counter[1], counter[2], counter[3]};
  philox(x, key[0], key[1]);
  for (int w = 0; w < 4; w++) result[w] = (uint32_t)x[w];
}

uint64_t rnd_derive_key(uint64_t seed, uint64_t step, uint32_t purpose, uint32_t stream) {
  uint64_t x[4] = {(uint32_t)step, step >> 32, stream, purpose};
  philox(x, (uint32_t)seed, (uint32_t)(seed >> 32));
  return (uint64_t)(uint32_t)x[0] | x[1] << 32;
}

// MARK: - Fills

enum { FILL_BLOCKS = 32, FILL_DRAWS = 2 * FILL_BLOCKS };

// u[i] = uniform number 2 block + i, for FILL_BLOCKS blocks.
RND_INLINE void uniform_chunk(double u[FILL_DRAWS], uint64_t block, uint64_t key, uint64_t sample) {
  const uint64_t s0 = (uint32_t)sample, s1 = sample >> 32;
  const uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int b = 0; b < FILL_BLOCKS; b++) {
    const uint64_t index = block + (uint64_t)b;
    uint64_t x[4] = {index, index >> 32, s0, s1};
    philox(x, k0, k1);
    const int64_t first = (int64_t)(((uint64_t)(uint32_t)x[0] | x[1] << 32) >> 11);
    const int64_t second = (int64_t)(((uint64_t)(uint32_t)x[2] | x[3] << 32) >> 11);
    u[2 * b] = (double)first * 0x1p-53;
    u[2 * b + 1] = (double)second * 0x1p-53;
  }
}

// Turns uniform numbers into normal ones, in place. 1 - u is in (0, 1], where the logarithm is finite.
RND_INLINE void normal_chunk(double z[FILL_DRAWS]) {
  for (int i = 0; i < FILL_DRAWS; i += 2) {
    const double radius = sqrt(-2 * log1p(-z[i])), angle = 6.283185307179586 * z[i + 1];
    z[i] = radius * cos(angle);
    z[i + 1] = radius * sin(angle);
  }
}

// MARK: - Dropout

// Sixteen bits decide whether one unit is dropped, so a block serves eight units. Eight blocks make a group of 64 units;
// within a group, unit 16 w + 2 l + h reads half h (0: low) of word w of block l. The order puts the bits of neighboring
// units side by side in little-endian memory without any transposition, and doesn't depend on the width of a vector
// register.
enum { LANES = 8, GROUP = 64, CHUNK_GROUPS = 8, CHUNK = GROUP * CHUNK_GROUPS };

// The bits of `groups` groups that begin at block `block` of one row.
RND_INLINE void dropout_bits(uint16_t *restrict bits, int64_t groups, uint32_t block, uint32_t time,
                             uint32_t sample, uint32_t k0, uint32_t k1) {
  for (int64_t g = 0; g < groups; g++) {
    uint32_t words[4][LANES];
    for (uint32_t l = 0; l < LANES; l++) {
      uint64_t x[4] = {block + (uint32_t)g * LANES + l, time, sample, 0};
      philox(x, k0, k1);
      for (int w = 0; w < 4; w++) words[w][l] = (uint32_t)x[w];
    }
    memcpy(bits + g * GROUP, words, sizeof words);
  }
}

// The probability in units of 1/65536. At least one unit in 65536 is kept, so that the scale stays finite.
static uint32_t dropout_threshold(double rate) {
  const double parts = rate * 65536 + 0.5;
  if (!(parts >= 1)) return 0;
  return parts > 65535 ? 65535 : (uint32_t)parts;
}

#define BODY "random.c"
#include "variants.h"
#else

// MARK: - Fills

// out[i] = first + factor draw[i], chunk by chunk.
RND_INLINE void NAME(fill)(rnd_fill a, double factor, int is_normal) {
  double draw[FILL_DRAWS];
  T *out = a.out;
  for (int64_t start = 0; start < a.count; start += FILL_DRAWS) {
    uniform_chunk(draw, (uint64_t)start / 2, a.key, a.sample);
    if (is_normal) normal_chunk(draw);
    const int64_t length = a.count - start < FILL_DRAWS ? a.count - start : FILL_DRAWS;
    for (int64_t i = 0; i < length; i++) out[start + i] = (T)(a.first + factor * draw[i]);
  }
}

void NAME(rnd_uniform_fill)(rnd_fill a) { NAME(fill)(a, a.second - a.first, 0); }

void NAME(rnd_normal_fill)(rnd_fill a) { NAME(fill)(a, a.second, 1); }

// MARK: - Dropout

// y = x m for one chunk of a row. The in-place case is a separate loop, because two pointers that may be equal prevent
// vectorization. It multiplies by 0 rather than storing the constant 0, because a NaN must reach the check that makes all
// ranks skip the step.
RND_INLINE void NAME(dropout_chunk)(T *y, const T *x, const uint16_t *bits, int64_t length, uint16_t limit,
                                    T scale) {
  if (y == x) {
    for (int64_t j = 0; j < length; j++) y[j] *= bits[j] >= limit ? scale : 0;
  } else {
    for (int64_t j = 0; j < length; j++) y[j] = x[j] * (bits[j] >= limit ? scale : 0);
  }
}

static void NAME(dropout_masked)(rnd_dropout a, uint64_t key, uint32_t threshold) {
  const T scale = (T)(65536.0 / (65536.0 - threshold)), *x = a.x;
  const uint16_t limit = (uint16_t)threshold;
  uint16_t bits[CHUNK];
  for (int64_t r = 0; r < a.rows; r++) {
    for (int64_t start = 0; start < a.units; start += CHUNK) {
      const int64_t length = a.units - start < CHUNK ? a.units - start : CHUNK;
      dropout_bits(bits, (length + GROUP - 1) / GROUP, (uint32_t)(start / GROUP * LANES), a.time ? a.time[r] : 0,
                   a.sample[r], (uint32_t)key, (uint32_t)(key >> 32));
      NAME(dropout_chunk)((T *)a.y + r * a.y_stride + start, x + r * a.x_stride + start, bits, length, limit, scale);
    }
  }
}

void NAME(rnd_dropout_rows)(rnd_dropout a) {
  const uint32_t threshold = dropout_threshold(a.rate);
  if (threshold == 0) {
    if (a.y == a.x) return;
    for (int64_t r = 0; r < a.rows; r++) {
      memcpy((T *)a.y + r * a.y_stride, (const T *)a.x + r * a.x_stride, (size_t)a.units * sizeof(T));
    }
    return;
  }
  const uint64_t key = rnd_derive_key(a.seed, a.step, RND_PURPOSE_DROPOUT, a.stream);
  NAME(dropout_masked)(a, key, threshold);
}

#endif
