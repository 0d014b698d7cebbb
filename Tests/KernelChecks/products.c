// Matrix products of all forms and precisions against sums in double.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "product_kernels.h"
#include "thread_pool.h"

// An operand [rows, columns] whose memory ends with its last element.
typedef struct {
  float *memory;
  rnd_operand view;
} operand;

static operand random_operand(uint64_t *random, int64_t rows, int64_t columns, int is_transposed) {
  const int64_t across = is_transposed ? rows : columns, along = is_transposed ? columns : rows;
  const int64_t stride = across + 3, count = along > 0 && across > 0 ? (along - 1) * stride + across : 0;
  operand x = {.memory = malloc((size_t)(count > 0 ? count : 1) * sizeof(float))};
  if (!x.memory) abort();
  for (int64_t i = 0; i < count; i++) x.memory[i] = (float)(2 * next_random(random) - 1);
  x.view = (rnd_operand){x.memory, is_transposed ? 1 : stride, is_transposed ? stride : 1};
  return x;
}

// The value that a product of a precision reads.
static double value(rnd_operand x, int64_t i, int64_t j, int precision) {
  const float v = ((const float *)x.base)[i * x.row_stride + j * x.column_stride];
  if (precision == rnd_fp32) return v;
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  float rounded;
  memcpy(&rounded, &bits, sizeof rounded);
  return rounded;
}

// The forms in which B is passed.
enum { AS_IS, PACKED, PACKED_IN_COLUMNS, PACKED_IN_DEPTHS, FORMS };

static void *packed_operand(rnd_operand b, int64_t depth, int64_t columns, int form, rnd_product_mode mode) {
  if (form == AS_IS) return NULL;
  const size_t bytes = (size_t)rnd_packed_words(depth, columns, mode) * 4;
  void *words = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!words) abort();
  const rnd_packing packing = {.source = b, .depth = depth, .columns = columns, .packed = words, .mode = mode};
  const int64_t unit = 2 * RND_PANEL_UNIT;
  // Fills the words with NaNs, which reveal every word that was not packed.
  memset(words, 0xff, bytes);
  if (form == PACKED) {
    rnd_pack(packing);
  } else if (form == PACKED_IN_COLUMNS) {
    for (int64_t n = 0; n < columns; n += unit) rnd_pack_columns(packing, n, columns - n < unit ? columns - n : unit);
  } else {
    for (int64_t k = 0; k < depth; k += unit) rnd_pack_depths(packing, k, depth - k < unit ? depth - k : unit);
  }
  return words;
}

static int check_product(rnd_product p, int is_a_transposed, int is_b_transposed, int form) {
  uint64_t random = (uint64_t)(p.rows * 7919 + p.columns * 31 + p.depth);
  operand a = random_operand(&random, p.rows, p.depth, is_a_transposed);
  operand b = random_operand(&random, p.depth, p.columns, is_b_transposed);
  operand c = random_operand(&random, p.rows, p.columns, 0);
  operand before = random_operand(&random, p.rows, p.columns, 0);
  p.a = a.view;
  p.b = b.view;
  p.c = c.memory;
  p.c_stride = c.view.row_stride;
  void *packed = packed_operand(b.view, p.depth, p.columns, form, p.mode);
  p.packed = packed;
  for (int64_t m = 0; m < p.rows; m++) memcpy(c.memory + m * p.c_stride, before.memory + m * p.c_stride,
                                              (size_t)p.columns * sizeof(float));
  rnd_multiply_matrices(p);
  int failures = 0;
  for (int64_t m = 0; m < p.rows; m++) {
    for (int64_t n = 0; n < p.columns; n++) {
      const int64_t at = m * p.c_stride + n;
      double sum = p.accumulate ? before.memory[at] : 0, size = 1;
      for (int64_t k = 0; k < p.depth; k++) {
        const double term = value(p.a, m, k, p.mode.precision) * value(p.b, k, n, p.mode.precision);
        sum += term;
        size += fabs(term);
      }
      if (fabs(c.memory[at] - sum) <= 2e-6 * size) continue;
      if (failures++ == 0) {
        fprintf(stderr, "FAILED: product on %s, %s, %td x %td x %td, transposed %d %d, form %d: (%lld, %lld) is %.9g, "
                "expected %.9g\n", rnd_set_name(p.mode.set), p.mode.precision == rnd_fp32 ? "fp32" : "bf16", p.rows,
                p.depth, p.columns, is_a_transposed, is_b_transposed, form, (long long)m, (long long)n, c.memory[at], sum);
      }
    }
  }
  free(packed);
  free(a.memory);
  free(b.memory);
  free(c.memory);
  free(before.memory);
  return failures > 0;
}

// Quantized weights: compares the distance from the exact product, relative to the sizes of the factors, and the bits of
// all sets.
static int check_quantized(int set, int64_t rows, int64_t columns, int64_t depth) {
  uint64_t random = (uint64_t)(rows + 100 * columns + 10000 * depth);
  operand a = random_operand(&random, rows, depth, 0), b = random_operand(&random, depth, columns, rows % 2);
  operand c = random_operand(&random, rows, columns, 0), portable = random_operand(&random, rows, columns, 0);
  rnd_product p = {.rows = rows, .columns = columns, .depth = depth, .a = a.view, .c_stride = c.view.row_stride};
  for (int turn = 0; turn < 2; turn++) {
    p.mode = (rnd_product_mode){.set = turn ? set : rnd_set_portable, .precision = rnd_int8};
    p.c = turn ? c.memory : portable.memory;
    void *words = malloc((size_t)rnd_packed_words(depth, columns, p.mode) * 4);
    if (!words) abort();
    rnd_pack((rnd_packing){.source = b.view, .depth = depth, .columns = columns, .packed = words, .mode = p.mode});
    p.packed = words;
    rnd_multiply_matrices(p);
    free(words);
  }
  int failures = 0;
  for (int64_t m = 0; m < rows; m++) {
    for (int64_t n = 0; n < columns; n++) {
      const int64_t at = m * p.c_stride + n;
      double sum = 0, size = 1e-3;
      for (int64_t k = 0; k < depth; k++) {
        const double x = value(p.a, m, k, rnd_fp32);
        sum += x * value(b.view, k, n, rnd_fp32);
        size += fabs(x);
      }
      failures += fabs(c.memory[at] - sum) > 0.005 * size || c.memory[at] != portable.memory[at];
    }
  }
  if (failures) {
    fprintf(stderr, "FAILED: int8 product on %s, %lld x %lld x %lld: %d elements\n", rnd_set_name(set), (long long)rows,
            (long long)depth, (long long)columns, failures);
  }
  free(a.memory);
  free(b.memory);
  free(c.memory);
  free(portable.memory);
  return failures > 0;
}

int check_products(int set) {
  // Sizes below and above those of tile rows, panels, vectors, pairs and blocks. Threads share the last ones.
  static const int SHAPES[][3] = {
      {1, 1, 1}, {5, 15, 3}, {6, 16, 7}, {7, 17, 2}, {13, 63, 33}, {12, 64, 64}, {3, 65, 129}, {8, 129, 31}, {1, 130, 70},
      {4, 31, 385}, {2, 20, 1601}, {250, 9, 11}, {3, 1100, 5}, {7, 300, 350}, {0, 4, 4}, {4, 0, 4}, {4, 4, 0}, {67, 150, 90},
      {19, 72, 41}};
  int failures = 0;
  for (size_t s = 0; s < sizeof SHAPES / sizeof *SHAPES; s++) {
    rnd_set_thread_count(s % 2 ? 1 : 3);
    failures += check_quantized(set, SHAPES[s][0], SHAPES[s][1], SHAPES[s][2]);
  }
  for (size_t s = 0; s < sizeof SHAPES / sizeof *SHAPES; s++) {
    rnd_set_thread_count(s % 2 ? 1 : 3);
    for (int precision = rnd_fp32; precision <= rnd_bf16; precision++) {
      for (int variant = 0; variant < 4 * FORMS; variant++) {
        const rnd_product p = {.rows = SHAPES[s][0], .columns = SHAPES[s][1], .depth = SHAPES[s][2],
                               .accumulate = (variant + (int)s) % 2, .mode = {.set = set, .precision = precision}};
        failures += check_product(p, variant & 1, variant >> 1 & 1, variant >> 2);
      }
    }
  }
  rnd_set_thread_count(1);
  float sink = 0;
  for (int precision = rnd_fp32; precision <= rnd_bf16; precision++) {
    failures += !(rnd_multiply_add_operations(10, (rnd_product_mode){.set = set, .precision = precision}, &sink) > 0);
  }
  return failures;
}
