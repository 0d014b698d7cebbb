// The tile functions of the instruction sets, and the sizes that the blocking code shares with them.
#ifndef PRODUCT_TILES_H
#define PRODUCT_TILES_H
#include "kernel_support.h"
#include "product_kernels.h"

enum {
  // The number of columns of a panel of B, and of a tile, so that a tile reads a panel from one end to the other. A tile
  // that reads 64 bytes of every 256 uses only a quarter of the sets of the first-level cache.
  RND_WIDE_PANEL = 64,    // AVX-512
  RND_NARROW_PANEL = 16,  // all others
  RND_TILE_ROWS = 6,      // most rows of a tile of C
  // The number of depth steps that a tile sums in registers. A strip of A, and with narrow panels the panel too, then
  // stays in the first-level cache. They determine the order of the sums and therefore their last bits, so they are
  // constants and do not depend on the caches of the processor.
  RND_WIDE_STEPS = 768,
  RND_NARROW_STEPS = 384,
  RND_BLOCK_ROWS = 240,  // most rows of a block of A
  RND_MOST_STRIPS = RND_BLOCK_ROWS / RND_TILE_ROWS
};

// c [rows, columns] (+)= A B over `steps` depth steps, rows <= RND_TILE_ROWS. The columns are those of one panel or fewer.
// With AVX2, a tile of one row takes RND_AVX2_PANELS_OF_ONE_ROW whole panels, and a tile of two rows takes half of that.
// The sums of a single panel would be too few to hide the latency of the multiply-add units.
typedef struct {
  int rows;
  int strip;       // whether A is a strip
  int accumulate;  // whether c is added to
  int64_t steps;
  const void *a;  // words, row r at step k at a[r * a_stride + k]; of a strip at a[k * rows + r]
  int64_t a_stride;
  const void *b;        // words of a panel, see rnd_words
  int64_t panel_words;  // between two panels
  // Prefetched by a tile of a narrow panel with more than three rows: `ahead_bytes` per step from `ahead` on, a part of the next
  // panel. The first tile of a panel would otherwise wait for the third-level cache in every step.
  const void *ahead;
  int64_t ahead_bytes;
  float *c;
  int64_t c_stride;
  int64_t columns;
} rnd_tile_block;
typedef void rnd_tile(const rnd_tile_block *t);

#define RND_AVX2_PANELS_OF_ONE_ROW 4
#define RND_TAIL_COLUMNS 8

rnd_tile rnd_tile_portable, rnd_tile_portable_bf16;
#if RND_HAS_X86_SETS
rnd_tile rnd_tile_avx2, rnd_tile_avx2_bf16, rnd_tile_avx512, rnd_tile_avx512_bf16;
rnd_tile rnd_tile_avx512_tail;  // of at most RND_TAIL_COLUMNS columns
#endif

// The form of the words of packed operands. Word n of a step belongs to column n of a panel (or to a row of A).
typedef enum {
  rnd_plain_words,    // as they are
  rnd_rounded_words,  // rounded to bfloat16, but still floats
  rnd_paired_words,   // two neighboring depths as bfloat16 in one word, the first in the lower half
  rnd_halved_words    // of narrow panels: columns n and n + 8 as bfloat16 in one word, column n in the lower half
} rnd_words;

// Rows or columns `first` to `first + count` of an operand over `depth` values of the shared dimension. `along` is the
// distance between two depths, `across` between two rows of A (columns of B). All packing functions are in
// product_packing.c, which is compiled for every set.

// The destination of packed columns of B: column n at step k goes to words[n / columns * distance + k * columns + n %
// columns]. rnd_halved_words have half as many words per step.
typedef struct {
  uint32_t *words;
  int64_t columns;   // of a panel: RND_WIDE_PANEL or RND_NARROW_PANEL
  int64_t distance;  // between two panels, in words
} rnd_panels;

// `width` neighboring columns of B (a multiple of RND_PANEL_UNIT, at most RND_WIDE_PANEL), all in one wide panel or in
// whole narrow panels. Columns from `count` on are zero.
typedef void rnd_panel_packing(rnd_words kind, const float *source, int64_t along, int64_t across, int64_t depth,
                               int64_t count, int64_t width, rnd_panels panels);
// Packs rows of A that are used one by one: words [count][steps].
typedef void rnd_row_packing(rnd_words kind, const float *source, int64_t stride, int64_t depth, int64_t count,
                             uint32_t *rows);
// Packs rows of A whose elements are far apart in memory into strips: words [steps][rows of the strip], strip after
// strip; strip s of `strips` begins at row rnd_strip_begin(s, count, strips).
typedef void rnd_strip_packing(rnd_words kind, const float *source, int64_t along, int64_t depth, int64_t count,
                               int64_t strips, uint32_t *words);

rnd_panel_packing rnd_pack_panels_portable;
rnd_row_packing rnd_pack_rows_portable;
rnd_strip_packing rnd_pack_strips_portable;
#if RND_HAS_X86_SETS
rnd_panel_packing rnd_pack_panels_avx2, rnd_pack_panels_avx512;
rnd_row_packing rnd_pack_rows_avx2, rnd_pack_rows_avx512;
rnd_strip_packing rnd_pack_strips_avx2, rnd_pack_strips_avx512;
#endif

// Strips have nearly equal heights, because a tile of one row would wait for its loads of B.
RND_INLINE int64_t rnd_strip_begin(int64_t s, int64_t count, int64_t strips) { return s * count / strips; }

#endif
