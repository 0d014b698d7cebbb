// Kernels that run over each sequence of a packed batch: pooling of states, and a linear-chain conditional random field.
#ifndef SEQUENCE_KERNELS_H
#define SEQUENCE_KERNELS_H
#include "element.h"

typedef struct {
  const int64_t *offset;  // [length[0]]
  const int64_t *length;  // [count]
  int64_t count;
} rnd_packed_rows;

// MARK: Pooling
//
// Turns the states h [rows, width] of each sequence of a packed batch into one vector: pooled [count, width].

/// `mean`: pooled = the mean over the steps. `max`: pooled = the largest value of each column, `where` [count, width] its
/// step, the first of equals. `attention`: scores [rows] become their softmax over each sequence's steps, pooled = the sum of
/// these weights times h.
typedef struct {
  rnd_packed_rows at;
  ptrdiff_t width;
  const void *h;
  ptrdiff_t stride;
  void *pooled;
  ptrdiff_t pooled_stride;
  int32_t *where;
  void *scores;
} rnd_pooling;
RND_KERNEL(void, rnd_mean_pool, rnd_pooling)
RND_KERNEL(void, rnd_max_pool, rnd_pooling)
RND_KERNEL(void, rnd_attention_pool, rnd_pooling)

/// The backward passes: dh = d_pooled / length; dh = d_pooled at the step of the largest value, zero elsewhere;
/// dh = weight d_pooled, and d_scores [rows].
typedef struct {
  rnd_packed_rows at;
  ptrdiff_t width;
  const void *d_pooled;
  ptrdiff_t pooled_stride;
  void *dh;
  ptrdiff_t dh_stride;
  const int32_t *where;
  const void *h;  // attention, like all below
  ptrdiff_t stride;
  const void *weights;
  void *d_scores;
} rnd_pooling_gradient;
RND_KERNEL(void, rnd_mean_pool_backward, rnd_pooling_gradient)
RND_KERNEL(void, rnd_max_pool_backward, rnd_pooling_gradient)
RND_KERNEL(void, rnd_attention_pool_backward, rnd_pooling_gradient)

// MARK: Conditional random field
//
// A linear-chain conditional random field over the sequences of a packed batch.
//
// The score of tags y_1 ... y_L is start[y_1] + sum over t of emission[t][y_t] + sum over t of transition[y_t][y_t+1]
// + end[y_L]; their probability is the softmax of this score over all K^L ways to tag the sequence (K = `tags`).

typedef struct {
  rnd_packed_rows at;
  ptrdiff_t tags;
  const void *emission;  // [rows, K]
  ptrdiff_t stride;
  const void *start;       // [K]
  const void *end;         // [K]
  const void *transition;  // [from, to]
} rnd_crf;

/// Returns the sum over sequences of log(sum of e^score over all paths) - log(sum of e^score over the paths that agree
/// with the targets), nats.
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
