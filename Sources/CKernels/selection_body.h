// Included once per element type with T, NAME(stem), BITS (an unsigned integer of T's size), LARGEST (the largest finite
// T) and NEXT (nextafter of T) defined. Sums keep LANES partial results in a fixed order: they vectorize, with the same bits at every
// vector width.
#define LANES 64

RND_INLINE T NAME(sum_lanes)(T *lanes) {
  for (int width = LANES / 2; width > 0; width /= 2) {
    for (int k = 0; k < width; k++) lanes[k] += lanes[k + width];
  }
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
  T e = NAME(rnd_exp)((finite - shift) * scale);
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

RND_CLONES void NAME(rnd_log_normalizers)(const T *x, int64_t stride, int64_t rows, int64_t V, double *normalizer) {
  for (int64_t row = 0; row < rows; row++) {
    T best = NAME(largest_logit)(x + row * stride, V);
    normalizer[row] = best > -INFINITY ? (double)best + NAME(log_sum_above)(x + row * stride, V, best) : -INFINITY;
  }
}

// MARK: - Best continuations

// What a logit of this row has to exceed to enter the heap, rounded down: the candidate itself is compared exactly.
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

// Almost every block of logits is passed over after one comparison with the worst candidate kept so far.
RND_CLONES int64_t NAME(rnd_best_continuations)(const T *x, int64_t stride, int64_t rows, int64_t V,
                                                const double *base, const double *normalizer, int64_t limit,
                                                double *score, int32_t *row, int32_t *token) {
  candidates heap = {score, row, token, 0, limit};
  int64_t whole = V - V % LANES;
  for (int64_t r = 0; r < rows && limit > 0; r++) {
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

// MARK: - Draws

// Sum over the weights of at least `bound` of the weights themselves, or of ones if `counting`.
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

// Copies the weights from `low` to `high` one after the other to `part`; returns their number.
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

// The smallest of the largest weights whose mass reaches `target`, and the mass of those above it. `part` is scratch
// memory for n numbers.
//
// The bits of numbers that are not negative are ordered as the numbers are, so bisection over them ends at the weight
// where the mass is reached, exactly and without sorting; the largest weight is 1. The first guess leaves sixteen
// exponents, or all those below, which hardly ever matter; once the exponent is known, a few weights are left to look at.
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

// Zeroes all but the largest weights whose mass reaches `target`; of equal weights the first are kept.
//
// The `count` numbers at `positive` are the weights again, without those that are zero.
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
    // Rounding only: the elements of the block make up less than its sum.
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

RND_CLONES void NAME(rnd_draw_tokens)(const T *x, int64_t stride, int64_t rows, int64_t V, T inverse_temperature,
                                      int64_t k, double p, const double *uniform, T *weights, int32_t *token) {
  for (int64_t row = 0; row < rows; row++) {
    const T *restrict v = x + row * stride;
    T *w = weights;
    T best = NAME(largest_logit)(v, V);
    if (!(best > -INFINITY) || k == 1) {
      token[row] = best > -INFINITY ? NAME(first_largest)(v, V, best) : -1;
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
    if (p < 1) {
      double target = p * (double)NAME(mass_from)(positive, count, 0, 0);
      NAME(keep_largest)(w, V, target, 0, positive, count, w + V);
    }
    token[row] = NAME(draw)(w, V, uniform[row]);
  }
}

// MARK: - Mixtures

RND_INLINE T NAME(log_sum)(T a, T b) {
  T high = a > b ? a : b, low = a > b ? b : a;
  T difference = low - high;
  difference = difference == difference ? difference : -INFINITY;  // Both are -inf.
  return high + NAME(rnd_log1p_unit)(NAME(rnd_exp)(difference));
}

// y <- log(exp(y) + exp((x - best) + offset)); the difference comes first, so that large logits lose nothing.
RND_INLINE void NAME(mix_row)(const T *restrict x, T *restrict y, int64_t V, T best, T offset, int first) {
  for (int64_t j = 0; j < V; j++) {
    T finite = x[j] > LARGEST ? LARGEST : x[j];
    T p = x[j] > -INFINITY ? (finite - best) + offset : -INFINITY;
    y[j] = first ? p : NAME(log_sum)(y[j], p);
  }
}

RND_CLONES void NAME(rnd_mix_log_probabilities)(const T *x, int64_t xstride, int64_t rows, int64_t V,
                                                double log_weight, T *y, int64_t ystride, int first) {
  for (int64_t row = 0; row < rows; row++) {
    const T *v = x + row * xstride;
    T best = NAME(largest_logit)(v, V);
    T offset = best > -INFINITY ? (T)(log_weight - NAME(log_sum_above)(v, V, best)) : 0;
    if (first) {
      NAME(mix_row)(v, y + row * ystride, V, best, offset, 1);
    } else {
      NAME(mix_row)(v, y + row * ystride, V, best, offset, 0);
    }
  }
}

double NAME(rnd_log_coverage)(const T *c, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    double covered = c[i] > FLT_MIN ? (double)c[i] : FLT_MIN;
    sum += covered < 1 ? log(covered) : 0;
  }
  return sum;
}

#undef LANES
