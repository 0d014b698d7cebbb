// The way kernels are declared and called.
//
// A kernel takes one struct of named fields by value. `void *` fields point to elements of the type that the first argument
// of the call names; all variants come from one body (variants.h). The double variants are for gradient checks and are
// not fast. Matrices are row-major; "stride" is the distance between two rows in elements, and rows are contiguous if
// there is none. The comment of a kernel names the fields that are added to; all other results are overwritten.
#ifndef ELEMENT_H
#define ELEMENT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "instruction_sets.h"

/// The element type of a kernel's matrices.
typedef enum { rnd_f32, rnd_f64 } rnd_element;

/// Numbers that a kernel reads.
typedef struct {
  ptrdiff_t count;
  const void *x;
} rnd_numbers;

/// Declares a kernel: its variants, and `name(type, arguments)`, which chooses between them.
#define RND_KERNEL(Result, name, Arguments)                                \
  RND_VARIANTS(Result, name, (Arguments a))                                \
  static inline Result name(rnd_element type, Arguments a) {               \
    static Result (*const floats[])(Arguments) = RND_FLOAT_VARIANTS(name); \
    return type == rnd_f32 ? floats[rnd_vector_set()](a) : name##_f64(a);  \
  }

/// Declares a kernel whose work threads can share. A call does a part of the work: the items `first` to `end`, which are
/// rows, units or columns as documented for the kernel.
#define RND_SHARED_KERNEL(name, Arguments)                                                           \
  RND_VARIANTS(void, name, (Arguments a, ptrdiff_t first, ptrdiff_t end))                            \
  static inline void name(rnd_element type, Arguments a, ptrdiff_t first, ptrdiff_t end) {           \
    static void (*const floats[])(Arguments, ptrdiff_t, ptrdiff_t) = RND_FLOAT_VARIANTS(name);       \
    type == rnd_f32 ? floats[rnd_vector_set()](a, first, end) : name##_f64(a, first, end);           \
  }

// One variant for doubles; for floats one for each set, in the order of rnd_vector_set.
#define RND_VARIANTS(Result, name, parameters) \
  Result name##_f64 parameters;                \
  Result name##_f32_portable parameters;       \
  RND_X86_VARIANTS(Result, name, parameters)
#if RND_HAS_X86_SETS
#define RND_X86_VARIANTS(Result, name, parameters) \
  Result name##_f32_avx2 parameters;               \
  Result name##_f32_avx512 parameters;
#define RND_FLOAT_VARIANTS(name) {name##_f32_portable, name##_f32_avx2, name##_f32_avx512}
#else
#define RND_X86_VARIANTS(Result, name, parameters)
#define RND_FLOAT_VARIANTS(name) {name##_f32_portable}
#endif
#endif
