// Products with weights of eight bits: packing, quantizing rows of A, and the tiles.
//
// A panel of 64 columns holds two depths per step: 64 pairs of int8, column by column. Then come the scales of all columns. A row
// of A becomes int16, so that a step is one multiplication of pairs (vpmaddwd, vpdpwssd) with the widened weights. The sums
// are exact integers: they have the same bits on every instruction set.
#include "product_int8.h"

#include <math.h>
#include <string.h>

enum { PANEL = RND_INT8_PANEL, PAIR_BYTES = 2 * PANEL, MOST_ROWS = RND_INT8_ROWS };

static int64_t pairs_of(int64_t depth) { return (depth + 1) / 2; }
static int64_t panels_of(int64_t columns) { return (columns + PANEL - 1) / PANEL; }

int64_t rnd_int8_words(int64_t depth, int64_t columns) {
  return panels_of(columns) * (pairs_of(depth) * PAIR_BYTES / 4 + PANEL);
}

static int8_t *panel_of(const void *packed, int64_t panel, int64_t depth) {
  return (int8_t *)packed + panel * pairs_of(depth) * PAIR_BYTES;
}

static float *scales_of(const void *packed, int64_t depth, int64_t columns) {
  return (float *)panel_of(packed, panels_of(columns), depth);
}

// MARK: Packing

static float element(rnd_operand x, int64_t i, int64_t j) {
  return ((const float *)x.base)[i * x.row_stride + j * x.column_stride];
}

void rnd_int8_pack(const rnd_packing *p, int64_t first, int64_t end) {
  float *scales = scales_of(p->packed, p->depth, p->columns);
  for (int64_t n = first; n < (end + PANEL - 1) / PANEL * PANEL; n++) {
    int8_t *column = panel_of(p->packed, n / PANEL, p->depth) + 2 * (n % PANEL);
    float largest = 0;
    for (int64_t k = 0; k < p->depth && n < p->columns; k++) {
      const float size = fabsf(element(p->source, k, n));
      // A NaN or an infinity makes the whole column NaN.
      largest = size > largest || size != size ? size : largest;
      if (size != size) break;
    }
    const int is_usable = largest > 0 && largest < INFINITY;
    scales[n] = is_usable ? largest / 127 : largest == 0 ? 0 : NAN;
    for (int64_t k = 0; k < 2 * pairs_of(p->depth); k++) {
      const float value = is_usable && k < p->depth ? element(p->source, k, n) / scales[n] : 0;
      column[k / 2 * PAIR_BYTES + k % 2] = (int8_t)lrintf(value);
    }
  }
}

// MARK: Rows of A

// The largest quantized value of A, limited by 16 bits and exact sums of 32 bits, and to 13 bits.
static float limit_of(int64_t depth) {
  const int64_t limit = INT32_MAX / (127 * (depth + 1));
  return (float)(limit < 8191 ? limit : 8191);
}

// Returns the factor that turns the quantized row back into numbers; NaN if the row holds a NaN or an infinity.
static float quantize_row(const float *row, int64_t depth, float limit, int16_t *quantized) {
  float lanes[16] = {0}, anything[16] = {0};
  for (int64_t k = 0; k < depth; k++) {
    const float size = fabsf(row[k]);
    lanes[k % 16] = size > lanes[k % 16] ? size : lanes[k % 16];
    anything[k % 16] += row[k] - row[k];  // 0, or NaN
  }
  float largest = 0, check = 0;
  for (int l = 0; l < 16; l++) {
    largest = lanes[l] > largest ? lanes[l] : largest;
    check += anything[l];
  }
  const float scale = largest > 0 && check == 0 ? limit / largest : 0;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  for (int64_t k = 0; k < depth; k++) {
    const float shifted = (check == 0 ? row[k] * scale : 0) + magic;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    quantized[k] = (int16_t)bits;
  }
  if (depth % 2) quantized[depth] = 0;
  return check == 0 ? largest / limit : NAN;
}

// MARK: Tiles

// sums [rows][PANEL] = quantized rows times a panel. Row r begins at rows + r * stride.
typedef void int8_tile(int rows, int64_t pairs, const int16_t *a, int64_t stride, const int8_t *panel, int32_t *sums);

static void tile_portable(int rows, int64_t pairs, const int16_t *a, int64_t stride, const int8_t *panel, int32_t *sums) {
  for (int r = 0; r < rows; r++) {
    int32_t sum[PANEL] = {0};
    for (int64_t k = 0; k < pairs; k++) {
      const int32_t first = a[r * stride + 2 * k], second = a[r * stride + 2 * k + 1];
      const int8_t *words = panel + k * PAIR_BYTES;
      for (int n = 0; n < PANEL; n++) sum[n] += first * words[2 * n] + second * words[2 * n + 1];
    }
    memcpy(sums + r * PANEL, sum, sizeof sum);
  }
}

#if RND_HAS_X86_SETS
#include <immintrin.h>

// VECTORS of the panel at a time, as many as leave registers for ROWS rows of sums.
#define DEFINE_TILE(NAME, FEATURES, VECTOR, WIDTH, LOAD, BROADCAST, ADD, STORE, ZERO)                               \
  __attribute__((target(FEATURES), always_inline)) static inline void NAME##_rows(                                  \
      const int ROWS, const int VECTORS, int64_t pairs, const int16_t *a, int64_t stride, const int8_t *panel,      \
      int32_t *sums) {                                                                                              \
    for (int first = 0; first < PANEL / WIDTH; first += VECTORS) {                                                  \
      VECTOR sum[MOST_ROWS][8];                                                                                     \
      _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++) {                                           \
        _Pragma("clang loop unroll(full)") for (int v = 0; v < VECTORS; v++) sum[r][v] = ZERO();                    \
      }                                                                                                             \
      const int8_t *words = panel + 2 * WIDTH * first;                                                              \
      for (int64_t k = 0; k < pairs; k++, words += PAIR_BYTES) {                                                    \
        VECTOR weights[8];                                                                                          \
        _Pragma("clang loop unroll(full)") for (int v = 0; v < VECTORS; v++) weights[v] = LOAD(words + 2 * WIDTH * v); \
        _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++) {                                         \
          int32_t pair;                                                                                             \
          memcpy(&pair, a + r * stride + 2 * k, sizeof pair);                                                       \
          const VECTOR factor = BROADCAST(pair);                                                                    \
          _Pragma("clang loop unroll(full)") for (int v = 0; v < VECTORS; v++) sum[r][v] = ADD(sum[r][v], factor, weights[v]); \
        }                                                                                                           \
      }                                                                                                             \
      _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++) {                                           \
        _Pragma("clang loop unroll(full)") for (int v = 0; v < VECTORS; v++) {                                      \
          STORE((void *)(sums + r * PANEL + (first + v) * WIDTH), sum[r][v]);                                       \
        }                                                                                                           \
      }                                                                                                             \
    }                                                                                                               \
  }                                                                                                                 \
  __attribute__((target(FEATURES))) static void NAME(int rows, int64_t pairs, const int16_t *a, int64_t stride,     \
                                                     const int8_t *panel, int32_t *sums) {                          \
    switch (rows) {                                                                                                 \
      case 1: NAME##_rows(1, 4, pairs, a, stride, panel, sums); break;                                              \
      case 2: NAME##_rows(2, 4, pairs, a, stride, panel, sums); break;                                              \
      case 3: NAME##_rows(3, WIDTH == 8 ? 2 : 4, pairs, a, stride, panel, sums); break;                             \
      case 4: NAME##_rows(4, WIDTH == 8 ? 2 : 4, pairs, a, stride, panel, sums); break;                             \
    }                                                                                                               \
  }

#define LOAD_AVX2(x) _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(x)))
#define ADD_AVX2(sum, x, y) _mm256_add_epi32(sum, _mm256_madd_epi16(x, y))
DEFINE_TILE(tile_avx2, "avx2", __m256i, 8, LOAD_AVX2, _mm256_set1_epi32, ADD_AVX2, _mm256_storeu_si256,
            _mm256_setzero_si256)

#define LOAD_AVX512(x) _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(x)))
#define ADD_AVX512(sum, x, y) _mm512_add_epi32(sum, _mm512_madd_epi16(x, y))
DEFINE_TILE(tile_avx512, "avx512f,avx512bw", __m512i, 16, LOAD_AVX512, _mm512_set1_epi32, ADD_AVX512,
            _mm512_storeu_si512, _mm512_setzero_si512)

DEFINE_TILE(tile_avx512_vnni, "avx512f,avx512bw,avx512vnni", __m512i, 16, LOAD_AVX512, _mm512_set1_epi32,
            _mm512_dpwssd_epi32, _mm512_storeu_si512, _mm512_setzero_si512)
#endif

static int8_tile *const TILES[RND_SETS] = {
    [rnd_set_portable] = tile_portable,
#if RND_HAS_X86_SETS
    [rnd_set_avx2] = tile_avx2,
    [rnd_set_avx512] = tile_avx512,
    [rnd_set_avx512_bf16] = tile_avx512_vnni,
#endif
};

// MARK: Products

void rnd_int8_multiply(const rnd_product *p, int64_t first, int64_t end, int16_t *rows) {
  const int64_t stride = 2 * pairs_of(p->depth);
  const float limit = limit_of(p->depth), *scales = scales_of(p->packed, p->depth, p->columns);
  for (int64_t m = 0; m < p->rows; m += MOST_ROWS) {
    const int count = (int)(p->rows - m < MOST_ROWS ? p->rows - m : MOST_ROWS);
    float factors[MOST_ROWS];
    for (int r = 0; r < count; r++) {
      factors[r] = quantize_row((const float *)p->a.base + (m + r) * p->a.row_stride, p->depth, limit, rows + r * stride);
    }
    for (int64_t n = first; n < end; n += PANEL) {
      int32_t sums[MOST_ROWS * PANEL];
      TILES[p->mode.set](count, pairs_of(p->depth), rows, stride, panel_of(p->packed, n / PANEL, p->depth), sums);
      const int width = (int)(end - n < PANEL ? end - n : PANEL);
      for (int r = 0; r < count; r++) {
        float *c = (float *)p->c + (m + r) * p->c_stride + n;
        const int32_t *sum = sums + r * PANEL;
        if (p->accumulate) {
          for (int j = 0; j < width; j++) c[j] += (float)sum[j] * (factors[r] * scales[n + j]);
        } else {
          for (int j = 0; j < width; j++) c[j] = (float)sum[j] * (factors[r] * scales[n + j]);
        }
      }
    }
  }
}
