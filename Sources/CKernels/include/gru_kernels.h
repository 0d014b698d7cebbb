// One time step of the GRU, elementwise; the caller computes the matrix products. States are [rows, units], gates
// [rows, 3 units] in the order r z n.
#ifndef GRU_KERNELS_H
#define GRU_KERNELS_H
#include "element.h"

/// Reset after the product (PyTorch). Threads share the rows.
typedef struct {
  ptrdiff_t units;
  void *x_gates;  // W x -> r z n
  void *h_gates;  // U h_previous; the part of n becomes that with its bias
  const void *x_bias, *h_bias, *h_previous;
  void *h;
} rnd_gru;
RND_SHARED_KERNEL(rnd_gru_forward, rnd_gru)

/// Its backward pass. Threads share the rows.
typedef struct {
  ptrdiff_t units;
  void *x_gates;  // -> gradient of W x
  void *h_gates;  // -> gradient of U h_previous
  const void *h_previous;
  const void *dh_out;  // gradient of the output
  void *dh;            // gradient of h from the next step -> that of h_previous without the part through U
} rnd_gru_gradient;
RND_SHARED_KERNEL(rnd_gru_backward, rnd_gru_gradient)

/// Reset before the product (Cho 2014, TensorFlow). It has two halves, with the product U_n (r h_previous) between them:
/// `gates` activates r and z and computes reset_h = r h_previous; `output` activates n and computes h. Threads share the rows.
typedef struct {
  ptrdiff_t units;
  void *gates;  // pre-activations without bias -> activations
  const void *bias, *h_previous;
  void *reset_h, *h;
} rnd_gru_before;
RND_SHARED_KERNEL(rnd_gru_before_gates, rnd_gru_before)
RND_SHARED_KERNEL(rnd_gru_before_output, rnd_gru_before)

/// The backward passes of both halves, the second half first. It turns the n and z columns of the gates into gradients and
/// dh into z dh; the first half turns the r columns into gradients and adds r d_reset_h to dh. Threads share the rows.
typedef struct {
  ptrdiff_t units;
  void *gates;
  const void *h_previous, *dh_out, *d_reset_h;
  void *dh;
} rnd_gru_before_gradient;
RND_SHARED_KERNEL(rnd_gru_before_output_backward, rnd_gru_before_gradient)
RND_SHARED_KERNEL(rnd_gru_before_gates_backward, rnd_gru_before_gradient)
#endif
