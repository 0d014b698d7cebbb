// Separate file: each cell declares its kernels in one header.
//
// One time step of the basic recurrent cell. States are [rows, units].
#ifndef RNN_KERNELS_H
#define RNN_KERNELS_H
#include "element.h"

/// h = f(pre + bias) with f = tanh, or relu. Threads share the rows.
typedef struct {
  ptrdiff_t units;
  bool relu;
  const void *pre;   // W x + U h_previous
  const void *bias;  // [units]
  void *h;
} rnd_rnn;
RND_SHARED_KERNEL(rnd_rnn_forward, rnd_rnn)

/// d_pre = (dh_out + dh_next) f'(h). Threads share the rows.
typedef struct {
  ptrdiff_t units;
  bool relu;
  const void *h;
  const void *dh_out;   // gradient of the output
  const void *dh_next;  // gradient of h from the next step
  void *d_pre;
} rnd_rnn_gradient;
RND_SHARED_KERNEL(rnd_rnn_backward, rnd_rnn_gradient)
#endif
