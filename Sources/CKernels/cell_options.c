#include "cell_option_kernels.h"

#include "vector_math.h"

#define T float
#define NAME(stem) stem##_f32
#include "cell_options_body.h"
#undef T
#undef NAME

#define T double
#define NAME(stem) stem##_f64
#include "cell_options_body.h"
#undef T
#undef NAME
