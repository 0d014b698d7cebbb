// Code that all kernel files share: run-time dispatch over instruction sets. Include it before the headers of kernels, see
// include/element.h.
#ifndef KERNEL_SUPPORT_H
#define KERNEL_SUPPORT_H
#define RND_DEFINES_KERNELS
#include <stdint.h>

// One ELF function per instruction set, chosen by the dynamic loader (ifunc), so that an ordinary build without unsafe
// flags runs at full vector width wherever it is started.
#if defined(__x86_64__) && defined(__linux__) && defined(__clang__)
#define RND_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define RND_CLONES
#endif

#define RND_INLINE static inline __attribute__((always_inline))

#endif
