// The frame of the kernel checks: numbers for a kernel's arguments, and the comparison of its results.
//
// A case is a function that makes arguments from random numbers, calls kernels and submits their results. It runs once
// with doubles, which gives the reference, and then with floats on every instruction set that the processor can run.
// Every block of memory is exactly as large as the kernel may use, so that AddressSanitizer detects each access beyond it.
#ifndef CHECKS_H
#define CHECKS_H
#include "element.h"

/// One execution of a case.
typedef struct check_run {
  rnd_element type;
  int rows, width;  // the sizes of this execution
  uint64_t random;
  void *blocks[256];
  int block_count;
  double *results;
  int64_t result_count, result_capacity;
} check_run;

typedef struct {
  const char *name;
  void (*body)(check_run *run);
} check_case;

/// Returns `count` elements of the type of the run, from `low` to `high`, with the same numbers for both types.
void *numbers_between(check_run *run, int64_t count, double low, double high);
/// Returns numbers from -1 to 1.
void *numbers(check_run *run, int64_t count);
/// Returns a matrix with rows of `width` elements at a distance of `stride`.
void *matrix(check_run *run, int64_t rows, int64_t width, int64_t stride);
/// Returns integers from `low` to below `end`.
int32_t *integers(check_run *run, int64_t count, int32_t low, int32_t end);
/// Returns zeroed memory.
void *memory(check_run *run, int64_t bytes);
/// Overwrites element i.
void set_number(const check_run *run, void *x, int64_t i, double value);
double number(const check_run *run, const void *x, int64_t i);

/// Submits results: elements of the type of the run, rows of a matrix, integers, one number.
void expect_numbers(check_run *run, const void *x, int64_t count);
void expect_matrix(check_run *run, const void *x, int64_t rows, int64_t width, int64_t stride);
void expect_integers(check_run *run, const int32_t *x, int64_t count);
void expect_number(check_run *run, double x);

/// The cases of all kernels except the matrix products. The last case has no name.
extern const check_case CASES[];
/// Checks the products of one instruction set; returns the number of failures.
int check_products(int set);
/// A random number from 0 to below 1.
double next_random(uint64_t *state);
#endif
