// Included once per element type with T and NAME(stem) defined. Reductions keep sixteen partial results in a fixed
// order, which lets them vectorize and gives the same bits at every vector width.
#define LANES 16

RND_INLINE T NAME(rnd_row_maximum)(const T *restrict x, int64_t n) {
  T lanes[LANES];
  for (int k = 0; k < LANES; k++) lanes[k] = x[0];
  int64_t whole = n - n % LANES;
  for (int64_t j = 0; j < whole; j += LANES) {
    for (int k = 0; k < LANES; k++) lanes[k] = x[j + k] > lanes[k] ? x[j + k] : lanes[k];
  }
  T best = lanes[0];
  for (int k = 1; k < LANES; k++) best = lanes[k] > best ? lanes[k] : best;
  for (int64_t j = whole; j < n; j++) best = x[j] > best ? x[j] : best;
  return best;
}

// x = exp((x - shift) * scale); returns the sum.
RND_INLINE T NAME(rnd_row_exp_sum)(T *restrict x, int64_t n, T shift, T scale) {
  T lanes[LANES] = {0};
  int64_t whole = n - n % LANES;
  for (int64_t j = 0; j < whole; j += LANES) {
    for (int k = 0; k < LANES; k++) {
      T e = NAME(rnd_exp)((x[j + k] - shift) * scale);
      x[j + k] = e;
      lanes[k] += e;
    }
  }
  for (int64_t j = whole; j < n; j++) {
    x[j] = NAME(rnd_exp)((x[j] - shift) * scale);
    lanes[j - whole] += x[j];
  }
  for (int width = LANES / 2; width > 0; width /= 2) {
    for (int k = 0; k < width; k++) lanes[k] += lanes[k + width];
  }
  return lanes[0];
}

RND_INLINE void NAME(add_bias)(T *restrict x, const T *restrict bias, int64_t n) {
  for (int64_t j = 0; j < n; j++) x[j] += bias[j];
}

RND_INLINE void NAME(scale_and_shift)(T *restrict x, T scale, T shift, int64_t n) {
  for (int64_t j = 0; j < n; j++) x[j] = x[j] * scale + shift;
}

RND_CLONES void NAME(rnd_softmax_rows)(T *x, int64_t stride, const T *bias, int64_t rows, int64_t columns,
                                       T temperature) {
  for (int64_t row = 0; row < rows; row++) {
    T *v = x + row * stride;
    if (bias) NAME(add_bias)(v, bias, columns);
    T sum = NAME(rnd_row_exp_sum)(v, columns, NAME(rnd_row_maximum)(v, columns), 1 / temperature);
    NAME(scale_and_shift)(v, 1 / sum, 0, columns);
  }
}

RND_CLONES void NAME(rnd_shift_rows)(T *x, int64_t stride, const double *shift, int64_t rows, int64_t columns) {
  for (int64_t row = 0; row < rows; row++) NAME(scale_and_shift)(x + row * stride, 1, (T)shift[row], columns);
}

RND_INLINE void NAME(softmax_backward_row)(const T *restrict y, T *restrict d, int64_t n) {
  T dot = 0;
  for (int64_t j = 0; j < n; j++) dot += y[j] * d[j];
  for (int64_t j = 0; j < n; j++) d[j] = y[j] * (d[j] - dot);
}

RND_CLONES void NAME(rnd_softmax_backward)(const T *y, int64_t ystride, T *dy, int64_t dstride, int64_t rows,
                                           int64_t columns) {
  for (int64_t row = 0; row < rows; row++) {
    NAME(softmax_backward_row)(y + row * ystride, dy + row * dstride, columns);
  }
}

// One row: returns -sum over v of q[v] log p[v] for the smoothed target distribution q.
RND_INLINE double NAME(cross_entropy_row)(T *restrict v, int64_t V, int64_t correct, T smoothing, int with_gradient) {
  T maximum = NAME(rnd_row_maximum)(v, V);
  T correct_logit = v[correct];
  double mean_logit = 0;
  if (smoothing > 0) {
    for (int64_t j = 0; j < V; j++) mean_logit += v[j];
    mean_logit /= (double)V;
  }
  T sum = NAME(rnd_row_exp_sum)(v, V, maximum, 1);
  double log_normalizer = log((double)sum) + (double)maximum;
  if (with_gradient) {
    NAME(scale_and_shift)(v, 1 / sum, -smoothing / (T)V, V);
    v[correct] -= 1 - smoothing;
  }
  return log_normalizer - (1 - (double)smoothing) * (double)correct_logit - (double)smoothing * mean_logit;
}

RND_CLONES double NAME(rnd_softmax_cross_entropy)(T *logits, int64_t stride, const T *bias, const int32_t *target,
                                                  int64_t rows, int64_t V, T smoothing, int with_gradient) {
  double total = 0;
  for (int64_t row = 0; row < rows; row++) {
    T *v = logits + row * stride;
    if (target[row] < 0) {
      if (with_gradient) memset(v, 0, (size_t)V * sizeof(T));
      continue;
    }
    if (bias) NAME(add_bias)(v, bias, V);
    total += NAME(cross_entropy_row)(v, V, target[row], smoothing, with_gradient);
  }
  return total;
}

#undef LANES
