// One time step of each cell for a block of rows (sequences), forward and backward, everything elementwise in one pass.
// The matrix products around them are the caller's. All matrices are row-major with contiguous rows of the width given
// (H = hidden size): states [rows, H], LSTM gates [rows, 4H] in the order i f g o, GRU gates [rows, 3H] in the order
// r z n. `dbias` is added to; everything else is overwritten. Backward kernels work on the units `first` to
// `first + count` of every row, so that threads can share the units: a bias gradient is a sum over rows in order.
#ifndef RECURRENT_KERNELS_H
#define RECURRENT_KERNELS_H
#include <stdint.h>

#define RND_DECLARE(T, S)                                                                                          \
  /* gates: pre-activations without bias -> activations. c = f*c_prev + i*g, h = o*tanh(c). */                     \
  void rnd_lstm_forward_##S(int64_t rows, int64_t H, T *gates, const T *bias, const T *c_prev, T *c, T *h);        \
  /* gates: activations -> gradients of the pre-activations. dh_out + dh_next is the gradient of h; dc holds that  \
     of c from the next step and leaves with that of c_prev. */                                                    \
  void rnd_lstm_backward_##S(int64_t rows, int64_t H, int64_t first, int64_t count, T *gates, const T *c_prev,     \
                             const T *c, const T *dh_out, const T *dh_next, T *dc, T *dbias);                                                   \
  /* Reset after the product (PyTorch): x_gates become r z n, h_gates keep the product, its n part with bias. */   \
  void rnd_gru_forward_##S(int64_t rows, int64_t H, T *x_gates, T *h_gates, const T *x_bias, const T *h_bias,      \
                           const T *h_prev, T *h);                                                                 \
  /* x_gates, h_gates -> gradients of the two pre-activations; dh holds dL/dh from the next step and leaves with   \
     the part of dL/dh_prev that does not pass the recurrent product. */                                           \
  void rnd_gru_backward_##S(int64_t rows, int64_t H, int64_t first, int64_t count, T *x_gates, T *h_gates,         \
                            const T *h_prev, const T *dh_out, T *dh, T *dx_bias, T *dh_bias);                                                        \
  /* Reset before the product (Cho 2014, TensorFlow), first half: r and z activated, reset_h = r*h_prev. */        \
  void rnd_gru_before_gates_##S(int64_t rows, int64_t H, T *gates, const T *bias, const T *h_prev, T *reset_h);    \
  /* second half: n = tanh(n + bias), h = (1 - z)*n + z*h_prev. */                                                 \
  void rnd_gru_before_output_##S(int64_t rows, int64_t H, T *gates, const T *bias, const T *h_prev, T *h);         \
  /* Backward of the second half: n and z slots become gradients, dh leaves with z*dh. */                          \
  void rnd_gru_before_output_backward_##S(int64_t rows, int64_t H, T *gates, const T *h_prev, const T *dh_out,     \
                                          T *dh, T *dbias);                                                        \
  /* Backward of the first half, given d_reset_h: the r slot becomes a gradient, dh gains r*d_reset_h. */          \
  void rnd_gru_before_gates_backward_##S(int64_t rows, int64_t H, T *gates, const T *h_prev, const T *d_reset_h,   \
                                         T *dh, T *dbias);                                                         \
  /* h = f(pre + bias) (f: tanh or relu, codes of elementwise_kernels.h). */                                       \
  void rnd_rnn_forward_##S(int64_t rows, int64_t H, const T *pre, const T *bias, T *h, int activation);            \
  /* d_pre = (dh_out + dh_next) * f'(h). */                                                                        \
  void rnd_rnn_backward_##S(int64_t rows, int64_t H, int64_t first, int64_t count, const T *h, const T *dh_out,    \
                            const T *dh_next, T *d_pre, T *dbias, int activation);

RND_DECLARE(float, f32)
RND_DECLARE(double, f64)
#undef RND_DECLARE
#endif
