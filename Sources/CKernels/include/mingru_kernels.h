// Separate file: each cell declares its kernels in one header.
//
// One time step of the minGRU, elementwise. States are [rows, units], gates [rows, 2 units] in the order z h~.
#ifndef MINGRU_KERNELS_H
#define MINGRU_KERNELS_H
#include "element.h"

/// h = (1 - z) h_previous + z h~, with z = sigmoid and h~ = x + 0.5 for x >= 0, sigmoid(x) otherwise. Threads share the rows.
typedef struct {
  ptrdiff_t units;
  void *gates;  // W x without bias -> z and h~
  const void *bias, *h_previous;
  void *h;
} rnd_mingru;
RND_SHARED_KERNEL(rnd_mingru_forward, rnd_mingru)

/// Its backward pass. Threads share the rows.
typedef struct {
  ptrdiff_t units;
  void *gates;  // z and h~ -> gradients of W x
  const void *h_previous;
  const void *dh_out;  // gradient of the output
  void *dh;            // gradient of h from the next step -> gradient of h_previous
} rnd_mingru_gradient;
RND_SHARED_KERNEL(rnd_mingru_backward, rnd_mingru_gradient)
#endif
