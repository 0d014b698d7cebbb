// Separate file: a C file and its header are two files.
//
// Products with weights of eight bits. See rnd_int8 in include/product_kernels.h for what they compute.
#ifndef PRODUCT_INT8_H
#define PRODUCT_INT8_H
#include "kernel_support.h"
#include "product_kernels.h"

/// Number of 32-bit words that a packed [depth, columns] matrix takes.
int64_t rnd_int8_words(int64_t depth, int64_t columns);
/// Packs the columns [first, end), both whole panels or the end of the matrix.
void rnd_int8_pack(const rnd_packing *p, int64_t first, int64_t end);
/// Computes the columns [first, end) of a product with a packed matrix, with the same bounds. `scratch`: room for
/// RND_INT8_ROWS rows of A.
void rnd_int8_multiply(const rnd_product *p, int64_t first, int64_t end, int16_t *scratch);

enum {
  RND_INT8_PANEL = 64,  // columns of a panel
  RND_INT8_ROWS = 4     // most rows of a tile
};

#endif
