// Separate file: all kernel files include it.
//
// Code that all kernel files share.
#ifndef KERNEL_SUPPORT_H
#define KERNEL_SUPPORT_H
#include <stdint.h>

#include "instruction_sets.h"

#define RND_INLINE static inline __attribute__((always_inline))

// Sums `count` lanes, a power of two, into the first: adds the upper half to the lower half until one is left.
#define RND_FOLD_LANES(lanes, count)                                  \
  for (int width = (count) / 2; width > 0; width /= 2) {              \
    for (int k = 0; k < width; k++) (lanes)[k] += (lanes)[k + width]; \
  }

// Joins three parts, each expanded first, into one name. The file is small because the rest is in every_set.h and
// variants.h. They are included several times, so they can't hold definitions that must occur once.
#define RND_JOIN(stem, suffix, set) RND_JOIN_EXPANDED(stem, suffix, set)
#define RND_JOIN_EXPANDED(stem, suffix, set) stem##suffix##set

#endif
