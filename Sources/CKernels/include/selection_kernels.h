// What decoding does with a block of logits [rows, V]: log-probabilities, best continuations, draws, mixtures.
//
// Whatever a model may have computed, a logit that is NaN counts as -inf (impossible), and +inf as the largest finite
// number, so that nothing here loops or returns an id outside of 0..<V. Every row is treated by itself.
#ifndef SELECTION_KERNELS_H
#define SELECTION_KERNELS_H
#include <stdint.h>

#define RND_DECLARE(T, S)                                                                                            \
  /* normalizer[row] = log of the sum over v of exp(x[row][v]); -inf if nothing in the row is possible. */           \
  void rnd_log_normalizers_##S(const T *x, int64_t stride, int64_t rows, int64_t V, double *normalizer);             \
  /* The `limit` best of all rows * V continuations by base[row] + x[row][v] - normalizer[row], best first, equal    \
     ones by row, then by v. score, row and token have room for `limit`; returns how many there are, fewer if only   \
     so many are possible. */                                                                                        \
  int64_t rnd_best_continuations_##S(const T *x, int64_t stride, int64_t rows, int64_t V, const double *base,        \
                                     const double *normalizer, int64_t limit, double *score, int32_t *row,           \
                                     int32_t *token);                                                                \
  /* token[row] = a draw from softmax(x[row] * inverse_temperature) reduced to the k most probable tokens, and of    \
     what is left to the most probable ones that reach p in sum; uniform[row] in [0, 1) decides. Tokens of equal     \
     probability keep the order of their ids. -1 if nothing is possible. `weights` is scratch memory for 3 V         \
     numbers; k >= 1, p > 0 (at most 1), inverse_temperature finite; with k = 1 the first of the largest logits. */           \
  void rnd_draw_tokens_##S(const T *x, int64_t stride, int64_t rows, int64_t V, T inverse_temperature, int64_t k,    \
                           double p, const double *uniform, T *weights, int32_t *token);                             \
  /* y = log(exp(y) + exp(log_weight) softmax(x)) row by row, overwritten with log_weight + log softmax(x) if        \
     `first`. */                                                                                                     \
  void rnd_mix_log_probabilities_##S(const T *x, int64_t xstride, int64_t rows, int64_t V, double log_weight,        \
                                     T *y, int64_t ystride, int first);                                              \
  /* Sum over i of log(min(c[i], 1)); what is below the smallest normal float counts as that. */                     \
  double rnd_log_coverage_##S(const T *c, int64_t n);

RND_DECLARE(float, f32)
RND_DECLARE(double, f64)
#undef RND_DECLARE

// For code that may not import a mathematics library.
double rnd_log(double x);
double rnd_power(double x, double y);
#endif
