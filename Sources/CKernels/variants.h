// Compiles the file BODY once for each variant of its kernels: for float on every instruction set, and for double, which only
// serves gradient checks, on the portable set. It defines these macros:
//   T            the element type
//   NAME(stem)   stem_f32_avx2 and so on: a function of the variant
//   TYPED(stem)  stem_f32 or stem_f64: a function that all variants of the type share
//   BITS         an unsigned integer of the size of T
//   EXPONENT     the exponent bits of T, as BITS
//   LARGEST      the largest finite T
//   NEXT         nextafter of T
//   ELEMENTWISE  before a loop whose iterations are independent: no iteration uses an element that another one writes. The
//                compiler then vectorizes the loop without checks for overlapping memory. Loops of doubles call libm instead.
// No include guard: a file includes it in its first part, and the text between `#else` and `#endif` is the body.
#define T float
#define SUFFIX _f32
#define TYPED(stem) stem##_f32
#define BITS uint32_t
#define EXPONENT 0x7f800000u
#define LARGEST 3.402823466385288598117e+38f
#define NEXT nextafterf
#define ELEMENTWISE _Pragma("clang loop vectorize(assume_safety)")
#include "every_set.h"
#undef T
#undef SUFFIX
#undef TYPED
#undef BITS
#undef EXPONENT
#undef LARGEST
#undef NEXT
#undef ELEMENTWISE

#define T double
#define TYPED(stem) stem##_f64
#define NAME(stem) stem##_f64
#define BITS uint64_t
#define EXPONENT 0x7ff0000000000000u
#define LARGEST 1.797693134862315708145e+308
#define NEXT nextafter
#define ELEMENTWISE
#include BODY
#undef T
#undef TYPED
#undef NAME
#undef BITS
#undef EXPONENT
#undef LARGEST
#undef NEXT
#undef ELEMENTWISE
#undef BODY
