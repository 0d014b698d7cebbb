// Separate file: it is included once for every instruction set.
//
// Compiles the file BODY once for each instruction set. NAME(stem) is stem, then SUFFIX (which the includer defines, possibly
// as nothing), then the name of the set. This needs no build flags, because the set is an attribute of all functions of
// the body.
//
// Functions without this attribute, such as those of vector_math.h, are compiled for the set of the function that they are
// inlined into. No include guard.
#define NAME(stem) RND_JOIN(stem, SUFFIX, _portable)
#include BODY
#undef NAME

#if RND_HAS_X86_SETS
#pragma clang attribute push(__attribute__((target("arch=x86-64-v3"))), apply_to = function)
#define NAME(stem) RND_JOIN(stem, SUFFIX, _avx2)
#include BODY
#undef NAME
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("arch=x86-64-v4"))), apply_to = function)
#define NAME(stem) RND_JOIN(stem, SUFFIX, _avx512)
#include BODY
#undef NAME
#pragma clang attribute pop
#endif
