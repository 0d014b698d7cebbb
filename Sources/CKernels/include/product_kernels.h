// C = A B in single precision: register-blocked tiles over packed panels, blocked for the caches.
//
// B is cut into panels as wide as a tile (64 columns with AVX-512, 16 otherwise), each stored depth step by depth step and
// padded with zeros to its full width. A step is one row of B in fp32, and two neighboring rows in bf16, whose values
// share a 32-bit word. A tile of up to 6 rows of C stays in registers over a whole block of the depth.
//
// For a given instruction set, every element of C is a sum over the depth in one order (see `one_order` for different sets).
// It does not depend on the other rows and columns, on the number of threads or on how B was packed.
#ifndef PRODUCT_KERNELS_H
#define PRODUCT_KERNELS_H
#include "element.h"

/// rnd_bf16: both operands are rounded to bfloat16 (8 bits of mantissa, to nearest, ties to even); products and sums
/// are in single precision.
/// rnd_int8: a packed B, of at most RND_INT8_DEPTH rows, has integers of eight bits and one scale per column s, the largest
/// absolute value over 127. Each row of A is rounded to integers of up to 14 bits. The sums of the products of these
/// integers are exact, so they have the same bits on every instruction set; c = sum * (scale of the row * s). A product
/// whose B is not packed uses rnd_fp32 instead.
enum { rnd_fp32 = 0, rnd_bf16 = 1, rnd_int8 = 2 };
enum { RND_INT8_DEPTH = 1 << 16 };

/// The way to compute a product. It must be the same for packing and using a matrix.
typedef struct {
  int set;
  int precision;
  /// In rnd_fp32, sums over the depth are cut as with AVX2, so that AVX2 and AVX-512 have the same bits. Without it they
  /// differ where the depth exceeds 384.
  bool one_order;
} rnd_product_mode;

/// The smallest number of columns or rows of a matrix that are packed together.
enum { RND_PANEL_UNIT = 16 };

/// A matrix of floats anywhere: element (i, j) at base[i * row_stride + j * column_stride]. One of the strides must be 1.
typedef struct {
  const void *base;
  ptrdiff_t row_stride;
  ptrdiff_t column_stride;
} rnd_operand;

/// Number of 32-bit words a packed [K, N] matrix takes.
ptrdiff_t rnd_packed_words(ptrdiff_t K, ptrdiff_t N, rnd_product_mode mode);

/// packed <- source [depth, columns].
typedef struct {
  rnd_operand source;
  ptrdiff_t depth, columns;
  void *packed;
  rnd_product_mode mode;
} rnd_packing;
void rnd_pack(rnd_packing p);
/// Packs columns (or with `depths`, rows) [first, first + count) of a packed matrix again. `first` is a multiple of
/// RND_PANEL_UNIT; `count` too, unless they end where the matrix ends. Parts don't touch each other's words. A matrix of
/// rnd_int8 can only be packed as a whole.
void rnd_pack_columns(rnd_packing p, ptrdiff_t first, ptrdiff_t count);
void rnd_pack_depths(rnd_packing p, ptrdiff_t first, ptrdiff_t count);

/// c [rows, columns] = A [rows, depth] B, or c += A B if `accumulate`. B is packed already. If `packed` is null, B is `b`
/// [depth, columns], which like A is packed on the fly in blocks that stay in cache.
typedef struct {
  ptrdiff_t rows, columns, depth;
  rnd_operand a, b;
  const void *packed;
  void *c;
  ptrdiff_t c_stride;
  bool accumulate;
  rnd_product_mode mode;
} rnd_product;
void rnd_multiply_matrices(rnd_product p);

/// Multiplies and adds only in registers for a number of rounds; returns the number of operations, to be divided by the
/// time they took. Adds something to *sink.
double rnd_multiply_add_operations(int64_t rounds, rnd_product_mode mode, float *sink);
#endif
