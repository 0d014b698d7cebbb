// Included once per element type with T and NAME(stem) defined.

RND_INLINE T NAME(largest)(const T *restrict x, int64_t n) {
  T best = x[0];
  for (int64_t j = 1; j < n; j++) best = x[j] > best ? x[j] : best;
  return best;
}

RND_INLINE int64_t NAME(first_equal)(const T *x, int64_t n, T value) {
  for (int64_t j = 0; j < n; j++) {
    if (x[j] == value) return j;
  }
  return 0;  // Every comparison with a NaN is false.
}

// Two passes over the exponentials, so that scores can stay as they are.
RND_INLINE int64_t NAME(draw)(const T *x, int64_t n, T best, double uniform) {
  double sum = 0;
  for (int64_t j = 0; j < n; j++) sum += (double)NAME(rnd_exp)(x[j] - best);
  double rest = uniform * sum;
  for (int64_t j = 0; j < n; j++) {
    rest -= (double)NAME(rnd_exp)(x[j] - best);
    if (rest < 0) return j;
  }
  return NAME(first_equal)(x, n, best);
}

RND_CLONES void NAME(rnd_choose_rows)(const T *scores, int64_t stride, int64_t rows, int64_t columns,
                                      const T *uniform, int32_t *chosen) {
  for (int64_t row = 0; row < rows; row++) {
    const T *x = scores + row * stride;
    const T best = NAME(largest)(x, columns);
    chosen[row] = (int32_t)(uniform ? NAME(draw)(x, columns, best, (double)uniform[row])
                                    : NAME(first_equal)(x, columns, best));
  }
}
