// One time step of the LSTM with options: peepholes, coupled gates, clipping, and a hidden state computed from a changed
// cell state. Gates are [rows, 4 units] in the order i f g o, or if coupled [rows, 3 units] in the order f g o with i = 1
// - f.
#ifndef EXTENDED_LSTM_KERNELS_H
#define EXTENDED_LSTM_KERNELS_H
#include "element.h"

/// `cell` computes c = clip(f c_previous + i g): the peepholes of i and f read c_previous, that of o reads c. `output`
/// computes h = o tanh(seen), where `seen` is c itself or the normalized c.
typedef struct {
  ptrdiff_t rows, units;
  bool coupled;
  double clip;
  void *gates;  // pre-activations without bias -> activations
  const void *bias;
  const void *peepholes;  // [3, units]: of i, f and o; coupled: of f and o
  const void *c_previous;
  void *c;
  const void *seen;
  void *h;
} rnd_extended_lstm;
RND_KERNEL(void, rnd_extended_lstm_cell, rnd_extended_lstm)
RND_KERNEL(void, rnd_extended_lstm_output, rnd_extended_lstm)

/// The backward passes. That of `output` comes first: it turns the o columns of the gates into gradients and computes
/// d_seen from dh. That of `cell` turns the other columns into gradients, given d_seen as the gradient of c through h.
typedef struct {
  ptrdiff_t rows, units;
  bool coupled;
  double clip;
  void *gates;
  const void *peepholes, *c_previous;
  const void *c, *seen, *dh;
  void *d_seen;
  void *dc;          // gradient of c from the next step -> gradient of c_previous
  void *dbias;       // added to
  void *dpeepholes;  // added to
} rnd_extended_lstm_gradient;
RND_KERNEL(void, rnd_extended_lstm_output_backward, rnd_extended_lstm_gradient)
RND_KERNEL(void, rnd_extended_lstm_cell_backward, rnd_extended_lstm_gradient)
#endif
