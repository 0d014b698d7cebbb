// The umbrella header of the vector kernels. Every kernel exists for float (_f32) and double (_f64); the double ones
// serve gradient checks and make no claim to speed.
#ifndef CKERNELS_H
#define CKERNELS_H
#include "attention_kernels.h"
#include "cell_option_kernels.h"
#include "crf_kernels.h"
#include "elementwise_kernels.h"
#include "optimizer_kernels.h"
#include "output_kernels.h"
#include "packed_rows.h"
#include "pooling_kernels.h"
#include "product_kernels.h"
#include "product_record.h"
#include "random_kernels.h"
#include "recurrent_kernels.h"
#include "selection_kernels.h"
#include "softmax_kernels.h"
#include "step_profile.h"
#include "thread_pool.h"
#endif
