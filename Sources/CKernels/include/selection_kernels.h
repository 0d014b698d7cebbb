// Operations of decoding on a block of logits [rows, V]: log-probabilities, best continuations, sampling, mixtures.
//
// A logit that is NaN counts as -inf (impossible), and +inf as the largest finite number, so that every kernel terminates and
// returns tokens in 0..<V. Rows are independent.
#ifndef SELECTION_KERNELS_H
#define SELECTION_KERNELS_H
#include "element.h"

/// A block of logits.
typedef struct {
  ptrdiff_t rows;
  ptrdiff_t columns;  // V
  const void *x;
  ptrdiff_t stride;
} rnd_logits;

/// normalizer[row] = log of the sum over v of exp(x[row][v]); -inf if nothing in the row is possible.
typedef struct {
  rnd_logits logits;
  double *normalizer;
} rnd_normalization;
RND_KERNEL(void, rnd_log_normalizers, rnd_normalization)

/// Selects the `limit` best of all rows * V continuations by base[row] + x[row][v] - normalizer[row], best first. Equal
/// ones are ordered by row, then by v. score, row and token have room for `limit`. Returns the number of results, which
/// is below `limit` if there are not enough candidates.
typedef struct {
  rnd_logits logits;
  const double *base;
  const double *normalizer;
  ptrdiff_t limit;
  double *score;
  int32_t *row;
  int32_t *token;
} rnd_continuations;
RND_KERNEL(ptrdiff_t, rnd_best_continuations, rnd_continuations)

/// token[row] = a sample of softmax(x[row] * inverse_temperature) reduced to the k most probable tokens, and of these to
/// the most probable ones whose sum reaches p. uniform[row] in [0, 1) determines the sample. Tokens of equal probability
/// keep their order. -1 if no token is possible. k >= 1, 0 < p <= 1, inverse_temperature finite; with k = 1 the first of
/// the largest logits.
typedef struct {
  rnd_logits logits;
  double inverse_temperature;
  ptrdiff_t k;
  double p;
  const double *uniform;
  void *weights;  // room for 3 V elements
  int32_t *token;
} rnd_sampling;
RND_KERNEL(void, rnd_sample_tokens, rnd_sampling)

/// y = log(exp(y) + exp(log_weight) softmax(x)) row by row, or log_weight + log softmax(x) if `is_first`.
typedef struct {
  rnd_logits logits;
  double log_weight;
  bool is_first;
  void *y;
  ptrdiff_t y_stride;
} rnd_mixture;
RND_KERNEL(void, rnd_mix_log_probabilities, rnd_mixture)

/// Sum over i of log(min(x[i], 1)); a number below the smallest normal float counts as the latter.
RND_KERNEL(double, rnd_log_coverage, rnd_numbers)

/// libm's functions, for code that must not import a mathematics library.
double rnd_exp(double x);
double rnd_log(double x);
double rnd_power(double x, double y);
#endif
