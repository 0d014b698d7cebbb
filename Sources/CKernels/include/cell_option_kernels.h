// What the options of cells and of their stacks compute elementwise: variants of the LSTM, zoneout, masks, highway
// connections and layer normalization. Matrices are row-major; rows are contiguous unless a stride is given. "n" counts
// elements of contiguous blocks. What is added to is said; everything else is overwritten.
#ifndef CELL_OPTION_KERNELS_H
#define CELL_OPTION_KERNELS_H
#include <stdint.h>

#define RND_DECLARE(T, S)                                                                                           \
  /* LSTM with peepholes p = (p_i, p_f, p_o), [3, H] (coupled: p_f, p_o), and clipping. Gates [rows, 4H] in the order i f g o, or if      \
     coupled [rows, 3H] in the order f g o with i = 1 - f: pre-activations without bias -> activations.               \
     c = clip(f*c_prev + i*g); i and f see c_prev through their peepholes, o sees c. */                               \
  void rnd_lstm_option_cell_##S(int64_t rows, int64_t H, int coupled, T clip, T *gates, const T *bias,                \
                                const T *peepholes, const T *c_prev, T *c);                                           \
  /* h = o*tanh(m), o the last of `count` blocks of a row of gates. */                                                \
  void rnd_lstm_option_output_##S(int64_t rows, int64_t H, int count, const T *gates, const T *m, T *h);              \
  /* From the gradient of h: the o slot of the gates becomes that of o's pre-activation, dm that of m. */             \
  void rnd_lstm_option_output_backward_##S(int64_t rows, int64_t H, int count, T *gates, const T *m, const T *dh,     \
                                           T *dm);                                                                    \
  /* The rest of the backward step: dc holds the gradient of c from the next step, dm what came through h; leaves      \
     with that of c_prev. Gates become gradients; dbias and dpeepholes are added to. */                               \
  void rnd_lstm_option_cell_backward_##S(int64_t rows, int64_t H, int coupled, T clip, T *gates, const T *peepholes,  \
                                         const T *c_prev, const T *c, const T *dm, T *dc, T *dbias, T *dpeepholes);   \
  /* x = x limited to [-bound, bound]. */                                                                             \
  void rnd_clip_##S(T *x, int64_t n, T bound);                                                                        \
  /* d = 0 where x has been limited. */                                                                               \
  void rnd_clip_backward_##S(T *d, const T *x, int64_t n, T bound);                                                   \
  /* out = x*y; out may be x. */                                                                                      \
  void rnd_multiply_##S(const T *x, const T *y, T *out, int64_t n);                                                   \
  /* out += x*y. */                                                                                                   \
  void rnd_multiply_add_##S(const T *x, const T *y, T *out, int64_t n);                                               \
  /* Zoneout: out is `previous` where the mask is 0 and `candidate` elsewhere; without a mask (null) the mean of that. */ \
  void rnd_zoneout_##S(const T *previous, const T *candidate, const T *mask, T rate, T *out, int64_t n);              \
  /* d + dout (null: none) is the gradient of out: d becomes that of the candidate, kept that of `previous`. */       \
  void rnd_zoneout_backward_##S(T *d, const T *dout, const T *mask, T rate, T *kept, int64_t n);                      \
  /* out = x + gate*(y - x). */                                                                                       \
  void rnd_highway_##S(const T *gate, const T *x, const T *y, T *out, int64_t n);                                     \
  /* gate: activation of a sigmoid -> gradient of its pre-activation; dx, dy from the gradient of out. */             \
  void rnd_highway_backward_##S(T *gate, const T *x, const T *y, const T *dout, T *dx, T *dy, int64_t n);             \
  /* For each row xhat = (x - mean)/sqrt(variance + epsilon), x = gain*xhat + bias (null: none);                      \
     rstd[row*rstd_stride] keeps 1/sqrt(variance + epsilon). */                                                       \
  void rnd_layer_norm_##S(int64_t rows, int64_t columns, T *x, int64_t stride, const T *gain, const T *bias,          \
                          T *xhat, int64_t xhat_stride, T *rstd, int64_t rstd_stride);                                \
  /* d: gradient of the result -> gradient of x. dgain and dbias (null: none) are added to. */                        \
  void rnd_layer_norm_backward_##S(int64_t rows, int64_t columns, T *d, int64_t stride, const T *gain, const T *xhat, \
                                   int64_t xhat_stride, const T *rstd, int64_t rstd_stride, T *dgain, T *dbias);

RND_DECLARE(float, f32)
RND_DECLARE(double, f64)
#undef RND_DECLARE
#endif
