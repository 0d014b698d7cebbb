// The speed of the multiply-add units without loads: the upper bound of the matrix products.

#include <string.h>

#include "product_tiles.h"

#pragma STDC FP_CONTRACT ON

// The factors. They are volatile so that the compiler can't compute with their values.
static volatile int rnd_zero = 0;

// Independent sums: twice as many as hide the latency of two units, and few enough for each to stay in a register.
enum { CHAINS = 16, CHAINS_OF_16_REGISTERS = 12 };

// Keeps a sum in its register. Otherwise the compiler moves all sums between registers in every iteration.
#if defined(__x86_64__)
#define STAY(sum) __asm__("" : "+x"(sum))
#define STAY_WIDE(sum) __asm__("" : "+v"(sum))
#elif defined(__aarch64__)
#define STAY(sum) __asm__("" : "+w"(sum))
#else
#define STAY(sum)
#endif

#define DEFINE_PEAK(NAME, TARGET, VECTOR, INPUT, ELEMENT, COUNT, MULTIPLY_ADD, KEEP)                          \
  TARGET static float NAME(int64_t rounds) {                                                                  \
    const INPUT x = (INPUT){0} + (ELEMENT)rnd_zero, y = x;                                                    \
    VECTOR sum[COUNT];                                                                                        \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < COUNT; i++) sum[i] = (VECTOR){(float)i};           \
    for (int64_t round = 0; round < rounds; round++) {                                                        \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < COUNT; i++) {                                    \
        sum[i] = MULTIPLY_ADD(sum[i], x, y);                                                                  \
        KEEP(sum[i]);                                                                                         \
      }                                                                                                       \
    }                                                                                                         \
    float total = 0;                                                                                          \
    for (int i = 0; i < COUNT; i++) total += sum[i][0];                                                       \
    return total;                                                                                             \
  }

#define FLOATS(sum, x, y) ((sum) + (x) * (y))
#define INLINE_TARGET(features) __attribute__((target(features), noinline))

typedef float vector4 __attribute__((vector_size(16)));
DEFINE_PEAK(peak_portable, __attribute__((noinline)), vector4, vector4, float, CHAINS_OF_16_REGISTERS, FLOATS, STAY)

#if RND_HAS_X86_SETS
#include <immintrin.h>
typedef float vector8 __attribute__((vector_size(32)));
typedef float vector16 __attribute__((vector_size(64)));
typedef int words16 __attribute__((vector_size(64)));
DEFINE_PEAK(peak_avx2, INLINE_TARGET("avx2,fma"), vector8, vector8, float, CHAINS_OF_16_REGISTERS, FLOATS, STAY)
DEFINE_PEAK(peak_avx512, INLINE_TARGET("avx512f,fma"), vector16, vector16, float, CHAINS, FLOATS, STAY_WIDE)
#define PAIRS(sum, x, y) ((vector16)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)(x), (__m512bh)(y)))
DEFINE_PEAK(peak_avx512_bf16, INLINE_TARGET("avx512f,avx512bf16,fma"), vector16, words16, int, CHAINS, PAIRS, STAY_WIDE)
#endif

double rnd_multiply_add_operations(int64_t rounds, rnd_product_mode mode, float *sink) {
#if RND_HAS_X86_SETS
  if (mode.set == rnd_set_avx512_bf16 && mode.precision == rnd_bf16) {
    *sink += peak_avx512_bf16(rounds);
    return 2.0 * 32 * CHAINS * (double)rounds;
  }
  if (mode.set >= rnd_set_avx512) {
    *sink += peak_avx512(rounds);
    return 2.0 * 16 * CHAINS * (double)rounds;
  }
  if (mode.set == rnd_set_avx2) {
    *sink += peak_avx2(rounds);
    return 2.0 * 8 * CHAINS_OF_16_REGISTERS * (double)rounds;
  }
#else
  (void)mode;  // There is one set.
#endif
  *sink += peak_portable(rounds);
  return 2.0 * 4 * CHAINS_OF_16_REGISTERS * (double)rounds;
}
