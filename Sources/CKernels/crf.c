#include "crf_kernels.h"

#include "vector_math.h"

// The score of a tag that a step can't have: low enough that e^score vanishes beside any other, finite so that no
// difference of two becomes a NaN.
#define FORBIDDEN (-1e30f)

#define T float
#define NAME(stem) stem##_f32
#include "crf_body.h"
#undef T
#undef NAME

#define T double
#define NAME(stem) stem##_f64
#include "crf_body.h"
#undef T
#undef NAME
