// A linear-chain conditional random field over the sequences of a packed batch.
//
// The score of tags y_1 ... y_L is start[y_1] + sum over t of emission[t][y_t] + sum over t of transition[y_t][y_t+1]
// + end[y_L]; their probability is the softmax of the scores of all K^L ways to tag the sequence.
#ifndef CRF_KERNELS_H
#define CRF_KERNELS_H
#include <stdint.h>

#include "packed_rows.h"

#define RND_DECLARE(T, S) \
  /* Returns the sum over sequences of log(sum over all paths of e^score) - log(the same over the paths that agree     \
     with the targets), nats. target [rows]: a tag, or below zero where any tag agrees. workspace: 2 (longest + 2) K   \
     numbers. If d_emission is given it is overwritten with the gradient of the emissions [rows, K], and the           \
     gradients of the three parameters are ADDED. */                                                                   \
  double rnd_crf_loss_##S(const T *emission, int64_t stride, int64_t K, const T *start, const T *end,                 \
                          const T *transition, rnd_packed_rows at, const int32_t *target, T *workspace,               \
                          T *d_emission, int64_t dstride, T *d_start, T *d_end, T *d_transition);                     \
  /* path [rows] = the tags of the highest score (Viterbi 1967). workspace: 2 K numbers; back: longest * K. */         \
  void rnd_crf_viterbi_##S(const T *emission, int64_t stride, int64_t K, const T *start, const T *end,                \
                           const T *transition, rnd_packed_rows at, T *workspace, int32_t *back, int32_t *path);

RND_DECLARE(float, f32)
RND_DECLARE(double, f64)
#undef RND_DECLARE
#endif
