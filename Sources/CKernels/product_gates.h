// Separate file: what the kernels of cells use of products.
#ifndef PRODUCT_GATES_H
#define PRODUCT_GATES_H
#include "product_kernels.h"

// Computes the columns of some units in a product whose columns are gates: of each of the `gates` equal blocks of columns, those
// from `first` to `end`, on the calling thread. `packed` is set, rows are at most RND_TILE_ROWS, precision is not rnd_int8;
// the units of a gate, `first` and `end` are multiples of RND_WIDE_PANEL.
void rnd_multiply_columns_of_gates(const rnd_product *p, ptrdiff_t gates, ptrdiff_t first, ptrdiff_t end);

// Nonzero if several threads compute a product faster than one.
int rnd_is_worth_sharing(int64_t rows, int64_t columns, int64_t depth);

#endif
