// The tiles of every instruction set; product_tile_body.h is their common body.

#include "product_tiles.h"

#include <string.h>

// Lets the compiler fuse a product and a sum into one multiply-add, on which the speed of a tile depends.
#pragma STDC FP_CONTRACT ON

#define WORD float
#define ROW VECTOR
#define MULTIPLY_ADD(sum, word, row) ((sum) + (word) * (row))
#define LOAD_WORDS(words, v) (*(const ROW *)((words) + (v) * WIDTH))
// In rnd_halved_words, the first vectors are in the lower halves and the others in the upper halves.
#define LOAD_HALVES(words, v)                                                                  \
  ((v) < SPAN_VECTORS / 2 ? (VECTOR)(*(const HALVES *)((words) + (v) * WIDTH) << 16)           \
                          : (VECTOR)(*(const HALVES *)((words) + ((v) - SPAN_VECTORS / 2) * WIDTH) & 0xffff0000u))

// Vectors of four floats: every 64-bit processor has them. 6 x 16 fits the 32 registers of NEON.
typedef float rnd_vector4 __attribute__((vector_size(16), aligned(4)));
typedef uint32_t rnd_halves4 __attribute__((vector_size(16), aligned(4)));
#define TILE(stem) stem##_portable
#define TARGET
#define VECTOR rnd_vector4
#define WIDTH 4
#define SPAN_VECTORS 4
#define PANELS_OF_ONE_ROW 1
#define STEP_WORDS SPAN
#define LOAD LOAD_WORDS
#include "product_tile_body.h"
#define TILE(stem) stem##_portable_bf16
#define HALVES rnd_halves4
#define STEP_WORDS (SPAN / 2)
#define LOAD LOAD_HALVES
#include "product_tile_body.h"
#undef HALVES
#undef TARGET
#undef VECTOR
#undef WIDTH
#undef SPAN_VECTORS
#undef PANELS_OF_ONE_ROW

#if RND_HAS_X86_SETS
#include <immintrin.h>

// 6 x 16: twelve sums of eight floats in the sixteen registers of AVX2.
typedef float rnd_vector8 __attribute__((vector_size(32), aligned(4)));
typedef uint32_t rnd_halves8 __attribute__((vector_size(32), aligned(4)));
#define TILE(stem) stem##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define VECTOR rnd_vector8
#define WIDTH 8
#define SPAN_VECTORS 2
#define PANELS_OF_ONE_ROW RND_AVX2_PANELS_OF_ONE_ROW
#define STEP_WORDS SPAN
#define LOAD LOAD_WORDS
#include "product_tile_body.h"
#define TILE(stem) stem##_avx2_bf16
#define HALVES rnd_halves8
#define STEP_WORDS (SPAN / 2)
#define LOAD LOAD_HALVES
#include "product_tile_body.h"
#undef HALVES
#undef TARGET
#undef VECTOR
#undef WIDTH
#undef SPAN_VECTORS
#undef PANELS_OF_ONE_ROW

// The last columns of AVX-512's wide panels, if they fit one vector of half the width: six sums of sixteen floats take six
// cycles per depth on a processor that adds one of them per cycle, six sums of eight floats take four.
#define TILE(stem) stem##_avx512_tail
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma")))
#define VECTOR rnd_vector8
#define WIDTH 8
#define SPAN_VECTORS 2
#define PANELS_OF_ONE_ROW 1
#define STEP_WORDS RND_WIDE_PANEL
#define LOAD LOAD_WORDS
#include "product_tile_body.h"
#undef TARGET
#undef VECTOR
#undef WIDTH
#undef SPAN_VECTORS
#undef PANELS_OF_ONE_ROW

// 6 x 64: twenty-four sums of sixteen floats, four rows of B and a broadcast in thirty-two registers.
typedef float rnd_vector16 __attribute__((vector_size(64), aligned(4)));
#define TILE(stem) stem##_avx512
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma")))
#define VECTOR rnd_vector16
#define WIDTH 16
#define SPAN_VECTORS 4
#define PANELS_OF_ONE_ROW 1
#define STEP_WORDS SPAN
#define LOAD LOAD_WORDS
#define TAIL rnd_tile_avx512_tail
#include "product_tile_body.h"
#undef TAIL
#undef TARGET
#undef WORD
#undef ROW
#undef MULTIPLY_ADD

// A tile with two depths per step: sum += a[2k] b[2k] + a[2k + 1] b[2k + 1] in each of sixteen lanes.
typedef int rnd_words16 __attribute__((vector_size(64), aligned(4)));
#define TILE(stem) stem##_avx512_bf16
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,fma")))
#define WORD int
#define ROW rnd_words16
#define STEP_WORDS SPAN
#define LOAD LOAD_WORDS
#define MULTIPLY_ADD(sum, word, row) \
  ((VECTOR)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)_mm512_set1_epi32(word), (__m512bh)(row)))
#include "product_tile_body.h"
#endif
