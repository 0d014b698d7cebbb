// Converts operands to the words that the tiles read. Plain C for every processor: the compiler turns the loops into
// vector code.
#ifndef NAME  // The functions of every instruction set are compiled from this file, see every_set.h.
#include <string.h>

#include "product_tiles.h"

// The 16 bits of the nearest bfloat16, ties to even.
RND_INLINE uint32_t bfloat16_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
  // Rounding up could turn a NaN into an infinity, so a NaN is kept as a quiet NaN.
  return (bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40 : rounded;
}

RND_INLINE int64_t steps_of(rnd_words kind, int64_t depth) {
  return kind == rnd_paired_words ? (depth + 1) / 2 : depth;
}

// Packs `count` words of one step, whose values are adjacent across the depth. `second` is the row of the next depth, for
// pairs; null after the last depth if the number of depths is odd.
RND_INLINE void words_across(rnd_words kind, const float *restrict first, const float *restrict second, int64_t count,
                             uint32_t *restrict words) {
  switch (kind) {
    case rnd_plain_words: {
      // Copies pieces of known size, because a call of memcpy would cost more than the copy.
      int64_t i = 0;
      for (; i + 16 <= count; i += 16) memcpy(words + i, first + i, 16 * sizeof *words);
      memcpy(words + i, first + i, (size_t)(count - i) * sizeof *words);
      break;
    }
    case rnd_rounded_words:
      for (int64_t i = 0; i < count; i++) words[i] = bfloat16_bits(first[i]) << 16;
      break;
    case rnd_paired_words:
      if (second) {
        for (int64_t i = 0; i < count; i++) words[i] = bfloat16_bits(first[i]) | bfloat16_bits(second[i]) << 16;
      } else {
        for (int64_t i = 0; i < count; i++) words[i] = bfloat16_bits(first[i]);
      }
      break;
    case rnd_halved_words: break;  // of panels only, see halve
  }
}

// Packs the words of `depth` values that are adjacent along the depth.
RND_INLINE void words_along(rnd_words kind, const float *restrict source, int64_t depth, uint32_t *restrict words) {
  if (kind != rnd_paired_words) {
    words_across(kind, source, 0, depth, words);
    return;
  }
  int64_t pairs = depth / 2;
  for (int64_t k = 0; k < pairs; k++) {
    words[k] = bfloat16_bits(source[2 * k]) | bfloat16_bits(source[2 * k + 1]) << 16;
  }
  if (depth % 2) words[pairs] = bfloat16_bits(source[depth - 1]);
}

// Packs a step of a narrow panel as rnd_halved_words; columns from `count` on are zero.
RND_INLINE void halve(const float *restrict row, int64_t count, uint32_t *restrict words) {
  enum { HALF = RND_NARROW_PANEL / 2 };
  float all[RND_NARROW_PANEL] = {0};
  memcpy(all, row, (size_t)(count < RND_NARROW_PANEL ? count : RND_NARROW_PANEL) * sizeof *all);
  for (int i = 0; i < HALF; i++) words[i] = bfloat16_bits(all[i]) | bfloat16_bits(all[i + HALF]) << 16;
}

typedef uint32_t words16 __attribute__((vector_size(64)));
typedef uint32_t words8 __attribute__((vector_size(32)));

// out[j] = column j of the 16 x 16 words `in`: four rounds, each of which halves the distance between the rows that it
// interleaves.
RND_INLINE void transpose16(words16 block[16]) {
  words16 next[16];
#define ROUND(from, to)                                                                                              \
  for (int i = 0; i < 8; i++) {                                                                                      \
    to[2 * i] = __builtin_shufflevector(from[i], from[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23); \
    to[2 * i + 1] = __builtin_shufflevector(from[i], from[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14,  \
                                            30, 15, 31);                                                             \
  }
  ROUND(block, next)
  ROUND(next, block)
  ROUND(block, next)
  ROUND(next, block)
#undef ROUND
}

// The same for 8 x 8 words, by the shuffles of 32 bytes that AVX2 has: within halves first, then across them.
RND_INLINE void transpose8(words8 x[8]) {
  words8 y[8];
  for (int i = 0; i < 8; i += 2) {
    y[i] = __builtin_shufflevector(x[i], x[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    y[i + 1] = __builtin_shufflevector(x[i], x[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; j++) {
      x[i + 2 * j] = __builtin_shufflevector(y[i + j], y[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      x[i + 2 * j + 1] = __builtin_shufflevector(y[i + j], y[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  }
  for (int i = 0; i < 4; i++) {
    y[i] = __builtin_shufflevector(x[i], x[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    y[i + 4] = __builtin_shufflevector(x[i], x[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
  for (int i = 0; i < 8; i++) x[i] = y[i];
}

// transpose16 for sets without vectors of 64 bytes, where it would not fit the registers.
RND_INLINE void transpose16_by_8(words16 block[16]) {
  words8 quarter[4][8];
  for (int q = 0; q < 4; q++) {
    for (int i = 0; i < 8; i++) memcpy(&quarter[q][i], (const words8 *)&block[q / 2 * 8 + i] + q % 2, sizeof(words8));
    transpose8(quarter[q]);
  }
  for (int q = 0; q < 4; q++) {
    for (int i = 0; i < 8; i++) memcpy((words8 *)&block[q % 2 * 8 + i] + q / 2, &quarter[q][i], sizeof(words8));
  }
}

// Rows of an operand are a page or more apart, so the hardware prefetcher does not follow them.
enum { ROWS_AHEAD = 8 };

RND_INLINE void prefetch_row(const float *row, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) __builtin_prefetch(row + i);
}

// `panels.columns` is a constant in every expansion, so that the copies have a known size.
RND_INLINE void panels_from_rows(rnd_words kind, const float *source, int64_t along, int64_t depth, int64_t count,
                                 int64_t width, rnd_panels panels) {
  const int64_t each = kind == rnd_paired_words ? 2 : 1, P = panels.columns;
  const int64_t step_words = kind == rnd_halved_words ? P / 2 : P;
  for (int64_t k = 0; k < depth; k += each) {
    const float *row = source + k * along;
    const float *second = k + 1 < depth ? row + along : 0;
    if (k + ROWS_AHEAD + 1 < depth) {
      for (int64_t i = 0; i < each; i++) prefetch_row(row + (ROWS_AHEAD + i) * along, count);
    }
    uint32_t *words = panels.words + k / each * step_words;
    for (int64_t n = 0; n < width; n += P, words += panels.distance) {
      const float *next = second ? second + n : 0;
      if (kind == rnd_halved_words) {
        halve(row + n, count > n ? count - n : 0, words);
      } else if (count - n >= P) {
        words_across(kind, row + n, next, P, words);
      } else {
        const int64_t present = count > n ? count - n : 0, all = width - n < P ? width - n : P;
        words_across(kind, row + n, next, present, words);
        memset(words + present, 0, (size_t)(all - present) * sizeof *words);
      }
    }
  }
}

RND_INLINE void panels_from_columns(rnd_words kind, const float *source, int64_t across, int64_t depth, int64_t count,
                                    int64_t width, rnd_panels panels) {
  enum { SIDE = RND_PANEL_UNIT };
  const int64_t span = kind == rnd_paired_words ? 2 * SIDE : SIDE, P = panels.columns;
  const int64_t step_words = kind == rnd_halved_words ? P / 2 : P;
  const rnd_words row_kind = kind == rnd_halved_words ? rnd_rounded_words : kind;
  const int64_t steps = steps_of(kind, depth);
  for (int64_t n = 0; n < width; n += SIDE) {
    for (int64_t k = 0; k < depth; k += span) {
      words16 block[SIDE];
      const float *corner = source + n * across + k;
      if (depth - k >= span && n + SIDE <= count) {
        for (int64_t i = 0; i < SIDE; i++) {
          __builtin_prefetch(corner + (SIDE + i) * across);
          words_along(row_kind, corner + i * across, span, (uint32_t *)&block[i]);
        }
      } else {
        memset(block, 0, sizeof block);
        const int64_t length = depth - k < span ? depth - k : span;
        for (int64_t i = 0; i < SIDE && n + i < count; i++) {
          words_along(row_kind, corner + i * across, length, (uint32_t *)&block[i]);
        }
      }
      if (P == RND_NARROW_PANEL) transpose16_by_8(block);
      else transpose16(block);
      const int64_t first = k / span * SIDE;
      uint32_t *target = panels.words + n / P * panels.distance + first * step_words + n % P;
      const int64_t rows = steps - first < SIDE ? steps - first : SIDE;
      for (int64_t i = 0; i < rows; i++) {
        if (kind == rnd_halved_words) {
          const uint32_t *step = (const uint32_t *)&block[i];
          for (int j = 0; j < SIDE / 2; j++) target[i * step_words + j] = step[j] >> 16 | step[j + SIDE / 2];
        } else {
          memcpy(target + i * step_words, &block[i], sizeof block[i]);
        }
      }
    }
  }
}

RND_INLINE void strips(rnd_words kind, const float *source, int64_t along, int64_t depth, int64_t count, int64_t strips,
                       uint32_t *words) {
  // Words moved at a time, of which a strip's row keeps the first, and depth steps from which all strips take their rows
  // together, so that every row of the source is read once, from one end to the other.
  enum { COPIED = 8, TOGETHER = 8 };
  const int64_t each = kind == rnd_paired_words ? 2 : 1;
  const int64_t steps = steps_of(kind, depth);
  uint32_t converted[TOGETHER][RND_BLOCK_ROWS];
  int begin[RND_BLOCK_ROWS + 1];
  for (int64_t s = 0; s <= strips; s++) begin[s] = (int)rnd_strip_begin(s, count, strips);
  for (int64_t k = 0; k < steps; k += TOGETHER) {
    const int64_t these = steps - k < TOGETHER ? steps - k : TOGETHER;
    const uint32_t *line[TOGETHER];
    for (int64_t i = 0; i < these; i++) {
      const int64_t first = (k + i) * each;
      const float *row = source + first * along;
      for (int64_t j = ROWS_AHEAD * each; j < (ROWS_AHEAD + 1) * each && first + j < depth; j++) {
        prefetch_row(row + j * along, count);
      }
      line[i] = kind == rnd_plain_words ? (const uint32_t *)row : converted[i];
      if (kind != rnd_plain_words) words_across(kind, row, first + 1 < depth ? row + along : 0, count, converted[i]);
    }
    // A vector writes beyond the row of its strip; the next depths overwrite these words.
    const int has_room = k + TOGETHER + COPIED <= steps;
    for (int64_t s = 0; s < strips; s++) {
      const int64_t from = begin[s], height = begin[s + 1] - from;
      uint32_t *target = words + from * steps + k * height;
      if (has_room && from + COPIED <= count) {
        for (int i = 0; i < TOGETHER; i++) memcpy(target + i * height, line[i] + from, COPIED * sizeof *words);
      } else {
        for (int64_t i = 0; i < these; i++) {
          for (int64_t r = 0; r < height; r++) target[i * height + r] = line[i][from + r];
        }
      }
    }
  }
}

// The kind is a constant in each expansion, because a switch inside the loops would prevent vectorization.
#define FOR_KIND(kind, call)                                   \
  switch (kind) {                                              \
    case rnd_plain_words: call(rnd_plain_words); break;        \
    case rnd_rounded_words: call(rnd_rounded_words); break;    \
    case rnd_paired_words: call(rnd_paired_words); break;      \
    case rnd_halved_words: call(rnd_halved_words); break;      \
  }

#define SUFFIX
#define BODY "product_packing.c"
#include "every_set.h"
#else

void NAME(rnd_pack_panels)(rnd_words kind, const float *source, int64_t along, int64_t across, int64_t depth,
                           int64_t count, int64_t width, rnd_panels panels) {
  const rnd_panels wide = {panels.words, RND_WIDE_PANEL, panels.distance};
  const rnd_panels narrow = {panels.words, RND_NARROW_PANEL, panels.distance};
  const int is_wide = panels.columns == RND_WIDE_PANEL;
#define CALL(KIND)                                                                                     \
  do {                                                                                                 \
    if (across == 1 && is_wide) panels_from_rows(KIND, source, along, depth, count, width, wide);      \
    else if (across == 1) panels_from_rows(KIND, source, along, depth, count, width, narrow);          \
    else if (is_wide) panels_from_columns(KIND, source, across, depth, count, width, wide);            \
    else panels_from_columns(KIND, source, across, depth, count, width, narrow);                       \
  } while (0)
  FOR_KIND(kind, CALL)
#undef CALL
}

void NAME(rnd_pack_rows)(rnd_words kind, const float *source, int64_t stride, int64_t depth, int64_t count,
                         uint32_t *rows) {
#define CALL(KIND) \
  for (int64_t i = 0; i < count; i++) words_along(KIND, source + i * stride, depth, rows + i * steps_of(KIND, depth))
  FOR_KIND(kind, CALL)
#undef CALL
}

void NAME(rnd_pack_strips)(rnd_words kind, const float *source, int64_t along, int64_t depth, int64_t count,
                           int64_t strip_count, uint32_t *words) {
#define CALL(KIND) strips(KIND, source, along, depth, count, strip_count, words)
  FOR_KIND(kind, CALL)
#undef CALL
}

#endif
