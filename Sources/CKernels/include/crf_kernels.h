// A linear-chain conditional random field over the sequences of a packed batch.
//
// The score of tags y_1 ... y_L is start[y_1] + sum over t of emission[t][y_t] + sum over t of transition[y_t][y_t+1]
// + end[y_L]; their probability is the softmax of the scores of all K^L ways to tag the sequence (K = `tags`).
#ifndef CRF_KERNELS_H
#define CRF_KERNELS_H
#include "element.h"
#include "packed_rows.h"

typedef struct {
  rnd_packed_rows at;
  ptrdiff_t tags;
  const void *emission;  // [rows, K]
  ptrdiff_t stride;
  const void *start;       // [K]
  const void *end;         // [K]
  const void *transition;  // [from, to]
} rnd_crf;

/// Returns the sum over sequences of log(sum over all paths of e^score) - log(the same over the paths that agree with the
/// targets), nats.
typedef struct {
  rnd_crf crf;
  const int32_t *target;  // [rows] a tag, or below zero where any tag agrees
  void *workspace;        // 2 (longest + 2) K elements
  void *d_emission;       // null: no gradients are wanted
  ptrdiff_t d_stride;
  void *d_start;       // added to
  void *d_end;         // added to
  void *d_transition;  // added to
} rnd_crf_likelihood;
RND_KERNEL(double, rnd_crf_loss, rnd_crf_likelihood)

/// path = the tags of the highest score (Viterbi 1967).
typedef struct {
  rnd_crf crf;
  void *workspace;  // 2 K elements
  int32_t *back;    // longest * K numbers
  int32_t *path;    // [rows]
} rnd_crf_path;
RND_KERNEL(void, rnd_crf_viterbi, rnd_crf_path)
#endif
