// A tile of C in registers, included once for each instruction set with these defined:
// TILE(stem), TARGET (an attribute), VECTOR (a vector of WIDTH floats), ROW (what a load of B gives), SPAN_VECTORS (those of
// a panel), PANELS_OF_ONE_ROW (see rnd_tile_block), MULTIPLY_ADD(sum, word, row), WORD (what a broadcast of A is made of),
// STEP_WORDS (of a panel), LOAD(words, v) (the vth vector of a step of a panel), and if there is one TAIL (a tile for at most
// RND_TAIL_COLUMNS columns). TILE, STEP_WORDS and LOAD are undefined again at its end.
//
// Row count and form of A are compile-time constants in every expansion, so the loops over rows and vectors unroll
// completely and the sums never leave their registers.
#define SPAN (SPAN_VECTORS * WIDTH)
#define MOST_VECTORS (PANELS_OF_ONE_ROW * SPAN_VECTORS)
#define UNROLL _Pragma("clang loop unroll(full)")

// VECTORS: the vectors of one panel; PANELS: the number of neighboring panels.
RND_INLINE TARGET void TILE(rnd_span)(const int ROWS, const int PANELS, const int VECTORS, const int STRIP,
                                      const rnd_tile_block *t) {
  const WORD *a = t->a;
  const uint32_t *b = t->b;
  VECTOR sum[RND_TILE_ROWS][MOST_VECTORS];
  UNROLL for (int r = 0; r < ROWS; r++) {
    UNROLL for (int v = 0; v < PANELS * VECTORS; v++) {
      sum[r][v] = (VECTOR){0};
      // C comes from a lower cache level, so it is prefetched while the products are computed.
      __builtin_prefetch(t->c + r * t->c_stride + v * WIDTH, 1);
    }
  }
  const int64_t steps = t->steps, a_stride = t->a_stride, panel_words = t->panel_words;
  for (int64_t k = 0; k < steps; k++) {
    // Into the second-level cache. With few rows, the additional loads would cost more than they save.
    if (WIDTH < 16 && ROWS > 3) __builtin_prefetch((const char *)t->ahead + k * t->ahead_bytes, 0, 2);
    ROW row[MOST_VECTORS];
    UNROLL for (int v = 0; v < PANELS * VECTORS; v++) {
      row[v] = LOAD(b + v / VECTORS * panel_words + k * STEP_WORDS, v % VECTORS);
    }
    UNROLL for (int r = 0; r < ROWS; r++) {
      WORD word = STRIP ? a[k * ROWS + r] : a[r * a_stride + k];
      UNROLL for (int v = 0; v < PANELS * VECTORS; v++) sum[r][v] = MULTIPLY_ADD(sum[r][v], word, row[v]);
    }
  }
  const int whole = (int)(t->columns / WIDTH), rest = (int)(t->columns % WIDTH), accumulate = t->accumulate;
  UNROLL for (int r = 0; r < ROWS; r++) {
    UNROLL for (int v = 0; v < PANELS * VECTORS; v++) {
      float *target = t->c + r * t->c_stride + v * WIDTH;
      if (v < whole) {
        *(VECTOR *)target = accumulate ? *(VECTOR *)target + sum[r][v] : sum[r][v];
      } else {
        for (int n = 0; n < rest; n++) target[n] = accumulate ? target[n] + sum[r][v][n] : sum[r][v][n];
      }
    }
  }
}

// Expands all row counts and both forms of A for spans of a number of vectors.
#define CASE(ROWS, VECTORS)                                 \
  case ROWS:                                                \
    if (t->strip) TILE(rnd_span)(ROWS, 1, VECTORS, 1, t);   \
    else TILE(rnd_span)(ROWS, 1, VECTORS, 0, t);            \
    return;
#define DEFINE_SPANS(VECTORS)                                                       \
  TARGET static void TILE(rnd_spans##VECTORS)(const rnd_tile_block *t) {            \
    switch (t->rows) {                                                              \
      CASE(1, VECTORS) CASE(2, VECTORS) CASE(3, VECTORS)                            \
      CASE(4, VECTORS) CASE(5, VECTORS) CASE(6, VECTORS)                            \
    }                                                                               \
  }
DEFINE_SPANS(1)
DEFINE_SPANS(2)
#if SPAN_VECTORS == 4
DEFINE_SPANS(3)
DEFINE_SPANS(4)
#endif
#undef CASE
#undef DEFINE_SPANS

TARGET void TILE(rnd_tile)(const rnd_tile_block *t) {
#if PANELS_OF_ONE_ROW > 1
  if (t->columns > SPAN) {
    // A strip of one row is an ordinary row.
    if (t->rows == 1) TILE(rnd_span)(1, PANELS_OF_ONE_ROW, SPAN_VECTORS, 0, t);
    else if (t->strip) TILE(rnd_span)(2, PANELS_OF_ONE_ROW / 2, SPAN_VECTORS, 1, t);
    else TILE(rnd_span)(2, PANELS_OF_ONE_ROW / 2, SPAN_VECTORS, 0, t);
    return;
  }
#endif
#ifdef TAIL
  if (t->columns <= RND_TAIL_COLUMNS) {
    TAIL(t);
    return;
  }
#endif
  // Computes the last columns of C with only as many vectors as they need.
  switch ((t->columns + WIDTH - 1) / WIDTH) {
    case 1: TILE(rnd_spans1)(t); break;
    case 2: TILE(rnd_spans2)(t); break;
#if SPAN_VECTORS == 4
    case 3: TILE(rnd_spans3)(t); break;
    case 4: TILE(rnd_spans4)(t); break;
#endif
  }
}

#undef SPAN
#undef MOST_VECTORS
#undef UNROLL
#undef TILE
#undef STEP_WORDS
#undef LOAD
