// Advice to the system about memory.
// Separate file: there is one piece of advice only, and the kernels don't need it.
#ifndef MEMORY_ADVICE_H
#define MEMORY_ADVICE_H
#include <stddef.h>

/// The size of a large page, 2 MiB on x86-64 and on 64-bit ARM with pages of 4 KiB.
enum { RND_LARGE_PAGE = 2 << 20 };

/// Asks for large pages where the system gives them on request (Linux: transparent_hugepage is `madvise`). Reading a large
/// matrix then needs fewer translations of addresses than the processor keeps. Has no effect elsewhere.
void rnd_prefer_large_pages(void *memory, size_t bytes);
#endif
