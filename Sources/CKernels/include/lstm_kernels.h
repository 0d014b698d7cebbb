// Separate file: each cell declares its kernels in one header.
//
// The LSTM. States are [rows, units], gates [rows, 4 units] in the order i f g o.
#ifndef LSTM_KERNELS_H
#define LSTM_KERNELS_H
#include "element.h"
#include "product_kernels.h"

/// One time step without its matrix product: c = f c_previous + i g, h = o tanh(c). Threads share the rows. Only `width`
/// units are computed, and the pointers point to the first of them; rows are still `units` apart.
typedef struct {
  ptrdiff_t units, width;
  void *gates;  // pre-activations without bias -> activations
  const void *bias, *c_previous;
  void *c, *h;
} rnd_lstm;
RND_SHARED_KERNEL(rnd_lstm_forward, rnd_lstm)

/// Time steps of a few sequences in single precision with their products: gates += h_previous W, then the step above. Threads
/// share the units and wait for each other once per step. Requires units in multiples of RND_LSTM_GROUP, at most
/// RND_LSTM_ROWS rows, and products in fp32 or bf16.
typedef struct {
  ptrdiff_t rows, steps;
  rnd_lstm cell;           // of the first step, all units
  const void *h_previous;  // of the first step; the step's h becomes that of the next
  const void *weights;     // W [units, 4 units], packed
  rnd_product_mode mode;
} rnd_lstm_steps;
enum { RND_LSTM_GROUP = 64, RND_LSTM_ROWS = 6 };
void rnd_lstm_run(rnd_lstm_steps a);

/// The backward pass of a step. Threads share the rows.
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
