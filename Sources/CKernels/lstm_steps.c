// The time steps of an LSTM with few sequences: products and elementwise work of a step in one pass over the units.
//
// A step of one sequence takes microseconds, of which calls of every product and every cell step, starting threads and moving
// gates between them take a noticeable part (measured in docs/REPRODUCING.md).
#include "instrumentation.h"
#include "lstm_kernels.h"
#include "product_gates.h"
#include "product_tiles.h"
#include "thread_pool.h"

enum { GATES = 4 };

_Static_assert((int)RND_LSTM_ROWS <= (int)RND_TILE_ROWS, "all rows are in one tile");
_Static_assert((int)RND_LSTM_GROUP == (int)RND_WIDE_PANEL, "threads share whole panels");

typedef struct {
  const rnd_lstm_steps *steps;
  rnd_progress *progress;
} work;

// Each part computes its units in every gate, so that it needs only h from the others.
static void run_part(int part, int parts, void *argument) {
  const rnd_lstm_steps *a = ((work *)argument)->steps;
  const int64_t H = a->cell.units, groups = H / RND_LSTM_GROUP;
  const int64_t first = rnd_part_begin(groups, part, parts) * RND_LSTM_GROUP;
  const int64_t end = rnd_part_begin(groups, part + 1, parts) * RND_LSTM_GROUP;
  const double operations = 2.0 * (double)(a->rows * GATES * H * H);
  rnd_product product = {.rows = a->rows, .columns = GATES * H, .depth = H, .packed = a->weights, .c_stride = GATES * H,
                         .accumulate = true, .mode = a->mode};
  rnd_lstm cell = a->cell;
  cell.width = end - first;
  cell.bias = (const float *)cell.bias + first;
  for (int64_t t = 0; t < a->steps; t++) {
    const int64_t states = t * a->rows * H;
    float *gates = (float *)a->cell.gates + GATES * states;
    product.a = (rnd_operand){(const float *)a->h_previous + states, H, 1};
    product.c = gates;
    cell.gates = gates + first;
    cell.c_previous = (const float *)a->cell.c_previous + states + first;
    cell.c = (float *)a->cell.c + states + first;
    cell.h = (float *)a->cell.h + states + first;
    // Part 0 notes the operations of all parts in the profile of the calling thread.
    const int64_t start = part == 0 ? rnd_profile_clock() : 0;
    if (first < end) rnd_multiply_columns_of_gates(&product, GATES, first, end);
    const int64_t between = part == 0 ? rnd_profile_add(RND_PROFILE_PRODUCTS, start, operations) : 0;
    if (first < end) rnd_lstm_forward(rnd_f32, cell, 0, a->rows);
    if (part == 0) rnd_profile_add(RND_PROFILE_POINTWISE, between, 0);
    if (t + 1 < a->steps) rnd_await_parts(((work *)argument)->progress, part, parts, t + 1);
  }
}

void rnd_lstm_run(rnd_lstm_steps a) {
  rnd_progress progress[RND_MOST_THREADS] = {{0}};
  work all = {&a, progress};
  const int64_t units = a.cell.units;
  if (units > RND_LSTM_GROUP && rnd_is_worth_sharing(a.rows, GATES * units, units)) rnd_parallel(run_part, &all);
  else run_part(0, 1, &all);
}
