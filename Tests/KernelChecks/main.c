// Checks all C kernels against the same computation in double, on odd sizes. See checks.h.
//
// usage: kernel-checks          checks every instruction set that the processor can run; exit status 1 after a failure
//        kernel-checks --sets   prints these sets, one per line
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

// MARK: Numbers

double next_random(uint64_t *state) {
  // splitmix64 (Steele et al. 2014)
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

void *memory(check_run *run, int64_t bytes) {
  void *block = calloc(1, bytes > 0 ? (size_t)bytes : 1);
  if (!block || run->block_count == sizeof run->blocks / sizeof *run->blocks) abort();
  run->blocks[run->block_count++] = block;
  return block;
}

void set_number(const check_run *run, void *x, int64_t i, double value) {
  if (run->type == rnd_f32) ((float *)x)[i] = (float)value;
  else ((double *)x)[i] = value;
}

double number(const check_run *run, const void *x, int64_t i) {
  return run->type == rnd_f32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

void *numbers_between(check_run *run, int64_t count, double low, double high) {
  void *x = memory(run, count * (run->type == rnd_f32 ? 4 : 8));
  // Rounded to float for both types.
  for (int64_t i = 0; i < count; i++) set_number(run, x, i, (float)(low + (high - low) * next_random(&run->random)));
  return x;
}

void *numbers(check_run *run, int64_t count) { return numbers_between(run, count, -1, 1); }

void *matrix(check_run *run, int64_t rows, int64_t width, int64_t stride) {
  return numbers(run, (rows - 1) * stride + width);
}

int32_t *integers(check_run *run, int64_t count, int32_t low, int32_t end) {
  int32_t *x = memory(run, count * 4);
  for (int64_t i = 0; i < count; i++) x[i] = low + (int32_t)(next_random(&run->random) * (end - low));
  return x;
}

// MARK: Results

void expect_number(check_run *run, double x) {
  if (run->result_count == run->result_capacity) {
    run->result_capacity = 2 * run->result_capacity + 64;
    run->results = realloc(run->results, (size_t)run->result_capacity * sizeof *run->results);
    if (!run->results) abort();
  }
  run->results[run->result_count++] = x;
}

void expect_numbers(check_run *run, const void *x, int64_t count) {
  for (int64_t i = 0; i < count; i++) expect_number(run, number(run, x, i));
}

void expect_matrix(check_run *run, const void *x, int64_t rows, int64_t width, int64_t stride) {
  for (int64_t row = 0; row < rows; row++) {
    for (int64_t j = 0; j < width; j++) expect_number(run, number(run, x, row * stride + j));
  }
}

void expect_integers(check_run *run, const int32_t *x, int64_t count) {
  for (int64_t i = 0; i < count; i++) expect_number(run, x[i]);
}

static check_run start(const check_case *c, rnd_element type, int rows, int width) {
  check_run run = {.type = type, .rows = rows, .width = width, .random = (uint64_t)(rows * 1000 + width)};
  c->body(&run);
  for (int i = 0; i < run.block_count; i++) free(run.blocks[i]);
  return run;
}

static int is_near(double x, double reference) {
  if (isnan(reference) || isinf(reference)) return isnan(reference) ? isnan(x) : x == reference;
  return fabs(x - reference) <= 5e-5 * (1 + fabs(reference));
}

// MARK: Checks

// AVX2 and AVX-512 fuse the same multiplications and additions and sum in the same order, so their results have the same bits.
static int check_bits(const check_case *c, const check_run *avx512) {
  rnd_use_set(rnd_set_avx2);
  check_run avx2 = start(c, rnd_f32, avx512->rows, avx512->width);
  rnd_use_set(rnd_set_avx512);
  const size_t bytes = (size_t)avx2.result_count * sizeof *avx2.results;
  // A case that skips a size has no results.
  const int differ = avx2.result_count != avx512->result_count ||
                     (bytes > 0 && memcmp(avx2.results, avx512->results, bytes) != 0);
  if (differ) {
    fprintf(stderr, "FAILED: %s, %d rows, width %d: AVX2 and AVX-512 have different bits\n", c->name, avx2.rows, avx2.width);
  }
  free(avx2.results);
  return differ;
}

static int check_case_on(const check_case *c, const check_run *reference, int set) {
  check_run run = start(c, rnd_f32, reference->rows, reference->width);
  int failures = run.result_count != reference->result_count;
  for (int64_t i = 0; i < run.result_count && !failures; i++) {
    if (is_near(run.results[i], reference->results[i])) continue;
    fprintf(stderr, "FAILED: %s on %s, %d rows, width %d: result %lld is %.9g, expected %.9g\n", c->name,
            rnd_set_name(set), run.rows, run.width, (long long)i, run.results[i], reference->results[i]);
    failures++;
  }
  if (set == rnd_set_avx512) failures += check_bits(c, &run);
  free(run.results);
  return failures;
}

int main(int argc, char **argv) {
  static const int ROWS[] = {1, 2, 6, 7}, WIDTHS[] = {1, 3, 15, 16, 17, 33, 67, 130};
  if (argc > 1 && strcmp(argv[1], "--sets") == 0) {
    for (int set = 0; set < RND_SETS; set++) {
      if (rnd_set_available(set)) puts(rnd_set_name(set));
    }
    return 0;
  }
  int failures = 0;
  for (int set = 0; set < RND_SETS; set++) {
    if (!rnd_set_available(set)) continue;
    rnd_use_set(set);
    int cases = 0;
    for (const check_case *c = CASES; c->name; c++, cases++) {
      for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++) {
        for (size_t w = 0; w < sizeof WIDTHS / sizeof *WIDTHS; w++) {
          check_run reference = start(c, rnd_f64, ROWS[r], WIDTHS[w]);
          failures += check_case_on(c, &reference, set);
          free(reference.results);
        }
      }
    }
    failures += check_products(set);
    printf("%s: %d kernels and the products checked\n", rnd_set_name(set), cases);
  }
  return failures > 0;
}
