// A tile of C in registers, included once for each instruction set with these defined:
// TILE(stem), TARGET (an attribute), VECTOR (a vector of WIDTH floats), ROW (what a load of B gives), SPAN_VECTORS,
// MULTIPLY_ADD(sum, word, row), WORD (what a broadcast of A is made of).
//
// Row count and form of A are compile-time constants in every expansion, so that the loops over rows and vectors unroll
// completely and the sums never leave their registers.
#define SPAN (SPAN_VECTORS * WIDTH)
#define UNROLL _Pragma("clang loop unroll(full)")

RND_INLINE TARGET void TILE(rnd_span)(const int ROWS, const int VECTORS, const int STRIP, int64_t steps, const WORD *a,
                                      int64_t a_stride, const WORD *b, float *c, int64_t c_stride, int64_t columns,
                                      int accumulate) {
  VECTOR sum[RND_TILE_ROWS][SPAN_VECTORS];
  UNROLL for (int r = 0; r < ROWS; r++) {
    UNROLL for (int v = 0; v < VECTORS; v++) {
      sum[r][v] = (VECTOR){0};
      // C comes from a lower cache level: it is on its way while the products are computed.
      __builtin_prefetch(c + r * c_stride + v * WIDTH, 1);
    }
  }
  for (int64_t k = 0; k < steps; k++) {
    ROW row[SPAN_VECTORS];
    UNROLL for (int v = 0; v < VECTORS; v++) row[v] = *(const ROW *)(b + k * SPAN + v * WIDTH);
    UNROLL for (int r = 0; r < ROWS; r++) {
      WORD word = STRIP ? a[k * ROWS + r] : a[r * a_stride + k];
      UNROLL for (int v = 0; v < VECTORS; v++) sum[r][v] = MULTIPLY_ADD(sum[r][v], word, row[v]);
    }
  }
  const int whole = (int)(columns / WIDTH), rest = (int)(columns % WIDTH);
  UNROLL for (int r = 0; r < ROWS; r++) {
    UNROLL for (int v = 0; v < VECTORS; v++) {
      float *target = c + r * c_stride + v * WIDTH;
      if (v < whole) {
        *(VECTOR *)target = accumulate ? *(VECTOR *)target + sum[r][v] : sum[r][v];
      } else {
        for (int n = 0; n < rest; n++) target[n] = accumulate ? target[n] + sum[r][v][n] : sum[r][v][n];
      }
    }
  }
}

// All row counts and both forms of A for spans of a number of vectors.
#define CASE(ROWS, VECTORS, STRIP)                                                                          \
  case 2 * ROWS + STRIP:                                                                                    \
    TILE(rnd_span)(ROWS, VECTORS, STRIP, steps, a, a_stride, b, c, c_stride, columns, accumulate); \
    return;
#define CASES(ROWS, VECTORS) CASE(ROWS, VECTORS, 0) CASE(ROWS, VECTORS, 1)
#define DEFINE_SPANS(VECTORS)                                                                                       \
  TARGET static void TILE(rnd_spans##VECTORS)(int rows, int strip, int64_t steps, const WORD *a, int64_t a_stride,  \
                                              const WORD *b, float *c, int64_t c_stride, int64_t columns,           \
                                              int accumulate) {                                                     \
    switch (2 * rows + (strip != 0)) {                                                                              \
      CASES(1, VECTORS) CASES(2, VECTORS) CASES(3, VECTORS) CASES(4, VECTORS) CASES(5, VECTORS) CASES(6, VECTORS)   \
    }                                                                                                               \
  }
DEFINE_SPANS(1)
DEFINE_SPANS(2)
#if SPAN_VECTORS == 4
DEFINE_SPANS(3)
DEFINE_SPANS(4)
#endif
#undef CASE
#undef CASES
#undef DEFINE_SPANS

TARGET void TILE(rnd_tile)(int rows, int strip, int64_t steps, const void *a, int64_t a_stride, const void *b, float *c,
                           int64_t c_stride, int64_t columns, int accumulate) {
#define SPANS(VECTORS)                                                                                \
  case VECTORS:                                                                                       \
    TILE(rnd_spans##VECTORS)(rows, strip, steps, a, a_stride, b, c, c_stride, columns, accumulate);   \
    break;
  // The last columns of C in no more vectors than they take.
  switch ((columns + WIDTH - 1) / WIDTH) {
    SPANS(1)
    SPANS(2)
#if SPAN_VECTORS == 4
    SPANS(3)
    SPANS(4)
#endif
  }
#undef SPANS
}

#undef SPAN
#undef UNROLL
