// Its own file: all kernel files include it.
//
// Code that all kernel files share.
#ifndef KERNEL_SUPPORT_H
#define KERNEL_SUPPORT_H
#include <stdint.h>

#include "instruction_sets.h"

#define RND_INLINE static inline __attribute__((always_inline))

// One name of three parts, each expanded first. The file is small because the rest is in every_set.h and variants.h, which
// are included several times and so can hold nothing that must be defined once.
#define RND_JOIN(stem, suffix, set) RND_JOIN_EXPANDED(stem, suffix, set)
#define RND_JOIN_EXPANDED(stem, suffix, set) stem##suffix##set

#endif
