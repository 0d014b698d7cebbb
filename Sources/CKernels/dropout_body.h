// One body for both element types: random.c includes this file once for each, having defined T and
// NAME(base). No include guard: on purpose.

// y = x m for one chunk of a row. In place is a loop of its own, because two pointers that may be the same
// keep the compiler from vectorising. The product with 0 is meant, instead of the constant 0: a NaN has to
// reach the check that makes all ranks skip the step.
RND_INLINE void NAME(dropout_chunk)(T *y, const T *x, const uint16_t *bits, int64_t length, uint16_t limit,
                                    T scale) {
  if (y == x) {
    for (int64_t j = 0; j < length; j++) y[j] *= bits[j] >= limit ? scale : 0;
  } else {
    for (int64_t j = 0; j < length; j++) y[j] = x[j] * (bits[j] >= limit ? scale : 0);
  }
}

RND_CLONES static void NAME(dropout_masked)(T *y, int64_t y_stride, const T *x, int64_t x_stride,
                                            int64_t rows, int64_t units, const uint32_t *sample,
                                            const uint32_t *time, uint64_t key, uint32_t threshold) {
  const T scale = (T)(65536.0 / (65536.0 - threshold));
  const uint16_t limit = (uint16_t)threshold;
  uint16_t bits[CHUNK];
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t start = 0; start < units; start += CHUNK) {
      const int64_t length = units - start < CHUNK ? units - start : CHUNK;
      dropout_bits(bits, (length + GROUP - 1) / GROUP, (uint32_t)(start / GROUP * LANES), time ? time[r] : 0,
                   sample[r], (uint32_t)key, (uint32_t)(key >> 32));
      NAME(dropout_chunk)(y + r * y_stride + start, x + r * x_stride + start, bits, length, limit, scale);
    }
  }
}

void NAME(rnd_dropout_rows_to)(T *y, int64_t y_stride, const T *x, int64_t x_stride, int64_t rows,
                               int64_t units, const uint32_t *sample, const uint32_t *time, uint32_t stream,
                               uint32_t step_lo, uint32_t step_hi, uint64_t seed, double rate) {
  const uint32_t threshold = dropout_threshold(rate);
  if (threshold == 0) {
    if (y == x) return;
    for (int64_t r = 0; r < rows; r++) {
      memcpy(y + r * y_stride, x + r * x_stride, (size_t)units * sizeof(T));
    }
    return;
  }
  const uint64_t step = (uint64_t)step_hi << 32 | step_lo;
  const uint64_t key = rnd_derive_key(seed, step, RND_PURPOSE_DROPOUT, stream);
  NAME(dropout_masked)(y, y_stride, x, x_stride, rows, units, sample, time, key, threshold);
}

void NAME(rnd_dropout_rows)(T *x, int64_t stride, int64_t rows, int64_t units, const uint32_t *sample,
                            const uint32_t *time, uint32_t stream, uint32_t step_lo, uint32_t step_hi,
                            uint64_t seed, double rate) {
  NAME(rnd_dropout_rows_to)
  (x, stride, x, stride, rows, units, sample, time, stream, step_lo, step_hi, seed, rate);
}
