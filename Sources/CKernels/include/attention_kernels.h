// Attention over source memory without padding: sentence b owns `length[b]` consecutive rows of keys [S, size] and
// values [S, width], S the sum of all lengths. One call serves one decoder step for all rows (hypotheses, sentences)
// that are still running.
#ifndef ATTENTION_KERNELS_H
#define ATTENTION_KERNELS_H
#include "element.h"

/// The source of each row of a step, and the sizes of the attention. The weights and features of a step are blocks of
/// `places` numbers, one for each position of each row's sentence.
typedef struct {
  ptrdiff_t rows;
  const int32_t *start;   // [rows] first memory row of each row's sentence
  const int32_t *length;  // [rows] its number of memory rows, at least 0
  const int32_t *place;   // [rows] where a row's weights (and features) begin in the step's block
  ptrdiff_t size;         // A: width of keys and queries
  ptrdiff_t width;        // D: width of values and contexts
  ptrdiff_t features;     // F: features of a position, such as its coverage; 0 for none
  ptrdiff_t center;       // position a window lies around; past the end of a sentence it is the last position
  ptrdiff_t window;       // positions further than this from the center have no weight; below zero: no window
} rnd_attention_rows;

/// The operands of the scores and contexts.
typedef struct {
  const void *keys;
  const void *query;  // [rows, size]
  ptrdiff_t query_stride;
  const void *v;  // null: the score is the dot product of key and query
  const void *features;        // [places, F]; not read if F is 0
  const void *feature_weight;  // [F, size]; not read if F is 0
  const void *values;
} rnd_attention_operands;

/// For each row r and position j of its sentence
///   score_j = v . tanh(keys_j + query_r + feature_j . feature_weight)   or, if v is null,   keys_j . query_r
///   weights = softmax(score) over the sentence (within the window),   context_r = sum over j of weights_j values_j
/// A sentence of length 0 has a context of zeros. Threads share the rows.
typedef struct {
  rnd_attention_rows at;
  rnd_attention_operands of;
  void *weights;  // [places]
  void *context;  // [rows, width]
  ptrdiff_t context_stride;
} rnd_attention;
RND_SHARED_KERNEL(rnd_attention_forward, rnd_attention)

/// The backward pass of rnd_attention_forward, which recomputes tanh. rnd_attention_values_backward computes the gradient
/// of the values. Threads share the rows, each with a separate d_v and d_feature_weight; no two rows may have the same
/// sentence.
typedef struct {
  rnd_attention_rows at;
  rnd_attention_operands of;
  const void *weights, *d_context;
  ptrdiff_t context_stride;
  void *d_weights;  // gradient of the weights besides that through the context -> gradient of the scores
  void *d_query;
  ptrdiff_t d_query_stride;
  void *d_keys;  // added to
  void *d_v;     // added to; not written if v is null
  void *d_features;
  void *d_feature_weight;  // added to
} rnd_attention_gradient;
RND_SHARED_KERNEL(rnd_attention_backward, rnd_attention_gradient)

/// d_values_j += sum over steps t of weights_tj d_context_t, for all steps at once. Row b of `at` is running during its
/// first steps[b] steps; step t has its weights at step_place[t] + place[b] and its contexts at row step_row[t] + b. Threads
/// share the rows.
typedef struct {
  rnd_attention_rows at;
  const int32_t *steps;
  const int64_t *step_place;
  const int64_t *step_row;
  const void *weights, *d_context;
  ptrdiff_t context_stride;
  void *d_values;
} rnd_attention_values_gradient;
RND_SHARED_KERNEL(rnd_attention_values_backward, rnd_attention_values_gradient)

/// Features of every position, [places, F]: its coverage if that is not null, then for each of `channels` filters of odd
/// width the correlation with the weights of the previous step, zero beyond the sentence. The backward pass adds to
/// d_coverage (null without coverage), d_previous and d_filter.
typedef struct {
  rnd_attention_rows at;
  const void *filter;  // [channels, filter_width]
  ptrdiff_t channels;
  ptrdiff_t filter_width;
  const void *previous;  // [places]
  const void *coverage;
  void *features;
  const void *d_features;
  void *d_coverage, *d_previous, *d_filter;
} rnd_attention_position_features;
RND_KERNEL(void, rnd_attention_features, rnd_attention_position_features)
RND_KERNEL(void, rnd_attention_features_backward, rnd_attention_position_features)

/// Returns the sum of min(weight_j, coverage_j) over `count` places. If d_weights is not null, `scale` is added to
/// d_weights_j if the weight is the smaller one, otherwise to d_coverage_j.
typedef struct {
  ptrdiff_t count;
  const void *weights, *coverage;
  double scale;
  void *d_weights, *d_coverage;
} rnd_coverage;
RND_KERNEL(double, rnd_coverage_loss, rnd_coverage)
#endif
