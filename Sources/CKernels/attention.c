#include "attention_kernels.h"

#include "vector_math.h"

// Partial sums kept by a reduction: their fixed order gives the same bits at every vector width.
#define LANES 16
// Units of a score treated at a time, a multiple of LANES: their pre-activations stay in the first-level cache.
#define CHUNK 256

// The positions of row i that weigh anything: [*first, *last).
RND_INLINE void visible_positions(const rnd_attention_rows *r, int64_t i, int64_t *first, int64_t *last) {
  const int64_t length = r->length[i];
  *first = 0;
  *last = length;
  if (r->window < 0 || length == 0) return;
  const int64_t center = r->center < length - 1 ? r->center : length - 1;
  if (center - r->window > 0) *first = center - r->window;
  if (center + r->window + 1 < length) *last = center + r->window + 1;
}

#define T float
#define NAME(stem) stem##_f32
#include "attention_body.h"
#undef T
#undef NAME

#define T double
#define NAME(stem) stem##_f64
#include "attention_body.h"
#undef T
#undef NAME
