#include "packed_product.h"

#include <string.h>

#include "kernel_support.h"

#define PANEL 64

int64_t rnd_packed_size(int64_t K, int64_t N) { return (N + PANEL - 1) / PANEL * PANEL * K; }

void rnd_pack_f32(const float *b, int64_t row_stride, int64_t column_stride, int64_t K, int64_t N, float *packed) {
  for (int64_t first = 0; first < N; first += PANEL) {
    int64_t width = N - first < PANEL ? N - first : PANEL;
    float *panel = packed + first * K;
    if (column_stride == 1) {
      for (int64_t k = 0; k < K; k++) {
        float *row = panel + k * PANEL;
        memcpy(row, b + k * row_stride + first, (size_t)width * sizeof(float));
        memset(row + width, 0, (size_t)(PANEL - width) * sizeof(float));
      }
      continue;
    }
    // Transposed source: read along its contiguous direction in blocks that keep the destination rows in cache.
    if (width < PANEL) memset(panel, 0, (size_t)(PANEL * K) * sizeof(float));
    for (int64_t block = 0; block < K; block += 32) {
      int64_t end = block + 32 < K ? block + 32 : K;
      for (int64_t n = 0; n < width; n++) {
        const float *source = b + (first + n) * column_stride;
        for (int64_t k = block; k < end; k++) panel[k * PANEL + n] = source[k * row_stride];
      }
    }
  }
}

#if defined(__x86_64__) && defined(__clang__)

typedef float vector16 __attribute__((vector_size(64), aligned(4)));
typedef float vector8 __attribute__((vector_size(32), aligned(4)));

// A block of ROWS x (VECTORS * width) of C: the accumulators stay in registers over the whole depth. The row count is
// a compile-time constant in every expansion, so that the loops over rows and vectors unroll completely.
#define DEFINE_MICRO_KERNEL(NAME, TARGET, VECTOR, WIDTH, VECTORS)                                                 \
  RND_INLINE __attribute__((target(TARGET))) void NAME(const int ROWS, int64_t K, const float *a, int64_t a_stride, \
                                                       const float *b, float *c, int64_t c_stride, int64_t columns, \
                                                       int accumulate) {                                         \
    VECTOR sum[6][VECTORS];                                                                                      \
    _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++)                                            \
        _Pragma("clang loop unroll(full)") for (int v = 0; v < VECTORS; v++) sum[r][v] = (VECTOR){0};            \
    for (int64_t k = 0; k < K; k++) {                                                                            \
      VECTOR row[VECTORS];                                                                                       \
      _Pragma("clang loop unroll(full)") for (int v = 0; v < VECTORS; v++)                                       \
          row[v] = *(const VECTOR *)(b + k * PANEL + v * WIDTH);                                                 \
      _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++) {                                        \
        float value = a[r * a_stride + k];                                                                       \
        _Pragma("clang loop unroll(full)") for (int v = 0; v < VECTORS; v++) sum[r][v] += value * row[v];        \
      }                                                                                                          \
    }                                                                                                            \
    if (columns == VECTORS * WIDTH) {                                                                            \
      _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++)                                          \
          _Pragma("clang loop unroll(full)") for (int v = 0; v < VECTORS; v++) {                                 \
        VECTOR *target = (VECTOR *)(c + r * c_stride + v * WIDTH);                                               \
        *target = accumulate ? *target + sum[r][v] : sum[r][v];                                                  \
      }                                                                                                          \
      return;                                                                                                    \
    }                                                                                                            \
    for (int r = 0; r < ROWS; r++) {                                                                             \
      float line[VECTORS * WIDTH];                                                                               \
      memcpy(line, sum[r], sizeof line);                                                                         \
      for (int64_t n = 0; n < columns; n++)                                                                      \
        c[r * c_stride + n] = accumulate ? c[r * c_stride + n] + line[n] : line[n];                              \
    }                                                                                                            \
  }

#define DEFINE_PRODUCT(NAME, MICRO, TARGET, SPAN)                                                                \
  __attribute__((target(TARGET))) static void NAME(int64_t M, int64_t N, int64_t K, const float *a,              \
                                                   int64_t a_stride, const float *packed, float *c,              \
                                                   int64_t c_stride, int accumulate) {                           \
    for (int64_t n = 0; n < N; n += SPAN) {                                                                      \
      const float *b = packed + n / PANEL * PANEL * K + n % PANEL;                                               \
      int64_t columns = N - n < SPAN ? N - n : SPAN;                                                             \
      for (int64_t m = 0; m < M; m += 6) {                                                                       \
        const float *rows = a + m * a_stride;                                                                    \
        float *out = c + m * c_stride + n;                                                                       \
        switch (M - m) {                                                                                         \
          case 1: MICRO(1, K, rows, a_stride, b, out, c_stride, columns, accumulate); break;                     \
          case 2: MICRO(2, K, rows, a_stride, b, out, c_stride, columns, accumulate); break;                     \
          case 3: MICRO(3, K, rows, a_stride, b, out, c_stride, columns, accumulate); break;                     \
          case 4: MICRO(4, K, rows, a_stride, b, out, c_stride, columns, accumulate); break;                     \
          case 5: MICRO(5, K, rows, a_stride, b, out, c_stride, columns, accumulate); break;                     \
          default: MICRO(6, K, rows, a_stride, b, out, c_stride, columns, accumulate); break;                    \
        }                                                                                                        \
      }                                                                                                          \
    }                                                                                                            \
  }

#pragma STDC FP_CONTRACT ON
DEFINE_MICRO_KERNEL(micro_6x64_avx512, "avx512f,avx512vl,avx512bw,avx512dq,fma", vector16, 16, 4)
DEFINE_MICRO_KERNEL(micro_6x16_avx2, "avx2,fma", vector8, 8, 2)
DEFINE_PRODUCT(product_avx512, micro_6x64_avx512, "avx512f,avx512vl,avx512bw,avx512dq,fma", 64)
DEFINE_PRODUCT(product_avx2, micro_6x16_avx2, "avx2,fma", 16)

int rnd_packed_product_level(void) {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")) {
    return 2;
  }
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 1 : 0;
}

void rnd_packed_product_f32(int64_t M, int64_t N, int64_t K, const float *a, int64_t a_stride, const float *packed,
                            float *c, int64_t c_stride, int accumulate) {
  if (rnd_packed_product_level() == 2) {
    product_avx512(M, N, K, a, a_stride, packed, c, c_stride, accumulate);
  } else {
    product_avx2(M, N, K, a, a_stride, packed, c, c_stride, accumulate);
  }
}

#else

int rnd_packed_product_level(void) { return 0; }
void rnd_packed_product_f32(int64_t M, int64_t N, int64_t K, const float *a, int64_t a_stride, const float *packed,
                            float *c, int64_t c_stride, int accumulate) {
  for (int64_t m = 0; m < M; m++) {
    for (int64_t n = 0; n < N; n++) {
      const float *b = packed + n / PANEL * PANEL * K + n % PANEL;
      float sum = 0;
      for (int64_t k = 0; k < K; k++) sum += a[m * a_stride + k] * b[k * PANEL];
      c[m * c_stride + n] = accumulate ? c[m * c_stride + n] + sum : sum;
    }
  }
}

#endif
