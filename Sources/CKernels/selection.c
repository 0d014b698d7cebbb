#include "selection_kernels.h"

#include <float.h>

#include "vector_math.h"

double rnd_log(double x) { return log(x); }
double rnd_power(double x, double y) { return pow(x, y); }

// MARK: - The best of many

// A heap in three parallel arrays whose root is the worst candidate kept: a newcomer is compared with it alone.
typedef struct {
  double *score;
  int32_t *row;
  int32_t *token;
  int64_t count;
  int64_t limit;
} candidates;

static int is_worse(const candidates *h, int64_t i, int64_t j) {
  if (h->score[i] != h->score[j]) return h->score[i] < h->score[j];
  if (h->row[i] != h->row[j]) return h->row[i] > h->row[j];
  return h->token[i] > h->token[j];
}

static void swap_candidates(candidates *h, int64_t i, int64_t j) {
  double score = h->score[i];
  int32_t row = h->row[i], token = h->token[i];
  h->score[i] = h->score[j], h->row[i] = h->row[j], h->token[i] = h->token[j];
  h->score[j] = score, h->row[j] = row, h->token[j] = token;
}

static void sift_down(candidates *h, int64_t i, int64_t count) {
  for (int64_t child = 2 * i + 1; child < count; child = 2 * i + 1) {
    if (child + 1 < count && is_worse(h, child + 1, child)) child++;
    if (!is_worse(h, child, i)) return;
    swap_candidates(h, i, child);
    i = child;
  }
}

static void sift_up(candidates *h, int64_t i) {
  for (int64_t parent = (i - 1) / 2; i > 0 && is_worse(h, i, parent); parent = (i - 1) / 2) {
    swap_candidates(h, i, parent);
    i = parent;
  }
}

// Candidates come by ascending row and id, so one that only equals the worst loses against it.
static void offer(candidates *h, double score, int32_t row, int32_t token) {
  int64_t place = h->count < h->limit ? h->count : 0;
  if (h->count == h->limit && !(score > h->score[0])) return;
  h->score[place] = score, h->row[place] = row, h->token[place] = token;
  if (h->count < h->limit) {
    h->count++;
    sift_up(h, place);
  } else {
    sift_down(h, 0, h->count);
  }
}

// The worst goes to the end again and again: what remains is sorted, best first.
static void sort_best_first(candidates *h) {
  for (int64_t count = h->count; count > 1; count--) {
    swap_candidates(h, 0, count - 1);
    sift_down(h, 0, count - 1);
  }
}

// MARK: - Logarithm of 1 + y for 0 <= y <= 1

// The coefficients are those of Cephes' logf, for arguments between sqrt(1/2) and sqrt(2): 1 + y or its half. The
// argument of the polynomial is exact in both cases, so small y keep their full relative accuracy.
RND_INLINE float rnd_log1p_unit_f32(float y) {
  int halved = y > 0.41421356f;
  float f = halved ? (y - 1.0f) * 0.5f : y;
  float q = 7.0376836292e-2f;
  q = q * f - 1.1514610310e-1f;
  q = q * f + 1.1676998740e-1f;
  q = q * f - 1.2420140846e-1f;
  q = q * f + 1.4249322787e-1f;
  q = q * f - 1.6668057665e-1f;
  q = q * f + 2.0000714765e-1f;
  q = q * f - 2.4999993993e-1f;
  q = q * f + 3.3333331174e-1f;
  float z = f * f;
  return (q * f * z - 0.5f * z + f) + (halved ? 0.693147181f : 0.0f);
}

RND_INLINE double rnd_log1p_unit_f64(double y) { return log1p(y); }

#define T float
#define BITS uint32_t
#define LARGEST FLT_MAX
#define NEXT nextafterf
#define NAME(stem) stem##_f32
#include "selection_body.h"
#undef T
#undef BITS
#undef LARGEST
#undef NEXT
#undef NAME

#define T double
#define BITS uint64_t
#define LARGEST DBL_MAX
#define NEXT nextafter
#define NAME(stem) stem##_f64
#include "selection_body.h"
#undef T
#undef BITS
#undef LARGEST
#undef NEXT
#undef NAME
