// C = A * B with B packed once and used many times: the recurrent product of every time step of a batch.
//
// The packed form is panels of 64 columns, each stored depth by depth (K rows of 64 floats), zero-padded to a whole
// panel; the micro-kernel keeps a 6 x 64 block of C in registers. Every 64-byte row of a panel is one or more vectors
// on every instruction set, so that one layout serves AVX-512 and AVX2.
#ifndef PACKED_PRODUCT_H
#define PACKED_PRODUCT_H
#include <stdint.h>

// 2: AVX-512, 1: AVX2 with FMA, 0: none (use the BLAS instead).
int rnd_packed_product_level(void);
// Number of floats a packed [K, N] matrix takes.
int64_t rnd_packed_size(int64_t K, int64_t N);
// packed <- B, where B[k][n] = b[k * row_stride + n * column_stride] (a transposed matrix swaps the strides).
void rnd_pack_f32(const float *b, int64_t row_stride, int64_t column_stride, int64_t K, int64_t N, float *packed);
// c[m][n] (+)= sum over k of a[m][k] * B[k][n]. c is added to if accumulate is not 0. Requires level > 0.
void rnd_packed_product_f32(int64_t M, int64_t N, int64_t K, const float *a, int64_t a_stride, const float *packed,
                            float *c, int64_t c_stride, int accumulate);
#endif
