// Sums keep LANES partial results in a fixed order, which lets them vectorize.
#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "selection_kernels.h"

#include <float.h>

double rnd_exp(double x) { return exp(x); }
double rnd_log(double x) { return log(x); }
double rnd_power(double x, double y) { return pow(x, y); }

// MARK: - The best of many

// A heap in three parallel arrays whose root is the worst candidate: a new candidate is compared with it alone.
typedef struct {
  double *score;
  int32_t *row;
  int32_t *token;
  int64_t count;
  int64_t limit;
} candidates;

static int is_worse(const candidates *h, int64_t i, int64_t j) {
  if (h->score[i] != h->score[j]) return h->score[i] < h->score[j];
  if (h->row[i] != h->row[j]) return h->row[i] > h->row[j];
  return h->token[i] > h->token[j];
}

static void swap_candidates(candidates *h, int64_t i, int64_t j) {
  double score = h->score[i];
  int32_t row = h->row[i], token = h->token[i];
  h->score[i] = h->score[j], h->row[i] = h->row[j], h->token[i] = h->token[j];
  h->score[j] = score, h->row[j] = row, h->token[j] = token;
}

static void sift_down(candidates *h, int64_t i, int64_t count) {
  for (int64_t child = 2 * i + 1; child < count; child = 2 * i + 1) {
    if (child + 1 < count && is_worse(h, child + 1, child)) child++;
    if (!is_worse(h, child, i)) return;
    swap_candidates(h, i, child);
    i = child;
  }
}

static void sift_up(candidates *h, int64_t i) {
  for (int64_t parent = (i - 1) / 2; i > 0 && is_worse(h, i, parent); parent = (i - 1) / 2) {
    swap_candidates(h, i, parent);
    i = parent;
  }
}

// Candidates come by ascending row and id, so a candidate that only equals the worst one is not better.
static void offer(candidates *h, double score, int32_t row, int32_t token) {
  int64_t place = h->count < h->limit ? h->count : 0;
  if (h->count == h->limit && !(score > h->score[0])) return;
  h->score[place] = score, h->row[place] = row, h->token[place] = token;
  if (h->count < h->limit) {
    h->count++;
    sift_up(h, place);
  } else {
    sift_down(h, 0, h->count);
  }
}

// Moves the worst candidate to the end repeatedly, which sorts them, best first.
static void sort_best_first(candidates *h) {
  for (int64_t count = h->count; count > 1; count--) {
    swap_candidates(h, 0, count - 1);
    sift_down(h, 0, count - 1);
  }
}

// MARK: - Logarithm of 1 + y for 0 <= y <= 1

// The coefficients are those of Cephes' logf, for arguments between sqrt(1/2) and sqrt(2): 1 + y or its half. The
// argument of the polynomial is exact in both cases, so small y keep their full relative accuracy.
RND_INLINE float rnd_log1p_unit_f32(float y) {
  int halved = y > 0.41421356f;
  float f = halved ? (y - 1.0f) * 0.5f : y;
  float q = 7.0376836292e-2f;
  q = q * f - 1.1514610310e-1f;
  q = q * f + 1.1676998740e-1f;
  q = q * f - 1.2420140846e-1f;
  q = q * f + 1.4249322787e-1f;
  q = q * f - 1.6668057665e-1f;
  q = q * f + 2.0000714765e-1f;
  q = q * f - 2.4999993993e-1f;
  q = q * f + 3.3333331174e-1f;
  float z = f * f;
  return (q * f * z - 0.5f * z + f) + (halved ? 0.693147181f : 0.0f);
}

RND_INLINE double rnd_log1p_unit_f64(double y) { return log1p(y); }

#define LANES 64

#define BODY "selection.c"
#include "variants.h"
#else

RND_INLINE T NAME(sum_lanes)(T *lanes) {
  RND_FOLD_LANES(lanes, LANES)
  return lanes[0];
}

// The largest logit, at most LARGEST; -inf if none is possible. A NaN is never larger.
RND_INLINE T NAME(largest_logit)(const T *restrict x, int64_t n) {
  T lanes[LANES];
  for (int k = 0; k < LANES; k++) lanes[k] = -INFINITY;
  int64_t whole = n - n % LANES;
  for (int64_t j = 0; j < whole; j += LANES) {
    for (int k = 0; k < LANES; k++) lanes[k] = x[j + k] > lanes[k] ? x[j + k] : lanes[k];
  }
  for (int64_t j = whole; j < n; j++) lanes[j - whole] = x[j] > lanes[j - whole] ? x[j] : lanes[j - whole];
  T best = -INFINITY;
  for (int k = 0; k < LANES; k++) best = lanes[k] > best ? lanes[k] : best;
  return best > LARGEST ? LARGEST : best;
}

// exp((x - shift) * scale) for a possible logit, 0 for an impossible one.
RND_INLINE T NAME(weight)(T x, T shift, T scale) {
  T finite = x > LARGEST ? LARGEST : x;
  T e = TYPED(rnd_exp)((finite - shift) * scale);
  return x > -INFINITY ? e : 0;
}

// MARK: - Log-probabilities

// log of the sum of exp(x - best), where best is the largest logit of a row that has a possible one.
RND_INLINE double NAME(log_sum_above)(const T *restrict x, int64_t n, T best) {
  T lanes[LANES] = {0};
  int64_t whole = n - n % LANES;
  for (int64_t j = 0; j < whole; j += LANES) {
    for (int k = 0; k < LANES; k++) lanes[k] += NAME(weight)(x[j + k], best, 1);
  }
  for (int64_t j = whole; j < n; j++) lanes[j - whole] += NAME(weight)(x[j], best, 1);
  return log((double)NAME(sum_lanes)(lanes));
}

void NAME(rnd_log_normalizers)(rnd_normalization a) {
  const T *x = a.logits.x;
  const int64_t rows = a.logits.rows, V = a.logits.columns, stride = a.logits.stride;
  for (int64_t row = 0; row < rows; row++) {
    T best = NAME(largest_logit)(x + row * stride, V);
    a.normalizer[row] = best > -INFINITY ? (double)best + NAME(log_sum_above)(x + row * stride, V, best) : -INFINITY;
  }
}

// MARK: - Best continuations

// The bound that a logit of this row must exceed to enter the heap. It is rounded down, because candidates are then
// compared exactly.
RND_INLINE T NAME(entry_logit)(const candidates *heap, double base, double normalizer) {
  if (heap->count < heap->limit) return -INFINITY;
  double worst = heap->score[0], logit = worst - base + normalizer;
  double slack = 1e-14 * (fabs(worst) + fabs(base) + fabs(normalizer));
  T rounded = (T)(logit - slack);
  return (double)rounded > logit - slack ? NEXT(rounded, -INFINITY) : rounded;
}

RND_INLINE int NAME(any_above)(const T *restrict x, T bound) {
  int any = 0;
  for (int k = 0; k < LANES; k++) any |= x[k] > bound;
  return any;
}

RND_INLINE T NAME(offer_block)(candidates *heap, const T *restrict x, int64_t first, int64_t n, double base,
                               double normalizer, int32_t row, T bound) {
  for (int64_t j = first; j < first + n; j++) {
    if (!(x[j] > bound)) continue;
    double logit = x[j] > LARGEST ? LARGEST : x[j];
    offer(heap, base + (logit - normalizer), row, (int32_t)j);
    bound = NAME(entry_logit)(heap, base, normalizer);
  }
  return bound;
}

// Almost every block of logits is skipped after one comparison with the worst candidate kept so far.
ptrdiff_t NAME(rnd_best_continuations)(rnd_continuations a) {
  const T *x = a.logits.x;
  const int64_t rows = a.logits.rows, V = a.logits.columns, stride = a.logits.stride;
  const double *base = a.base, *normalizer = a.normalizer;
  candidates heap = {a.score, a.row, a.token, 0, a.limit};
  int64_t whole = V - V % LANES;
  for (int64_t r = 0; r < rows && a.limit > 0; r++) {
    if (!(normalizer[r] > -INFINITY)) continue;
    const T *v = x + r * stride;
    T bound = NAME(entry_logit)(&heap, base[r], normalizer[r]);
    for (int64_t j = 0; j < whole; j += LANES) {
      if (!NAME(any_above)(v + j, bound)) continue;
      bound = NAME(offer_block)(&heap, v, j, LANES, base[r], normalizer[r], (int32_t)r, bound);
    }
    NAME(offer_block)(&heap, v, whole, V - whole, base[r], normalizer[r], (int32_t)r, bound);
  }
  sort_best_first(&heap);
  return heap.count;
}

// MARK: - Sampling

// The sum of the weights that are at least `bound`, or the number of these weights if `counting`.
RND_INLINE T NAME(mass_from)(const T *restrict w, int64_t n, T bound, const int counting) {
  T lanes[LANES] = {0};
  int64_t whole = n - n % LANES;
  for (int64_t j = 0; j < whole; j += LANES) {
    for (int k = 0; k < LANES; k++) lanes[k] += w[j + k] >= bound ? (counting ? 1 : w[j + k]) : 0;
  }
  for (int64_t j = whole; j < n; j++) lanes[j - whole] += w[j] >= bound ? (counting ? 1 : w[j]) : 0;
  return NAME(sum_lanes)(lanes);
}

RND_INLINE T NAME(from_bits)(BITS bits) {
  T value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Copies the weights from `low` to `high` to `part`, without gaps, and returns their number.
RND_INLINE int64_t NAME(between)(const T *restrict w, int64_t n, T low, T high, T *restrict part) {
  enum { GROUP = 16 };
  int64_t count = 0;
  for (int64_t first = 0; first < n; first += GROUP) {
    int64_t end = first + GROUP < n ? first + GROUP : n;
    int any = end < first + GROUP;
    if (!any) {
      for (int k = 0; k < GROUP; k++) any |= (w[first + k] >= low) & (w[first + k] <= high);
    }
    for (int64_t j = first; any && j < end; j++) {
      part[count] = w[j];
      count += (w[j] >= low) & (w[j] <= high);
    }
  }
  return count;
}

// Finds the smallest of the largest weights whose mass reaches `target`, and the mass of the weights above it. `part` is
// scratch memory for n numbers.
//
// The bits of nonnegative numbers have the order of the numbers, so bisection over the bits ends exactly at the weight
// where the mass is reached, without sorting. The largest weight is 1. The first guess leaves sixteen exponents, or all
// lower ones, which hardly ever matter. Once the exponent is known, few weights remain.
RND_INLINE T NAME(smallest_kept)(const T *restrict w, int64_t n, double target, const int counting, T *restrict part,
                                 double *above) {
  enum { COARSE_STEPS = 5, FEW = 256 };
  const T one = 1, guess = (T)0x1p-16;
  BITS low = 0, high;
  memcpy(&high, &one, sizeof high);
  const BITS top = high;
  double left_out = 0;  // The mass of weights above those looked at.
  const T *looked_at = w;
  int64_t count = n;
  for (int step = 0; low < high; step++) {
    if (step == COARSE_STEPS && n > FEW) {
      T lowest = NAME(from_bits)(low), highest = NAME(from_bits)(high);
      left_out = high < top ? (double)NAME(mass_from)(w, n, NAME(from_bits)(high + 1), counting) : 0;
      count = NAME(between)(w, n, lowest, highest, part);
      looked_at = part;
    }
    BITS middle = low + (high - low + 1) / 2;
    if (step == 0) memcpy(&middle, &guess, sizeof middle);
    if (left_out + (double)NAME(mass_from)(looked_at, count, NAME(from_bits)(middle), counting) >= target) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  *above = left_out;
  if (low < top) *above += (double)NAME(mass_from)(looked_at, count, NAME(from_bits)(low + 1), counting);
  return NAME(from_bits)(low);
}

// Zeroes all but the largest weights whose mass reaches `target`; among equal weights, the first ones are kept.
//
// The `count` numbers at `positive` are the weights that are not zero.
RND_INLINE void NAME(keep_largest)(T *w, int64_t n, double target, const int counting,
                                   const T *positive, int64_t count, T *part) {
  double above;
  T last = NAME(smallest_kept)(positive, count, target, counting, part, &above);
  if (!(last > 0)) return;
  double kept = ceil((target - above) / (counting ? 1 : (double)last));
  kept = kept > 1 ? kept : 1;
  double equal = 0;
  for (int64_t j = 0; j < count; j++) equal += positive[j] == last;
  for (int64_t j = 0; j < n; j++) w[j] = w[j] >= last ? w[j] : 0;
  for (int64_t j = 0; j < n && equal > kept; j++) {
    if (w[j] != last) continue;
    if (kept <= 0) w[j] = 0;
    kept -= 1;
  }
}

RND_INLINE double NAME(block_sum)(const T *restrict w, int64_t n) {
  T lanes[LANES] = {0};
  for (int64_t k = 0; k < n; k++) lanes[k] += w[k];
  return (double)NAME(sum_lanes)(lanes);
}

// Inverts the cumulative distribution of the weights, block by block; -1 if all are zero.
RND_INLINE int32_t NAME(draw)(const T *restrict w, int64_t n, double uniform) {
  double total = 0;
  for (int64_t j = 0; j < n; j += LANES) total += NAME(block_sum)(w + j, n - j < LANES ? n - j : LANES);
  double rest = uniform * total;
  int32_t last = -1;
  for (int64_t j = 0; j < n; j += LANES) {
    int64_t length = n - j < LANES ? n - j : LANES;
    double block = NAME(block_sum)(w + j, length);
    if (rest >= block) {
      rest -= block;
      continue;
    }
    for (int64_t k = j; k < j + length; k++) {
      if (!(w[k] > 0)) continue;
      last = (int32_t)k;
      rest -= (double)w[k];
      if (rest < 0) return last;
    }
    // Only rounding leads here: the elements of the block add up to less than its sum.
    rest = 0;
  }
  for (int64_t j = n - 1; j >= 0 && last < 0; j--) last = w[j] > 0 ? (int32_t)j : -1;
  return last;
}

RND_INLINE int32_t NAME(first_largest)(const T *restrict x, int64_t n, T best) {
  for (int64_t j = 0; j < n; j++) {
    if (x[j] >= best) return (int32_t)j;
  }
  return -1;
}

void NAME(rnd_sample_tokens)(rnd_sampling a) {
  const T *x = a.logits.x;
  const int64_t rows = a.logits.rows, V = a.logits.columns, stride = a.logits.stride;
  const T inverse_temperature = (T)a.inverse_temperature;
  const int64_t k = a.k;
  for (int64_t row = 0; row < rows; row++) {
    const T *restrict v = x + row * stride;
    T *w = a.weights;
    T best = NAME(largest_logit)(v, V);
    if (!(best > -INFINITY) || k == 1) {
      a.token[row] = best > -INFINITY ? NAME(first_largest)(v, V, best) : -1;
      continue;
    }
    for (int64_t j = 0; j < V; j++) w[j] = NAME(weight)(v[j], best, inverse_temperature);
    const T *positive = w;
    int64_t count = V;
    if (k < V) {
      NAME(keep_largest)(w, V, (double)k, 1, w, V, w + V);
      count = NAME(between)(w, V, NAME(from_bits)(1), 1, w + 2 * V);
      positive = w + 2 * V;
    }
    if (a.p < 1) {
      double target = a.p * (double)NAME(mass_from)(positive, count, 0, 0);
      NAME(keep_largest)(w, V, target, 0, positive, count, w + V);
    }
    a.token[row] = NAME(draw)(w, V, a.uniform[row]);
  }
}

// MARK: - Mixtures

RND_INLINE T NAME(log_sum)(T a, T b) {
  T high = a > b ? a : b, low = a > b ? b : a;
  T difference = low - high;
  difference = difference == difference ? difference : -INFINITY;  // Both are -inf.
  return high + TYPED(rnd_log1p_unit)(TYPED(rnd_exp)(difference));
}

// y <- log(exp(y) + exp((x - best) + offset)); the difference comes first, so that large logits lose no precision.
RND_INLINE void NAME(mix_row)(const T *restrict x, T *restrict y, int64_t V, T best, T offset, int first) {
  for (int64_t j = 0; j < V; j++) {
    T finite = x[j] > LARGEST ? LARGEST : x[j];
    T p = x[j] > -INFINITY ? (finite - best) + offset : -INFINITY;
    y[j] = first ? p : NAME(log_sum)(y[j], p);
  }
}

void NAME(rnd_mix_log_probabilities)(rnd_mixture a) {
  const T *x = a.logits.x;
  const int64_t rows = a.logits.rows, V = a.logits.columns, stride = a.logits.stride;
  for (int64_t row = 0; row < rows; row++) {
    const T *v = x + row * stride;
    T best = NAME(largest_logit)(v, V);
    T offset = best > -INFINITY ? (T)(a.log_weight - NAME(log_sum_above)(v, V, best)) : 0;
    if (a.is_first) {
      NAME(mix_row)(v, (T *)a.y + row * a.y_stride, V, best, offset, 1);
    } else {
      NAME(mix_row)(v, (T *)a.y + row * a.y_stride, V, best, offset, 0);
    }
  }
}

double NAME(rnd_log_coverage)(rnd_numbers a) {
  const T *x = a.x;
  double sum = 0;
  for (int64_t i = 0; i < a.count; i++) {
    double covered = x[i] > FLT_MIN ? (double)x[i] : FLT_MIN;
    sum += covered < 1 ? log(covered) : 0;
  }
  return sum;
}

#endif
