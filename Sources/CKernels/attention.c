#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "attention_kernels.h"

// The number of partial sums of a reduction, which are added in a fixed order.
#define LANES 16
// The number of units of a score computed at a time, a multiple of LANES. Their pre-activations stay in the first-level
// cache.
#define CHUNK 256

// The positions of row i whose weight is not zero: [*first, *last).
RND_INLINE void visible_positions(const rnd_attention_rows *r, int64_t i, int64_t *first, int64_t *last) {
  const int64_t length = r->length[i];
  *first = 0;
  *last = length;
  if (r->window < 0 || length == 0) return;
  const int64_t center = r->center < length - 1 ? r->center : length - 1;
  if (center - r->window > 0) *first = center - r->window;
  if (center + r->window + 1 < length) *last = center + r->window + 1;
}

#define BODY "attention.c"
#include "variants.h"
#else

RND_INLINE T NAME(dot_product)(const T *restrict x, const T *restrict y, int64_t n) {
  T lanes[LANES] = {0};
  const int64_t whole = n - n % LANES;
  for (int64_t j = 0; j < whole; j += LANES) {
    for (int k = 0; k < LANES; k++) lanes[k] += x[j + k] * y[j + k];
  }
  for (int64_t j = whole; j < n; j++) lanes[j - whole] += x[j] * y[j];
  RND_FOLD_LANES(lanes, LANES)
  return lanes[0];
}

RND_INLINE void NAME(add_scaled)(T alpha, const T *restrict x, T *restrict y, int64_t n) {
  for (int64_t j = 0; j < n; j++) y[j] += alpha * x[j];
}

RND_INLINE void NAME(sum_into)(const T *restrict x, const T *restrict y, T *restrict p, int64_t n) {
  for (int64_t j = 0; j < n; j++) p[j] = x[j] + y[j];
}

// Computes the argument of tanh for units first ..< first + n of a position.
RND_INLINE void NAME(pre_activation)(const rnd_attention_rows *r, const T *key, const T *query, const T *feature,
                                     const T *feature_weight, int64_t first, int64_t n, T *restrict p) {
  NAME(sum_into)(key + first, query + first, p, n);
  for (int64_t f = 0; f < r->features; f++) {
    NAME(add_scaled)(feature[f], feature_weight + f * r->size + first, p, n);
  }
}

RND_INLINE void NAME(add_tanh_products)(const T *restrict p, const T *restrict v, T *restrict lanes, int64_t n) {
  const int64_t whole = n - n % LANES;
  for (int64_t j = 0; j < whole; j += LANES) {
    for (int k = 0; k < LANES; k++) lanes[k] += v[j + k] * TYPED(rnd_tanh)(p[j + k]);
  }
  for (int64_t j = whole; j < n; j++) lanes[j - whole] += v[j] * TYPED(rnd_tanh)(p[j]);
}

RND_INLINE T NAME(additive_score)(const rnd_attention_rows *r, const T *key, const T *query, const T *v,
                                  const T *feature, const T *feature_weight) {
  T lanes[LANES] = {0}, p[CHUNK];
  for (int64_t first = 0; first < r->size; first += CHUNK) {
    const int64_t n = r->size - first < CHUNK ? r->size - first : CHUNK;
    NAME(pre_activation)(r, key, query, feature, feature_weight, first, n, p);
    NAME(add_tanh_products)(p, v + first, lanes, n);
  }
  RND_FOLD_LANES(lanes, LANES)
  return lanes[0];
}

// Turns the scores of one sentence into weights, in place.
RND_INLINE void NAME(normalize_scores)(T *restrict w, int64_t n) {
  T best = w[0], sum = 0;
  for (int64_t j = 1; j < n; j++) best = w[j] > best ? w[j] : best;
  for (int64_t j = 0; j < n; j++) w[j] = TYPED(rnd_exp)(w[j] - best);
  for (int64_t j = 0; j < n; j++) sum += w[j];
  for (int64_t j = 0; j < n; j++) w[j] /= sum;
}

void NAME(rnd_attention_forward)(rnd_attention a, ptrdiff_t first_row, ptrdiff_t end_row) {
  const rnd_attention_rows *r = &a.at;
  const T *keys = a.of.keys, *query = a.of.query, *v = a.of.v, *features = a.of.features, *values = a.of.values;
  const T *feature_weight = a.of.feature_weight;
  T *weights = a.weights, *context = a.context;
  for (int64_t i = first_row; i < end_row; i++) {
    const int64_t start = r->start[i], place = r->place[i];
    const T *q = query + i * a.of.query_stride;
    T *w = weights + place, *c = context + i * a.context_stride;
    int64_t first, last;
    visible_positions(r, i, &first, &last);
    memset(w, 0, (size_t)r->length[i] * sizeof(T));
    memset(c, 0, (size_t)r->width * sizeof(T));
    if (first == last) continue;
    for (int64_t j = first; j < last; j++) {
      const T *key = keys + (start + j) * r->size;
      w[j] = v ? NAME(additive_score)(r, key, q, v, features + (place + j) * r->features, feature_weight)
               : NAME(dot_product)(key, q, r->size);
    }
    NAME(normalize_scores)(w + first, last - first);
    for (int64_t j = first; j < last; j++) NAME(add_scaled)(w[j], values + (start + j) * r->width, c, r->width);
  }
}

// With t = tanh(p) and g = d v (1 - t^2), the gradient of p: dv += d t, dkey += g, dquery += g; p becomes g.
RND_INLINE void NAME(tanh_backward)(T d, T *restrict p, const T *restrict v, T *restrict dv, T *restrict dkey,
                                    T *restrict dquery, int64_t n) {
  for (int64_t j = 0; j < n; j++) {
    const T t = TYPED(rnd_tanh)(p[j]);
    const T g = d * v[j] * (1 - t * t);
    dv[j] += d * t;
    dkey[j] += g;
    dquery[j] += g;
    p[j] = g;
  }
}

RND_INLINE void NAME(additive_backward)(const rnd_attention_rows *r, T d, const T *key, const T *query, const T *v,
                                        const T *feature, const T *feature_weight, T *d_key, T *d_query, T *d_v,
                                        T *d_feature, T *d_feature_weight) {
  T p[CHUNK];
  for (int64_t first = 0; first < r->size; first += CHUNK) {
    const int64_t n = r->size - first < CHUNK ? r->size - first : CHUNK;
    NAME(pre_activation)(r, key, query, feature, feature_weight, first, n, p);
    NAME(tanh_backward)(d, p, v + first, d_v + first, d_key + first, d_query + first, n);
    for (int64_t f = 0; f < r->features; f++) {
      d_feature[f] += NAME(dot_product)(p, feature_weight + f * r->size + first, n);
      NAME(add_scaled)(feature[f], p, d_feature_weight + f * r->size + first, n);
    }
  }
}

// w = softmax(e): de_j = w_j (dw_j - sum over k of w_k dw_k). In place over dw.
RND_INLINE void NAME(scores_backward)(const T *restrict w, T *restrict dw, int64_t n) {
  T sum = 0;
  for (int64_t j = 0; j < n; j++) sum += w[j] * dw[j];
  for (int64_t j = 0; j < n; j++) dw[j] = w[j] * (dw[j] - sum);
}

void NAME(rnd_attention_backward)(rnd_attention_gradient a, ptrdiff_t first_row, ptrdiff_t end_row) {
  const rnd_attention_rows *r = &a.at;
  const T *keys = a.of.keys, *query = a.of.query, *v = a.of.v, *features = a.of.features, *values = a.of.values;
  const T *feature_weight = a.of.feature_weight;
  const T *weights = a.weights, *d_context = a.d_context;
  T *d_weights = a.d_weights, *d_query = a.d_query, *d_keys = a.d_keys, *d_v = a.d_v, *d_features = a.d_features;
  const int64_t A = r->size, F = r->features;
  for (int64_t i = first_row; i < end_row; i++) {
    const int64_t start = r->start[i], place = r->place[i];
    const T *q = query + i * a.of.query_stride, *dc = d_context + i * a.context_stride;
    T *d = d_weights + place, *dq = d_query + i * a.d_query_stride;
    int64_t first, last;
    visible_positions(r, i, &first, &last);
    memset(dq, 0, (size_t)A * sizeof(T));
    if (F) memset(d_features + place * F, 0, (size_t)(r->length[i] * F) * sizeof(T));
    if (first == last) continue;
    for (int64_t j = first; j < last; j++) {
      d[j] += NAME(dot_product)(dc, values + (start + j) * r->width, r->width);
    }
    NAME(scores_backward)(weights + place + first, d + first, last - first);
    for (int64_t j = first; j < last; j++) {
      const T *key = keys + (start + j) * A;
      T *d_key = d_keys + (start + j) * A;
      if (v) {
        NAME(additive_backward)
        (r, d[j], key, q, v, features + (place + j) * F, feature_weight, d_key, dq, d_v, d_features + (place + j) * F,
         a.d_feature_weight);
      } else {
        NAME(add_scaled)(d[j], q, d_key, A);
        NAME(add_scaled)(d[j], key, dq, A);
      }
    }
  }
}

// Runs over one sentence at a time, so that its contexts' gradients and one row of d_values stay in cache.
void NAME(rnd_attention_values_backward)(rnd_attention_values_gradient a, ptrdiff_t first_row,
                                         ptrdiff_t end_row) {
  const rnd_attention_rows *r = &a.at;
  const T *weights = a.weights, *d_context = a.d_context;
  T *d_values = a.d_values;
  for (int64_t i = first_row; i < end_row; i++) {
    for (int64_t j = 0; j < r->length[i]; j++) {
      T *dh = d_values + (r->start[i] + j) * r->width;
      for (int64_t t = 0; t < a.steps[i]; t++) {
        NAME(add_scaled)
        (weights[a.step_place[t] + r->place[i] + j], d_context + (a.step_row[t] + i) * a.context_stride, dh, r->width);
      }
    }
  }
}

// The taps of a filter that fall inside the sentence at position j: [*from, *to).
RND_INLINE void NAME(visible_taps)(int64_t j, int64_t length, int64_t filter_width, int64_t *from, int64_t *to) {
  const int64_t half = filter_width / 2;
  *from = j < half ? half - j : 0;
  *to = length + half - j < filter_width ? length + half - j : filter_width;
}

void NAME(rnd_attention_features)(rnd_attention_position_features a) {
  const rnd_attention_rows *r = &a.at;
  const T *coverage = a.coverage, *previous = a.previous, *filter = a.filter;
  T *features = a.features;
  const int64_t channels = a.channels, filter_width = a.filter_width;
  const int64_t offset = coverage ? 1 : 0;
  for (int64_t i = 0; i < r->rows; i++) {
    const int64_t place = r->place[i], length = r->length[i];
    for (int64_t j = 0; j < length; j++) {
      T *y = features + (place + j) * r->features;
      if (coverage) y[0] = coverage[place + j];
      int64_t from, to;
      NAME(visible_taps)(j, length, filter_width, &from, &to);
      for (int64_t c = 0; c < channels; c++) {
        T sum = 0;
        for (int64_t k = from; k < to; k++) {
          sum += filter[c * filter_width + k] * previous[place + j + k - filter_width / 2];
        }
        y[offset + c] = sum;
      }
    }
  }
}

void NAME(rnd_attention_features_backward)(rnd_attention_position_features a) {
  const rnd_attention_rows *r = &a.at;
  const T *d_features = a.d_features, *previous = a.previous, *filter = a.filter;
  T *d_coverage = a.d_coverage, *d_previous = a.d_previous, *d_filter = a.d_filter;
  const int64_t channels = a.channels, filter_width = a.filter_width;
  const int64_t offset = d_coverage ? 1 : 0;
  for (int64_t i = 0; i < r->rows; i++) {
    const int64_t place = r->place[i], length = r->length[i];
    for (int64_t j = 0; j < length; j++) {
      const T *dy = d_features + (place + j) * r->features;
      if (d_coverage) d_coverage[place + j] += dy[0];
      int64_t from, to;
      NAME(visible_taps)(j, length, filter_width, &from, &to);
      for (int64_t c = 0; c < channels; c++) {
        const T d = dy[offset + c];
        for (int64_t k = from; k < to; k++) {
          const int64_t neighbor = place + j + k - filter_width / 2;
          d_previous[neighbor] += d * filter[c * filter_width + k];
          d_filter[c * filter_width + k] += d * previous[neighbor];
        }
      }
    }
  }
}

double NAME(rnd_coverage_loss)(rnd_coverage a) {
  const T scale = (T)a.scale, *weights = a.weights, *coverage = a.coverage;
  T *d_weights = a.d_weights, *d_coverage = a.d_coverage;
  double total = 0;
  for (int64_t j = 0; j < a.count; j++) {
    const int smaller = weights[j] < coverage[j];
    total += smaller ? weights[j] : coverage[j];
    if (!d_weights) continue;
    d_weights[j] += smaller ? scale : 0;
    d_coverage[j] += smaller ? 0 : scale;
  }
  return total;
}

#endif
