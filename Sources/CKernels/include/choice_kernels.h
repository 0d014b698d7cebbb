// Choosing one column of each row of scores.
#ifndef CHOICE_KERNELS_H
#define CHOICE_KERNELS_H
#include <stdint.h>

#define RND_DECLARE(T, S)                                                                                          \
  /* chosen[row] = the first column with the largest score or, if uniform is not null, a draw from softmax(score): \
     the column where its cumulative distribution passes uniform[row] in [0, 1). */                                \
  void rnd_choose_rows_##S(const T *scores, int64_t stride, int64_t rows, int64_t columns, const T *uniform,       \
                           int32_t *chosen);

RND_DECLARE(float, f32)
RND_DECLARE(double, f64)
#undef RND_DECLARE
#endif
