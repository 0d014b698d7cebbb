// How kernels are declared and called.
//
// A kernel takes one struct of named fields by value. `void *` fields point to elements of the type that the first argument
// of the call names; both variants come from one body (both_types.h). The double ones serve gradient checks and make no
// claim to speed. Matrices are row-major; "stride" is the distance of two rows in elements, and rows are contiguous where
// there is none. The header of a kernel says which fields are added to; all other results are overwritten.
#ifndef ELEMENT_H
#define ELEMENT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// The element type of a kernel's matrices.
typedef enum { rnd_f32, rnd_f64 } rnd_element;

// The files that define kernels see declarations alone: a function with variants for several instruction sets must not be
// called before its definition.
#ifdef RND_DEFINES_KERNELS
#define RND_CHOICE(declaration, body)
#else
#define RND_CHOICE(declaration, body) static inline declaration { body; }
#endif

/// Declares a kernel: its two variants, and `name(type, arguments)`, which chooses between them.
#define RND_KERNEL(Result, name, Arguments)          \
  Result name##_f32(Arguments a);                    \
  Result name##_f64(Arguments a);                    \
  RND_CHOICE(Result name(rnd_element type, Arguments a), return type == rnd_f32 ? name##_f32(a) : name##_f64(a))

/// Declares a kernel whose work threads can share. It does a part of the work: the items `first` to `end` (rows, units or
/// columns, as its comment says).
#define RND_SHARED_KERNEL(name, Arguments)                               \
  void name##_f32(Arguments a, ptrdiff_t first, ptrdiff_t end);          \
  void name##_f64(Arguments a, ptrdiff_t first, ptrdiff_t end);          \
  RND_CHOICE(void name(rnd_element type, Arguments a, ptrdiff_t first, ptrdiff_t end), \
             type == rnd_f32 ? name##_f32(a, first, end) : name##_f64(a, first, end))
#endif
