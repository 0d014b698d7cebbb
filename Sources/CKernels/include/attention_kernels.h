// Attention over source memory without padding: sentence b owns `length[b]` consecutive rows of keys [S, size] and
// values [S, width], S the sum of all lengths. One call serves one decoder step for all rows (hypotheses, sentences)
// that are still running.
#ifndef ATTENTION_KERNELS_H
#define ATTENTION_KERNELS_H
#include <stdint.h>

// Where the rows of a step find their source, and the sizes of the attention.
typedef struct {
  int64_t rows;
  const int32_t *start;   // [rows] first memory row of each row's sentence
  const int32_t *length;  // [rows] its number of memory rows, at least 0
  const int32_t *place;   // [rows] where a row's weights (and features) begin in the step's block
  int64_t size;           // A: width of keys and queries
  int64_t width;          // D: width of values and contexts
  int64_t features;       // F: features of a position, such as its coverage; 0 for none
  int64_t center;         // position a window lies around; past the end of a sentence it is the last position
  int64_t window;         // positions further than this from the centre weigh nothing; below zero: no window
} rnd_attention_rows;

#define RND_DECLARE(T, S)                                                                                              \
  /* For each row r and position j of its sentence                                                                     \
       score_j = v . tanh(keys_j + query_r + feature_j . feature_weight)   or, if v is null,   keys_j . query_r        \
       weights = softmax(score) over the sentence (within the window),   context_r = sum over j of weights_j values_j  \
     query [rows, size], features [places, F], feature_weight [F, size]. weights [places] and context [rows, width]    \
     are overwritten. A sentence of length 0 has a context of zeros. */                                                \
  void rnd_attention_forward_##S(const rnd_attention_rows *r, const T *keys, const T *query, int64_t query_stride,     \
                                 const T *v, const T *features, const T *feature_weight, const T *values, T *weights,  \
                                 T *context, int64_t context_stride);                                                  \
  /* Its backward pass; tanh is computed again. d_weights holds on entry what reaches the weights besides the context, \
     on return the gradient of the scores. d_query and d_features are overwritten; d_keys, d_v and d_feature_weight    \
     are added to. The gradient of the values is left to the next function. */                                         \
  void rnd_attention_backward_##S(const rnd_attention_rows *r, const T *keys, const T *query, int64_t query_stride,    \
                                  const T *v, const T *features, const T *feature_weight, const T *values,             \
                                  const T *weights, const T *d_context, int64_t context_stride, T *d_weights,          \
                                  T *d_query, int64_t d_query_stride, T *d_keys, T *d_v, T *d_features,                \
                                  T *d_feature_weight);                                                                \
  /* d_values_j += sum over steps t of weights_tj d_context_t, for all steps at once. Row b of r is running during its \
     first steps[b] steps; step t has its weights at step_place[t] + place[b] and its contexts at row step_row[t] + b. \
  */                                                                                                                   \
  void rnd_attention_values_backward_##S(const rnd_attention_rows *r, const int32_t *steps, const int64_t *step_place, \
                                         const int64_t *step_row, const T *weights, const T *d_context,                \
                                         int64_t context_stride, T *d_values);                                         \
  /* Features of every position, [places, F], overwritten: its coverage if that is not null, then for each of          \
     `channels` filters of odd width the correlation with the weights of the step before, zero beyond the sentence. */ \
  void rnd_attention_features_##S(const rnd_attention_rows *r, const T *coverage, const T *previous, const T *filter,  \
                                  int64_t channels, int64_t filter_width, T *features);                                \
  /* Its backward pass: d_coverage (if not null), d_previous and d_filter are added to. */                             \
  void rnd_attention_features_backward_##S(const rnd_attention_rows *r, const T *d_features, const T *previous,        \
                                           const T *filter, int64_t channels, int64_t filter_width, T *d_coverage,     \
                                           T *d_previous, T *d_filter);                                                \
  /* Returns the sum of min(weight_j, coverage_j) over n places. If d_weights is not null, `scale` is added to         \
     d_weights_j where the weight is the smaller one, else to d_coverage_j. */                                         \
  double rnd_coverage_loss_##S(const T *weights, const T *coverage, int64_t n, T scale, T *d_weights, T *d_coverage);

RND_DECLARE(float, f32)
RND_DECLARE(double, f64)
#undef RND_DECLARE
#endif
