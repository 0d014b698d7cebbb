// Separate file: see memory_advice.h.
#define _DEFAULT_SOURCE  // madvise beside strict C11
#include "memory_advice.h"

#include <sys/mman.h>

void rnd_prefer_large_pages(void *memory, size_t bytes) {
#ifdef MADV_HUGEPAGE
  // A refusal changes nothing but the speed.
  (void)madvise(memory, bytes, MADV_HUGEPAGE);
#else
  (void)memory;
  (void)bytes;
#endif
}
