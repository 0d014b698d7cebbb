// The blocked product: the order in which parts of the operands are packed and multiplied.

#include "product_kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "product_gates.h"
#include "product_int8.h"
#include "product_tiles.h"
#include "thread_pool.h"

// MARK: Instruction sets

// The tiles, packing functions and sizes of one instruction set.
typedef struct {
  rnd_tile *tile, *bf16_tile;
  rnd_words bf16_rows, bf16_panels;  // the words of A and B in rnd_bf16
  int64_t panel;       // columns of a panel: those of the tile
  int64_t most_steps;  // of the depth in one tile
  int64_t panels_of_one_row;
  rnd_panel_packing *pack_panels;
  rnd_row_packing *pack_rows;
  rnd_strip_packing *pack_strips;
} instruction_set;

#define NARROW(set, panels_of_one_row)                                                         \
  {rnd_tile_##set, rnd_tile_##set##_bf16, rnd_rounded_words, rnd_halved_words, RND_NARROW_PANEL, \
   RND_NARROW_STEPS, panels_of_one_row, rnd_pack_panels_##set, rnd_pack_rows_##set, rnd_pack_strips_##set}
#define WIDE(bf16_tile, bf16_words)                                                            \
  {rnd_tile_avx512, bf16_tile, bf16_words, bf16_words, RND_WIDE_PANEL, RND_WIDE_STEPS, 1,      \
   rnd_pack_panels_avx512, rnd_pack_rows_avx512, rnd_pack_strips_avx512}

static const instruction_set SETS[RND_SETS] = {
    [rnd_set_portable] = NARROW(portable, 1),
#if RND_HAS_X86_SETS
    [rnd_set_avx2] = NARROW(avx2, RND_AVX2_PANELS_OF_ONE_ROW),
    [rnd_set_avx512] = WIDE(rnd_tile_avx512, rnd_rounded_words),
    [rnd_set_avx512_bf16] = WIDE(rnd_tile_avx512_bf16, rnd_paired_words),
#endif
};

static const instruction_set *set_of(rnd_product_mode mode) { return &SETS[mode.set]; }

static rnd_words row_words(rnd_product_mode mode) {
  return mode.precision == rnd_bf16 ? set_of(mode)->bf16_rows : rnd_plain_words;
}

static rnd_words panel_words(rnd_product_mode mode) {
  return mode.precision == rnd_bf16 ? set_of(mode)->bf16_panels : rnd_plain_words;
}

static int64_t values_per_step(rnd_words kind) { return kind == rnd_paired_words ? 2 : 1; }

static int64_t smaller(int64_t x, int64_t y) { return x < y ? x : y; }

static int64_t rounded_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

// MARK: Packing a whole matrix

static int64_t steps_of(int64_t depth, rnd_product_mode mode) {
  const int64_t each = values_per_step(panel_words(mode));
  return (depth + each - 1) / each;
}

// Words from the beginning of the panels, of `steps` each, to column n at the first step of its panel.
static int64_t words_before(int64_t n, int64_t steps, rnd_product_mode mode) {
  const int64_t panel = set_of(mode)->panel, whole = n / panel * panel * steps;
  return panel_words(mode) == rnd_halved_words ? whole / 2 : whole + n % panel;
}

ptrdiff_t rnd_packed_words(ptrdiff_t K, ptrdiff_t N, rnd_product_mode mode) {
  if (mode.precision == rnd_int8) return rnd_int8_words(K, N);
  return words_before(rounded_up(N, set_of(mode)->panel), steps_of(K, mode), mode);
}

// The address of element (i, j) of an operand.
static const float *element(rnd_operand x, int64_t i, int64_t j) {
  return (const float *)x.base + i * x.row_stride + j * x.column_stride;
}

void rnd_pack_columns(rnd_packing p, ptrdiff_t first, ptrdiff_t count) {
  const int64_t steps = steps_of(p.depth, p.mode);
  const int64_t end = smaller(first + count, p.columns), panel = set_of(p.mode)->panel;
  for (int64_t n = first; n < end;) {
    const int64_t within = n % panel, these = smaller(RND_WIDE_PANEL - within, end - n);
    // The last columns are packed together with the zeros that fill the panel.
    const int64_t width = n + these == p.columns ? rounded_up(within + these, panel) - within : these;
    const rnd_panels panels = {(uint32_t *)p.packed + words_before(n, steps, p.mode), panel,
                               words_before(panel, steps, p.mode)};
    set_of(p.mode)->pack_panels(panel_words(p.mode), element(p.source, 0, n), p.source.row_stride,
                                p.source.column_stride, p.depth, these, width, panels);
    n += these;
  }
}

static void pack_part(int part, int parts, void *argument) {
  const rnd_packing *p = argument;
  const int64_t groups = (p->columns + RND_WIDE_PANEL - 1) / RND_WIDE_PANEL;
  const int64_t begin = rnd_part_begin(groups, part, parts), end = rnd_part_begin(groups, part + 1, parts);
  if (p->mode.precision == rnd_int8) {
    rnd_int8_pack(p, begin * RND_WIDE_PANEL, smaller(end * RND_WIDE_PANEL, p->columns));
  } else {
    rnd_pack_columns(*p, begin * RND_WIDE_PANEL, (end - begin) * RND_WIDE_PANEL);
  }
}

void rnd_pack(rnd_packing p) {
  // Below this size waking other threads costs more than it saves.
  if (p.depth * p.columns >= 1 << 16) rnd_parallel(pack_part, &p);
  else pack_part(0, 1, &p);
}

void rnd_pack_depths(rnd_packing p, ptrdiff_t first, ptrdiff_t count) {
  const int64_t steps = steps_of(p.depth, p.mode), panel = set_of(p.mode)->panel;
  const int64_t before = words_before(panel, steps_of(first, p.mode), p.mode);  // of a panel's words
  for (int64_t n = 0; n < p.columns; n += RND_WIDE_PANEL) {
    const int64_t these = smaller(RND_WIDE_PANEL, p.columns - n);
    const rnd_panels panels = {(uint32_t *)p.packed + words_before(n, steps, p.mode) + before, panel,
                               words_before(panel, steps, p.mode)};
    set_of(p.mode)->pack_panels(panel_words(p.mode), element(p.source, first, n), p.source.row_stride, p.source.column_stride,
                                smaller(count, p.depth - first), these, rounded_up(these, panel), panels);
  }
}

// MARK: Blocks

// The largest numbers of words of a block of A, and of a block of B that is packed on the fly. They follow the size of the
// second-level cache, which is asked for at the first product: a quarter for A, so that panels and C fit beside it, and twice the
// cache for B. The bounds are those of the measurements, in which blocks for 512 KiB to 2 MiB were equally fast on 1 MiB. Blocks
// don't change the order of sums. A block of A is rounded up to eight whole tiles of rows.
typedef struct {
  int64_t a, b;
} words_of_blocks;

static words_of_blocks block_words(void) {
  enum { LEAST = 1 << 19, USUAL = 1 << 20, MOST = 1 << 21 };
  static _Atomic int64_t cache_bytes;
  int64_t bytes = atomic_load_explicit(&cache_bytes, memory_order_relaxed);
  if (!bytes) {
#ifdef _SC_LEVEL2_CACHE_SIZE
    bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    // sysconf returns 0 or -1 if the size is unknown.
    bytes = bytes <= 0 ? USUAL : bytes < LEAST ? LEAST : smaller(bytes, MOST);
    // Products that begin at the same time write the same value.
    atomic_store_explicit(&cache_bytes, bytes, memory_order_relaxed);
  }
  return (words_of_blocks){bytes / 4 / 4, bytes / 4 * 2};
}

typedef struct {
  int64_t M, N, K;
  rnd_operand a;
  rnd_operand b;         // used if `packed` is null
  const uint32_t *packed;
  float *c;
  int64_t c_stride;
  int accumulate;
  const instruction_set *set;
  rnd_tile *tile;
  rnd_words kind;      // of A
  rnd_product_mode mode;
  int64_t most_steps;  // of the depth in one tile
} product;

// The size of equal parts of `total`, at most `limit`. Every part except the last is a multiple of `unit`.
static int64_t part_of(int64_t total, int64_t limit, int64_t unit) {
  const int64_t parts = (total + limit - 1) / limit;
  return rounded_up((total + parts - 1) / parts, unit);
}

// Multiplies one block of A by one block of panels, panel by panel. All rows use a panel while it is in cache.
// `panel_words`: distance between two panels. `rows`: packed rows or strips of A, or A itself.
static void multiply_block(const product *p, int64_t m, int64_t height, int64_t n, int64_t width, int64_t steps,
                           const void *rows, int64_t row_words, int strip, const uint32_t *panels, int64_t panel_words,
                           int accumulate) {
  const int64_t strips = (height + RND_TILE_ROWS - 1) / RND_TILE_ROWS, panel = p->set->panel;
  const int64_t several = height > 2 ? panel : panel * (p->set->panels_of_one_row / height);
  // Once for all panels: a division takes as long as several depth steps of a tile.
  int64_t begins[RND_MOST_STRIPS + 1];
  for (int64_t s = 0; s <= strips; s++) begins[s] = rnd_strip_begin(s, height, strips);
  const int64_t row_distance = strip ? steps : row_words, step_bytes = 4 * words_before(panel, 1, p->mode);
  rnd_tile_block tile = {.strip = strip, .accumulate = accumulate, .steps = steps, .a_stride = row_words, .b = panels,
                         .panel_words = panel_words, .c_stride = p->c_stride};
  // The tiles of a panel share the prefetching of the next one.
  tile.ahead_bytes = (step_bytes + strips - 1) / strips;
  for (int64_t column = 0; column < width; column += tile.columns) {
    const int takes_several = several > panel && width - column >= several;
    tile.columns = takes_several ? several : smaller(panel, width - column);
    const uint32_t *next = (const uint32_t *)tile.b + (takes_several ? several / panel : 1) * panel_words;
    tile.ahead = next;
    float *c = p->c + m * p->c_stride + n + column;
    for (int64_t s = 0; s < strips; s++) {
      tile.rows = (int)(begins[s + 1] - begins[s]);
      tile.a = (const uint32_t *)rows + begins[s] * row_distance;
      tile.c = c + begins[s] * p->c_stride;
      p->tile(&tile);
      tile.ahead = (const char *)tile.ahead + steps * tile.ahead_bytes;
    }
    tile.b = next;
  }
}

// The number of columns above which packing rows of A pays off.
enum { LEAST_WIDTH_FOR_ROWS = 256 };

// Multiplies columns n to n + width at the depths k to k + depth, for all rows.
static void multiply_panels(const product *p, int64_t n, int64_t width, int64_t k, int64_t depth, int64_t rows_per_block,
                            const uint32_t *panels, int64_t panel_words, uint32_t *scratch) {
  const int64_t steps = (depth + values_per_step(p->kind) - 1) / values_per_step(p->kind);
  const int strip = p->a.row_stride == 1 && p->a.column_stride != 1;
  // Rows that are far apart share a few sets of the first-level cache and are read once per panel. With many narrow
  // panels it is cheaper to pack them first.
  const int packs_rows = p->kind != rnd_plain_words ||
                         (p->set->panel == RND_NARROW_PANEL && p->a.row_stride > steps && width >= LEAST_WIDTH_FOR_ROWS);
  for (int64_t m = 0; m < p->M; m += rows_per_block) {
    const int64_t height = smaller(rows_per_block, p->M - m);
    const float *a = element(p->a, m, k);
    const void *rows = a;
    int64_t row_words = p->a.row_stride;
    if (strip) {
      p->set->pack_strips(p->kind, a, p->a.column_stride, depth, height, (height + RND_TILE_ROWS - 1) / RND_TILE_ROWS,
                      scratch);
      rows = scratch;
    } else if (packs_rows) {
      p->set->pack_rows(p->kind, a, p->a.row_stride, depth, height, scratch);
      rows = scratch;
      row_words = steps;
    }
    multiply_block(p, m, height, n, width, steps, rows, row_words, strip, panels, panel_words,
                   p->accumulate || k > 0);
  }
}

// The words of scratch memory for a block of A, whose rows are rounded up to whole tiles.
static int64_t a_scratch_words(void) { return block_words().a + RND_WIDE_STEPS * 8 * RND_TILE_ROWS; }

// Computes columns n to n + width of C.
static void multiply_columns(const product *p, int64_t n, int64_t width, uint32_t *scratch) {
  const int64_t each = values_per_step(p->kind), all_steps = (p->K + each - 1) / each, panel = p->set->panel;
  const int64_t steps = part_of(all_steps, p->most_steps, 1);
  const int64_t height = part_of(p->M, smaller(RND_BLOCK_ROWS, block_words().a / steps), 8 * RND_TILE_ROWS);
  uint32_t *const b_scratch = scratch + a_scratch_words();
  const int64_t most = block_words().b / steps / RND_WIDE_PANEL * RND_WIDE_PANEL;
  const int64_t block = p->packed ? width : part_of(width, most, RND_WIDE_PANEL);
  for (int64_t j = n; j < n + width; j += block) {
    const int64_t columns = smaller(block, n + width - j);
    for (int64_t step = 0; step < all_steps; step += steps) {
      const int64_t k = step * each, depth = smaller(steps * each, p->K - k);
      if (p->packed) {
        multiply_panels(p, j, columns, k, depth, height,
                        p->packed + words_before(j, all_steps, p->mode) + words_before(panel, step, p->mode),
                        words_before(panel, all_steps, p->mode), scratch);
        continue;
      }
      const int64_t these = (depth + each - 1) / each;
      for (int64_t first = 0; first < columns; first += RND_WIDE_PANEL) {
        const int64_t count = smaller(RND_WIDE_PANEL, columns - first);
        const rnd_panels panels = {b_scratch + words_before(first, these, p->mode), panel,
                                   words_before(panel, these, p->mode)};
        p->set->pack_panels(panel_words(p->mode), element(p->b, k, j + first), p->b.row_stride, p->b.column_stride,
                            depth, count, rounded_up(count, panel), panels);
      }
      multiply_panels(p, j, columns, k, depth, height, b_scratch, words_before(panel, these, p->mode), scratch);
    }
  }
}

// MARK: Scratch memory

static pthread_key_t scratch_key;
static void make_scratch_key(void) {
  if (pthread_key_create(&scratch_key, free)) abort();
}

// One block per thread, allocated by its first product and freed when the thread ends.
static uint32_t *scratch_of_thread(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_scratch_key);
  void *scratch = pthread_getspecific(scratch_key);
  if (scratch) return scratch;
  scratch = aligned_alloc(64, (size_t)(a_scratch_words() + block_words().b) * sizeof(uint32_t));
  // There is not even memory for a few megabytes. Stops the program, like Swift's allocations.
  if (!scratch || pthread_setspecific(scratch_key, scratch)) abort();
  return scratch;
}

// MARK: Threads

// Multiplications below which waking other threads costs more than it saves: those of two microseconds.
static const double LEAST_SHARED_WORK = 1e5;
// A product of fewer rows takes as long as one of this number: its time is that of reading B.
enum { LEAST_COUNTED_ROWS = 3 };

// The number of rows that take as long as packing a column of B.
enum { ROWS_OF_PACKING = 8 };

// A part of C: whole panels of columns, or rows if that divides the work more evenly. Threads that share rows all pack B.
static void multiply_part(int part, int parts, void *argument) {
  product p = *(const product *)argument;
  const int64_t panel = p.set->panel, panels = (p.N + panel - 1) / panel;
  const int64_t most_columns = smaller((panels + parts - 1) / parts * panel, p.N), most_rows = (p.M + parts - 1) / parts;
  const int64_t fixed = p.packed ? 0 : ROWS_OF_PACKING;
  const int64_t counted_rows = most_rows > LEAST_COUNTED_ROWS ? most_rows : LEAST_COUNTED_ROWS;
  if ((p.M + fixed) * most_columns <= (counted_rows + fixed) * p.N) {
    const int64_t begin = rnd_part_begin(panels, part, parts) * panel;
    const int64_t end = smaller(rnd_part_begin(panels, part + 1, parts) * panel, p.N);
    if (begin < end) multiply_columns(&p, begin, end - begin, scratch_of_thread());
    return;
  }
  const int64_t begin = rnd_part_begin(p.M, part, parts), end = rnd_part_begin(p.M, part + 1, parts);
  if (begin >= end) return;
  p.a.base = element(p.a, begin, 0);
  p.c += begin * p.c_stride;
  p.M = end - begin;
  multiply_columns(&p, 0, p.N, scratch_of_thread());
}

static void multiply_int8_part(int part, int parts, void *argument) {
  const rnd_product *p = argument;
  const int64_t panels = (p->columns + RND_INT8_PANEL - 1) / RND_INT8_PANEL;
  const int64_t begin = rnd_part_begin(panels, part, parts) * RND_INT8_PANEL;
  const int64_t end = smaller(rnd_part_begin(panels, part + 1, parts) * RND_INT8_PANEL, p->columns);
  if (begin < end) rnd_int8_multiply(p, begin, end, (int16_t *)scratch_of_thread());
}

int rnd_is_worth_sharing(int64_t rows, int64_t columns, int64_t depth) {
  const int64_t counted = rows > LEAST_COUNTED_ROWS ? rows : LEAST_COUNTED_ROWS;
  return rnd_thread_count() > 1 && (double)counted * (double)columns * (double)depth > LEAST_SHARED_WORK;
}

static void run(const product *p) {
  if (p->M <= 0 || p->N <= 0) return;
  if (p->K <= 0) {
    for (int64_t m = 0; m < p->M && !p->accumulate; m++) {
      memset(p->c + m * p->c_stride, 0, (size_t)p->N * sizeof *p->c);
    }
    return;
  }
  if (rnd_is_worth_sharing(p->M, p->N, p->K)) {
    rnd_parallel(multiply_part, (void *)p);
  } else {
    multiply_part(0, 1, (void *)p);
  }
}

static product product_of(const rnd_product *a) {
  const instruction_set *set = set_of(a->mode);
  return (product){.M = a->rows, .N = a->columns, .K = a->depth, .a = a->a, .b = a->b, .packed = a->packed, .c = a->c,
                   .c_stride = a->c_stride, .accumulate = a->accumulate, .set = set,
                   .tile = a->mode.precision == rnd_bf16 ? set->bf16_tile : set->tile, .kind = row_words(a->mode),
                   .mode = a->mode, .most_steps = a->mode.one_order ? RND_NARROW_STEPS : set->most_steps};
}

void rnd_multiply_columns_of_gates(const rnd_product *a, ptrdiff_t gates, ptrdiff_t first, ptrdiff_t end) {
  const product p = product_of(a);
  const int64_t each = values_per_step(p.kind), all_steps = (p.K + each - 1) / each;
  const int64_t steps = part_of(all_steps, p.most_steps, 1), units = p.N / gates;
  const int64_t panel_words = words_before(p.set->panel, all_steps, p.mode);
  for (int64_t step = 0; step < all_steps; step += steps) {
    const int64_t k = step * each, these = smaller(steps, all_steps - step);
    const void *rows = element(p.a, 0, k);
    int64_t row_words = p.a.row_stride;
    if (p.kind != rnd_plain_words) {
      uint32_t *scratch = scratch_of_thread();
      p.set->pack_rows(p.kind, rows, row_words, smaller(steps * each, p.K - k), p.M, scratch);
      rows = scratch;
      row_words = these;
    }
    const uint32_t *panels = p.packed + words_before(p.set->panel, step, p.mode);
    for (int64_t n = first; n < p.N; n += units) {
      multiply_block(&p, 0, p.M, n, end - first, these, rows, row_words, 0, panels + n / p.set->panel * panel_words,
                     panel_words, p.accumulate || k > 0);
    }
  }
}

void rnd_multiply_matrices(rnd_product a) {
  if (a.mode.precision == rnd_int8 && a.packed) {
    if (rnd_is_worth_sharing(a.rows, a.columns, a.depth)) rnd_parallel(multiply_int8_part, &a);
    else multiply_int8_part(0, 1, &a);
    return;
  }
  const product p = product_of(&a);
  run(&p);
}
