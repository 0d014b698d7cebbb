// Separate file: each cell declares its kernels in one header.
//
// One time step of the LSTM, elementwise; the caller computes the matrix products. States are [rows, units], gates
// [rows, 4 units] in the order i f g o.
#ifndef LSTM_KERNELS_H
#define LSTM_KERNELS_H
#include "element.h"

/// c = f c_previous + i g, h = o tanh(c). Threads share the rows.
typedef struct {
  ptrdiff_t units;
  void *gates;  // pre-activations without bias -> activations
  const void *bias, *c_previous;
  void *c, *h;
} rnd_lstm;
RND_SHARED_KERNEL(rnd_lstm_forward, rnd_lstm)

/// Its backward pass. Threads share the rows.
typedef struct {
  ptrdiff_t units;
  void *gates;  // activations -> gradients of the pre-activations
  const void *c_previous, *c;
  const void *dh_out;   // gradient of the output
  const void *dh_next;  // gradient of h from the next step
  void *dc;             // gradient of c from the next step -> gradient of c_previous
} rnd_lstm_gradient;
RND_SHARED_KERNEL(rnd_lstm_backward, rnd_lstm_gradient)
#endif
