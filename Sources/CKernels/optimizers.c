// Optimizer updates and reductions over flat buffers; formulas in include/optimizer_kernels.h.

#include "optimizer_kernels.h"

#include <stddef.h>
#include <string.h>

#include "kernel_support.h"

// A fused multiply-add rounds once where a product and a sum round twice: without this the clones for
// different instruction sets would give different bits.
#pragma STDC FP_CONTRACT OFF

// The builtin is the bare instruction: sqrt() of libm may set errno, so its loops aren't vectorised.
#define SQUARE_ROOT(x) __builtin_elementwise_sqrt(x)

#define T float
#define NAME(base) base##_f32
#define BITS uint32_t
#define EXPONENT 0x7f800000u
#include "optimizers_body.h"
#undef T
#undef NAME
#undef BITS
#undef EXPONENT

#define T double
#define NAME(base) base##_f64
#define BITS uint64_t
#define EXPONENT 0x7ff0000000000000u
#include "optimizers_body.h"
