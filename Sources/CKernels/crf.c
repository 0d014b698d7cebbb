// K tags; L steps of sequence p. Messages stay in log space. After every step their maximum is subtracted and summed in
// double, so the precision of the messages does not depend on the length of a sequence.
#ifndef NAME  // Every variant is compiled from this file, see variants.h.
#include "vector_math.h"

#include "sequence_kernels.h"

// The score of a tag that a step can't have: low enough that e^score vanishes next to any other, and finite so that no
// difference of two scores is NaN.
#define FORBIDDEN (-1e30f)
#define LANES 16

#define BODY "crf.c"
#include "variants.h"
#else

typedef struct {
  const T *emission, *start, *end, *transition;
  T *d_emission, *d_start, *d_end, *d_transition;  // gradients; null: none
  int64_t stride, d_stride, K;
  rnd_packed_rows at;
  T *alpha;    // [L, K] forward messages, the largest of each step zero
  T *reach;    // [L, K] the same before the step's own emission and shift
  T *scratch;  // [2, K]
} NAME(crf);

// Subtracts the largest number of x from all of x and returns it.
RND_INLINE T NAME(crf_shift)(T *restrict x, int64_t n) {
  T largest = x[0];
  for (int64_t j = 1; j < n; j++) largest = x[j] > largest ? x[j] : largest;
  for (int64_t j = 0; j < n; j++) x[j] -= largest;
  return largest;
}

// reach[j] = log of the sum over i of e^(alpha[i] + transition[i][j])
RND_INLINE void NAME(crf_reach)(const T *restrict alpha, const T *restrict transition, int64_t K, T *restrict reach,
                                T *restrict largest) {
  for (int64_t j = 0; j < K; j++) largest[j] = alpha[0] + transition[j];
  for (int64_t i = 1; i < K; i++) {
    const T *row = transition + i * K;
    for (int64_t j = 0; j < K; j++) {
      T v = alpha[i] + row[j];
      largest[j] = v > largest[j] ? v : largest[j];
    }
  }
  memset(reach, 0, (size_t)K * sizeof(T));
  for (int64_t i = 0; i < K; i++) {
    const T *row = transition + i * K;
    for (int64_t j = 0; j < K; j++) reach[j] += TYPED(rnd_exp)(alpha[i] + row[j] - largest[j]);
  }
  for (int64_t j = 0; j < K; j++) reach[j] = largest[j] + (T)log((double)reach[j]);
}

// Fills alpha and reach, and the first row of scratch with the distribution of the last tag; returns the log of the sum
// over all paths of e^score. With `target`, only paths that agree with it count.
RND_INLINE double NAME(crf_forward)(const NAME(crf) *c, int64_t p, const int32_t *target) {
  int64_t K = c->K, L = c->at.length[p];
  double shift = 0;
  for (int64_t t = 0; t < L; t++) {
    int64_t row = c->at.offset[t] + p;
    T *alpha = c->alpha + t * K, *reach = c->reach + t * K;
    if (t == 0) memcpy(reach, c->start, (size_t)K * sizeof(T));
    else NAME(crf_reach)(alpha - K, c->transition, K, reach, c->scratch);
    for (int64_t j = 0; j < K; j++) alpha[j] = reach[j] + c->emission[row * c->stride + j];
    if (target && target[row] >= 0) {
      for (int64_t j = 0; j < K; j++) alpha[j] = j == target[row] ? alpha[j] : FORBIDDEN;
    }
    shift += (double)NAME(crf_shift)(alpha, K);
  }
  T *last = c->scratch;
  for (int64_t j = 0; j < K; j++) last[j] = c->alpha[(L - 1) * K + j] + c->end[j];
  shift += (double)NAME(crf_shift)(last, K);
  T sum = 0;
  for (int64_t j = 0; j < K; j++) {
    last[j] = TYPED(rnd_exp)(last[j]);
    sum += last[j];
  }
  for (int64_t j = 0; j < K; j++) last[j] /= sum;
  return shift + log((double)sum);
}

// One step back: turns the distribution q of the tag at a step into that of the previous tag. The probability of the pair
// (i, j) is q[j] e^(alpha[i] + transition[i][j] - reach[j]); `sign` times this probability is added to d_transition.
RND_INLINE void NAME(crf_step_back)(const T *restrict alpha, const T *restrict transition, const T *restrict reach,
                                    const T *restrict q, int64_t K, T sign, T *restrict previous,
                                    T *restrict d_transition) {
  int64_t whole = K - K % LANES;
  for (int64_t i = 0; i < K; i++) {
    const T *row = transition + i * K;
    T *d = d_transition + i * K;
    T sum[LANES] = {0};
    for (int64_t j = 0; j < whole; j += LANES) {
      for (int k = 0; k < LANES; k++) {
        T pair = q[j + k] * TYPED(rnd_exp)(alpha[i] + row[j + k] - reach[j + k]);
        d[j + k] += sign * pair;
        sum[k] += pair;
      }
    }
    for (int64_t j = whole; j < K; j++) {
      T pair = q[j] * TYPED(rnd_exp)(alpha[i] + row[j] - reach[j]);
      d[j] += sign * pair;
      sum[j - whole] += pair;
    }
    RND_FOLD_LANES(sum, LANES)
    previous[i] = sum[0];
  }
}

// Adds sign times the expected counts of tags and pairs (the gradient of the result of crf_forward) to the gradients.
RND_INLINE void NAME(crf_backward)(const NAME(crf) *c, int64_t p, T sign) {
  int64_t K = c->K, L = c->at.length[p];
  T *q = c->scratch, *previous = c->scratch + K;
  for (int64_t j = 0; j < K; j++) c->d_end[j] += sign * q[j];
  for (int64_t t = L - 1; t >= 0; t--) {
    T *d = c->d_emission + (c->at.offset[t] + p) * c->d_stride;
    for (int64_t j = 0; j < K; j++) d[j] += sign * q[j];
    if (t == 0) break;
    NAME(crf_step_back)(c->alpha + (t - 1) * K, c->transition, c->reach + t * K, q, K, sign, previous,
                        c->d_transition);
    T *swap = q;
    q = previous;
    previous = swap;
  }
  for (int64_t j = 0; j < K; j++) c->d_start[j] += sign * q[j];
}

// The score of the one path of a sequence whose steps all have targets; its counts are subtracted from the gradients.
RND_INLINE double NAME(crf_path)(const NAME(crf) *c, int64_t p, const int32_t *target) {
  int64_t K = c->K, L = c->at.length[p];
  int64_t first = target[c->at.offset[0] + p], last = target[c->at.offset[L - 1] + p];
  double score = (double)c->start[first] + (double)c->end[last];
  for (int64_t t = 0; t < L; t++) {
    int64_t row = c->at.offset[t] + p, tag = target[row];
    score += (double)c->emission[row * c->stride + tag];
    if (c->d_emission) c->d_emission[row * c->d_stride + tag] -= 1;
    if (t == 0) continue;
    int64_t pair = target[c->at.offset[t - 1] + p] * K + tag;
    score += (double)c->transition[pair];
    if (c->d_emission) c->d_transition[pair] -= 1;
  }
  if (c->d_emission) {
    c->d_start[first] -= 1;
    c->d_end[last] -= 1;
  }
  return score;
}

double NAME(rnd_crf_loss)(rnd_crf_likelihood a) {
  const rnd_packed_rows at = a.crf.at;
  const int32_t *target = a.target;
  const int64_t K = a.crf.tags, longest = at.count > 0 ? at.length[0] : 0;
  T *workspace = a.workspace, *d_emission = a.d_emission;
  NAME(crf) c = {.emission = a.crf.emission, .start = a.crf.start, .end = a.crf.end, .transition = a.crf.transition,
                 .d_emission = d_emission, .d_start = a.d_start, .d_end = a.d_end, .d_transition = a.d_transition,
                 .stride = a.crf.stride, .d_stride = a.d_stride, .K = K, .at = at, .alpha = workspace,
                 .reach = workspace + (longest + 1) * K, .scratch = workspace + 2 * (longest + 1) * K};
  double total = 0;
  for (int64_t p = 0; p < at.count; p++) {
    int64_t known = 0;
    for (int64_t t = 0; t < at.length[p]; t++) {
      int64_t row = at.offset[t] + p;
      known += target[row] >= 0;
      if (d_emission) memset(d_emission + row * a.d_stride, 0, (size_t)K * sizeof(T));
    }
    if (known == 0) continue;
    double all = NAME(crf_forward)(&c, p, 0);
    if (d_emission) NAME(crf_backward)(&c, p, 1);
    if (known == at.length[p]) {
      total += all - NAME(crf_path)(&c, p, target);
    } else {
      total += all - NAME(crf_forward)(&c, p, target);
      if (d_emission) NAME(crf_backward)(&c, p, -1);
    }
  }
  return total;
}

// best[j] = the largest over i of score[i] + transition[i][j], from[j] = its i, the first of equals
RND_INLINE void NAME(crf_best)(const T *restrict score, const T *restrict transition, int64_t K, T *restrict best,
                               int32_t *restrict from) {
  for (int64_t j = 0; j < K; j++) best[j] = score[0] + transition[j];
  memset(from, 0, (size_t)K * sizeof(int32_t));
  for (int64_t i = 1; i < K; i++) {
    const T *row = transition + i * K;
    for (int64_t j = 0; j < K; j++) {
      T v = score[i] + row[j];
      from[j] = v > best[j] ? (int32_t)i : from[j];
      best[j] = v > best[j] ? v : best[j];
    }
  }
}

void NAME(rnd_crf_viterbi)(rnd_crf_path a) {
  const rnd_packed_rows at = a.crf.at;
  const int64_t K = a.crf.tags;
  const T *start = a.crf.start, *end = a.crf.end, *transition = a.crf.transition, *emission = a.crf.emission;
  T *workspace = a.workspace;
  for (int64_t p = 0; p < at.count; p++) {
    T *score = workspace, *best = workspace + K;
    memcpy(score, start, (size_t)K * sizeof(T));
    for (int64_t t = 0; t < at.length[p]; t++) {
      if (t > 0) {
        NAME(crf_best)(score, transition, K, best, a.back + t * K);
        T *swap = score;
        score = best;
        best = swap;
      }
      const T *e = emission + (at.offset[t] + p) * a.crf.stride;
      for (int64_t j = 0; j < K; j++) score[j] += e[j];
      NAME(crf_shift)(score, K);
    }
    int32_t tag = 0;
    for (int64_t j = 1; j < K; j++) tag = score[j] + end[j] > score[tag] + end[tag] ? (int32_t)j : tag;
    for (int64_t t = at.length[p] - 1; t >= 0; t--) {
      a.path[at.offset[t] + p] = tag;
      if (t > 0) tag = a.back[t * K + tag];
    }
  }
}

#endif
