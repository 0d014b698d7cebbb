// One case for each kernel or pair of kernels. Sizes come from the run; strides exceed widths by three.
#include <math.h>
#include <stddef.h>

#include "attention_kernels.h"
#include "cell_option_kernels.h"
#include "checks.h"
#include "elementwise_kernels.h"
#include "extended_lstm_kernels.h"
#include "gru_kernels.h"
#include "lstm_kernels.h"
#include "mingru_kernels.h"
#include "optimizer_kernels.h"
#include "output_kernels.h"
#include "random_kernels.h"
#include "rnn_kernels.h"
#include "selection_kernels.h"
#include "sequence_kernels.h"
#include "thread_pool.h"

// MARK: Cells

static void rnn(check_run *r) {
  const int64_t n = r->rows, H = r->width;
  for (int relu = 0; relu < 2; relu++) {
    const rnd_rnn a = {.units = H, .relu = relu, .pre = numbers(r, n * H), .bias = numbers(r, H), .h = numbers(r, n * H)};
    rnd_rnn_forward(r->type, a, 0, n);
    expect_numbers(r, a.h, n * H);
    const rnd_rnn_gradient g = {.units = H, .relu = relu, .h = a.h, .dh_out = numbers(r, n * H),
                                .dh_next = numbers(r, n * H), .d_pre = numbers(r, n * H)};
    // In two parts, as with two threads.
    rnd_rnn_backward(r->type, g, 0, n / 2);
    rnd_rnn_backward(r->type, g, n / 2, n);
    expect_numbers(r, g.d_pre, n * H);
  }
}

static void lstm(check_run *r) {
  const int64_t n = r->rows, H = r->width;
  const rnd_lstm a = {.units = H, .width = H, .gates = numbers_between(r, n * 4 * H, -4, 4), .bias = numbers(r, 4 * H),
                      .c_previous = numbers(r, n * H), .c = numbers(r, n * H), .h = numbers(r, n * H)};
  rnd_lstm_forward(r->type, a, 0, n / 2);
  rnd_lstm_forward(r->type, a, n / 2, n);
  expect_numbers(r, a.gates, n * 4 * H);
  expect_numbers(r, a.c, n * H);
  expect_numbers(r, a.h, n * H);
  const rnd_lstm_gradient g = {.units = H, .gates = a.gates, .c_previous = a.c_previous, .c = a.c,
                               .dh_out = numbers(r, n * H), .dh_next = numbers(r, n * H), .dc = numbers(r, n * H)};
  rnd_lstm_backward(r->type, g, 0, n / 2);
  rnd_lstm_backward(r->type, g, n / 2, n);
  expect_numbers(r, g.gates, n * 4 * H);
  expect_numbers(r, g.dc, n * H);
}

// Element i of a block.
static void *at(const check_run *r, void *x, int64_t i) { return (char *)x + i * (r->type == rnd_f32 ? 4 : 8); }

static void lstm_steps(check_run *r) {
  const int64_t n = r->rows, H = r->width / RND_LSTM_GROUP * RND_LSTM_GROUP, steps = 3;
  if (H == 0 || n > RND_LSTM_ROWS) return;
  void *gates = numbers(r, steps * n * 4 * H), *weights = numbers_between(r, H * 4 * H, -0.1, 0.1);
  void *c = numbers(r, (steps + 1) * n * H), *h = numbers(r, (steps + 1) * n * H);
  rnd_lstm step = {.units = H, .width = H, .gates = gates, .bias = numbers(r, 4 * H), .c_previous = c,
                   .c = at(r, c, n * H), .h = at(r, h, n * H)};
  if (r->type == rnd_f32) {
    const rnd_product_mode mode = {.set = rnd_set_in_use(), .precision = rnd_fp32};
    void *packed = memory(r, rnd_packed_words(H, 4 * H, mode) * 4);
    rnd_pack((rnd_packing){.source = {weights, 4 * H, 1}, .depth = H, .columns = 4 * H, .packed = packed, .mode = mode});
    // With two units of work at most, the third thread has nothing to do.
    rnd_set_thread_count(n % 2 ? 3 : 1);
    rnd_lstm_run((rnd_lstm_steps){.rows = n, .steps = steps, .cell = step, .h_previous = h,
                                  .weights = packed, .mode = mode});
    rnd_set_thread_count(1);
  } else {
    for (int64_t t = 0; t < steps; t++) {
      for (int64_t i = 0; i < n * 4 * H; i++) {
        double sum = number(r, gates, t * n * 4 * H + i);
        for (int64_t k = 0; k < H; k++) {
          sum += number(r, h, (t * n + i / (4 * H)) * H + k) * number(r, weights, k * 4 * H + i % (4 * H));
        }
        set_number(r, gates, t * n * 4 * H + i, sum);
      }
      rnd_lstm_forward(r->type, step, 0, n);
      step.gates = at(r, step.gates, n * 4 * H);
      step.c_previous = step.c;
      step.c = at(r, step.c, n * H);
      step.h = at(r, step.h, n * H);
    }
  }
  expect_numbers(r, gates, steps * n * 4 * H);
  expect_numbers(r, c, (steps + 1) * n * H);
  expect_numbers(r, h, (steps + 1) * n * H);
}

static void gru(check_run *r) {
  const int64_t n = r->rows, H = r->width;
  const rnd_gru a = {.units = H, .x_gates = numbers(r, n * 3 * H), .h_gates = numbers(r, n * 3 * H),
                     .x_bias = numbers(r, 3 * H), .h_bias = numbers(r, 3 * H), .h_previous = numbers(r, n * H),
                     .h = numbers(r, n * H)};
  rnd_gru_forward(r->type, a, 0, n / 2);
  rnd_gru_forward(r->type, a, n / 2, n);
  expect_numbers(r, a.x_gates, n * 3 * H);
  expect_numbers(r, a.h, n * H);
  const rnd_gru_gradient g = {.units = H, .x_gates = a.x_gates, .h_gates = a.h_gates,
                              .h_previous = a.h_previous, .dh_out = numbers(r, n * H), .dh = numbers(r, n * H)};
  rnd_gru_backward(r->type, g, 0, n / 2);
  rnd_gru_backward(r->type, g, n / 2, n);
  expect_numbers(r, g.x_gates, n * 3 * H);
  expect_numbers(r, g.h_gates, n * 3 * H);
  expect_numbers(r, g.dh, n * H);
}

static void gru_before(check_run *r) {
  const int64_t n = r->rows, H = r->width;
  const rnd_gru_before a = {.units = H, .gates = numbers(r, n * 3 * H), .bias = numbers(r, 3 * H),
                            .h_previous = numbers(r, n * H), .reset_h = numbers(r, n * H), .h = numbers(r, n * H)};
  rnd_gru_before_gates(r->type, a, 0, n / 2);
  rnd_gru_before_gates(r->type, a, n / 2, n);
  rnd_gru_before_output(r->type, a, 0, n / 2);
  rnd_gru_before_output(r->type, a, n / 2, n);
  expect_numbers(r, a.gates, n * 3 * H);
  expect_numbers(r, a.reset_h, n * H);
  expect_numbers(r, a.h, n * H);
  const rnd_gru_before_gradient g = {.units = H, .gates = a.gates, .h_previous = a.h_previous,
                                     .dh_out = numbers(r, n * H), .d_reset_h = numbers(r, n * H),
                                     .dh = numbers(r, n * H)};
  rnd_gru_before_output_backward(r->type, g, 0, n / 2);
  rnd_gru_before_output_backward(r->type, g, n / 2, n);
  rnd_gru_before_gates_backward(r->type, g, 0, n / 2);
  rnd_gru_before_gates_backward(r->type, g, n / 2, n);
  expect_numbers(r, g.gates, n * 3 * H);
  expect_numbers(r, g.dh, n * H);
}

static void mingru(check_run *r) {
  const int64_t n = r->rows, H = r->width;
  const rnd_mingru a = {.units = H, .gates = numbers(r, n * 2 * H), .bias = numbers(r, 2 * H),
                        .h_previous = numbers(r, n * H), .h = numbers(r, n * H)};
  rnd_mingru_forward(r->type, a, 0, n / 2);
  rnd_mingru_forward(r->type, a, n / 2, n);
  expect_numbers(r, a.gates, n * 2 * H);
  expect_numbers(r, a.h, n * H);
  const rnd_mingru_gradient g = {.units = H, .gates = a.gates, .h_previous = a.h_previous,
                                 .dh_out = numbers(r, n * H), .dh = numbers(r, n * H)};
  rnd_mingru_backward(r->type, g, 0, n / 2);
  rnd_mingru_backward(r->type, g, n / 2, n);
  expect_numbers(r, g.gates, n * 2 * H);
  expect_numbers(r, g.dh, n * H);
}

static void extended_lstm(check_run *r) {
  const int64_t n = r->rows, H = r->width;
  for (int coupled = 0; coupled < 2; coupled++) {
    const int64_t G = coupled ? 3 : 4, P = coupled ? 2 : 3;
    rnd_extended_lstm a = {.rows = n, .units = H, .coupled = coupled, .clip = 0.6, .gates = numbers(r, n * G * H),
                           .bias = numbers(r, G * H), .peepholes = numbers(r, P * H), .c_previous = numbers(r, n * H),
                           .c = numbers(r, n * H), .h = numbers(r, n * H)};
    rnd_extended_lstm_cell(r->type, a);
    a.seen = a.c;
    rnd_extended_lstm_output(r->type, a);
    expect_numbers(r, a.gates, n * G * H);
    expect_numbers(r, a.c, n * H);
    expect_numbers(r, a.h, n * H);
    const rnd_extended_lstm_gradient g = {
        .rows = n, .units = H, .coupled = coupled, .clip = 0.6, .gates = a.gates, .peepholes = a.peepholes,
        .c_previous = a.c_previous, .c = a.c, .seen = a.c, .dh = numbers(r, n * H), .d_seen = numbers(r, n * H),
        .dc = numbers(r, n * H), .dbias = numbers(r, G * H), .dpeepholes = numbers(r, P * H)};
    rnd_extended_lstm_output_backward(r->type, g);
    rnd_extended_lstm_cell_backward(r->type, g);
    expect_numbers(r, g.gates, n * G * H);
    expect_numbers(r, g.dc, n * H);
    expect_numbers(r, g.dbias, G * H);
    expect_numbers(r, g.dpeepholes, P * H);
  }
}

// MARK: Options of cells

static void clipping(check_run *r) {
  const int64_t n = r->rows * r->width;
  const rnd_clipping a = {.count = n, .bound = 0.5, .x = numbers(r, n), .d = numbers(r, n)};
  rnd_clip(r->type, a);
  expect_numbers(r, a.x, n);
  rnd_clip_backward(r->type, a);
  expect_numbers(r, a.d, n);
}

static void factors(check_run *r) {
  const int64_t n = r->rows * r->width;
  const rnd_factors a = {.count = n, .x = numbers(r, n), .y = numbers(r, n), .out = numbers(r, n)};
  rnd_multiply_add(r->type, a);
  expect_numbers(r, a.out, n);
  rnd_multiply(r->type, a);
  expect_numbers(r, a.out, n);
}

static void zoneout(check_run *r) {
  const int64_t n = r->rows * r->width;
  for (int has_mask = 0; has_mask < 2; has_mask++) {
    void *mask = numbers(r, n);
    for (int64_t i = 0; i < n; i++) set_number(r, mask, i, number(r, mask, i) > 0);
    const rnd_zoneout_step a = {.count = n, .rate = 0.3, .mask = has_mask ? mask : NULL, .previous = numbers(r, n),
                                .candidate = numbers(r, n), .out = numbers(r, n)};
    rnd_zoneout(r->type, a);
    expect_numbers(r, a.out, n);
    const rnd_zoneout_gradient g = {.count = n, .rate = 0.3, .mask = a.mask, .d_out = has_mask ? numbers(r, n) : NULL,
                                    .d = numbers(r, n), .kept = numbers(r, n)};
    rnd_zoneout_backward(r->type, g);
    expect_numbers(r, g.d, n);
    expect_numbers(r, g.kept, n);
  }
}

static void highway(check_run *r) {
  const int64_t n = r->rows * r->width;
  const rnd_highway a = {.count = n, .gate = numbers_between(r, n, 0, 1), .x = numbers(r, n), .y = numbers(r, n),
                         .out = numbers(r, n), .d_out = numbers(r, n), .dx = numbers(r, n), .dy = numbers(r, n)};
  rnd_highway_forward(r->type, a);
  expect_numbers(r, a.out, n);
  rnd_highway_backward(r->type, a);
  expect_numbers(r, a.gate, n);
  expect_numbers(r, a.dx, n);
  expect_numbers(r, a.dy, n);
}

static void layer_norm(check_run *r) {
  const int64_t n = r->rows, W = r->width, stride = W + 3;
  // The variance of few numbers may be so small that its root magnifies the rounding of single precision.
  if (W < 15) return;
  const rnd_layer_norm a = {.rows = n, .columns = W, .x = matrix(r, n, W, stride), .stride = stride,
                            .gain = numbers(r, W), .bias = n > 1 ? numbers(r, W) : NULL,
                            .normalized = matrix(r, n, W, stride), .normalized_stride = stride,
                            .scale = matrix(r, n, 1, 2), .scale_stride = 2};
  rnd_layer_norm_forward(r->type, a);
  expect_matrix(r, a.x, n, W, stride);
  expect_matrix(r, a.normalized, n, W, stride);
  expect_matrix(r, a.scale, n, 1, 2);
  const rnd_layer_norm_gradient g = {.rows = n, .columns = W, .d = matrix(r, n, W, stride), .stride = stride,
                                     .gain = a.gain, .normalized = a.normalized, .normalized_stride = stride,
                                     .scale = a.scale, .scale_stride = 2, .dgain = numbers(r, W),
                                     .dbias = n > 1 ? numbers(r, W) : NULL};
  rnd_layer_norm_backward(r->type, g);
  expect_matrix(r, g.d, n, W, stride);
  expect_numbers(r, g.dgain, W);
  if (g.dbias) expect_numbers(r, g.dbias, W);
}

// MARK: Rows

static void activations(check_run *r) {
  const int64_t n = r->rows, W = r->width, stride = W + 3;
  for (int activation = rnd_identity; activation <= rnd_exponential; activation++) {
    const rnd_activation a = {.rows = n, .columns = W, .y = matrix(r, n, W, stride), .stride = stride,
                              .bias = activation % 2 ? numbers(r, W) : NULL, .activation = activation};
    rnd_activate(r->type, a);
    expect_matrix(r, a.y, n, W, stride);
    if (activation == rnd_exponential) return;
    const rnd_activation_gradient g = {.rows = n, .columns = W, .dy = matrix(r, n, W, stride), .dy_stride = stride,
                                       .y = a.y, .y_stride = stride, .activation = activation};
    rnd_activate_backward(r->type, g);
    expect_matrix(r, g.dy, n, W, stride);
  }
}

static void sums(check_run *r) {
  const int64_t n = r->rows, W = r->width, stride = W + 3;
  const rnd_scaled scaled = {.alpha = -0.7, .x = numbers(r, n * W), .y = numbers(r, n * W)};
  rnd_add_scaled(r->type, scaled, 0, W / 2);
  rnd_add_scaled(r->type, scaled, W / 2, n * W);
  expect_numbers(r, scaled.y, n * W);
  const rnd_columns columns = {.rows = n, .x = matrix(r, n, W, stride), .stride = stride, .sum = numbers(r, W)};
  rnd_add_column_sums(r->type, columns, 0, W / 2);
  rnd_add_column_sums(r->type, columns, W / 2, W);
  expect_numbers(r, columns.sum, W);
}

static void table_rows(check_run *r) {
  const int64_t n = r->rows, W = r->width, stride = W + 3;
  enum { ENTRIES = 5 };
  const rnd_gather gather = {.columns = W, .index = integers(r, n, 0, ENTRIES), .table = matrix(r, ENTRIES, W, stride),
                             .table_stride = stride, .y = matrix(r, n, W, W + 1), .stride = W + 1};
  rnd_gather_rows(r->type, gather, 0, n);
  expect_matrix(r, gather.y, n, W, W + 1);
  const rnd_scatter scatter = {.rows = n, .index = integers(r, n, -1, ENTRIES), .x = matrix(r, n, W, W + 1),
                               .stride = W + 1, .table = matrix(r, ENTRIES, W, stride), .table_stride = stride};
  rnd_scatter_add_rows(r->type, scatter, 0, W / 2);
  rnd_scatter_add_rows(r->type, scatter, W / 2, W);
  expect_matrix(r, scatter.table, ENTRIES, W, stride);
}

static void dropout(check_run *r) {
  const int64_t n = r->rows, W = r->width, stride = W + 3;
  static const double RATES[] = {0, 0.3};
  for (int i = 0; i < 2; i++) {
    const rnd_dropout a = {.rows = n, .units = W, .x = matrix(r, n, W, stride), .x_stride = stride,
                           .y = matrix(r, n, W, W + 1), .y_stride = W + 1,
                           .sample = (const uint32_t *)integers(r, n, 0, 100),
                           .time = n > 1 ? (const uint32_t *)integers(r, n, 0, 100) : NULL, .seed = 7, .step = 3,
                           .stream = 2, .rate = RATES[i]};
    rnd_dropout_rows(r->type, a);
    expect_matrix(r, a.y, n, W, W + 1);
  }
}

static void fills(check_run *r) {
  const int64_t n = r->rows * r->width;
  const rnd_fill a = {.out = numbers(r, n), .count = n, .key = 11, .sample = 5, .first = -2, .second = 3};
  rnd_uniform_fill(r->type, a);
  expect_numbers(r, a.out, n);
  rnd_normal_fill(r->type, a);
  expect_numbers(r, a.out, n);
}

// MARK: Outputs

static void softmax(check_run *r) {
  const int64_t n = r->rows, W = r->width, stride = W + 3;
  const rnd_softmax a = {.rows = n, .columns = W, .x = matrix(r, n, W, stride), .stride = stride,
                         .bias = n > 1 ? numbers(r, W) : NULL};
  rnd_softmax_rows(r->type, a);
  expect_matrix(r, a.x, n, W, stride);
  const rnd_softmax_gradient g = {.rows = n, .columns = W, .y = a.x, .y_stride = stride,
                                  .dy = matrix(r, n, W, W + 1), .dy_stride = W + 1};
  rnd_softmax_backward(r->type, g);
  expect_matrix(r, g.dy, n, W, W + 1);
  double *shift = memory(r, n * 8);
  for (int64_t row = 0; row < n; row++) shift[row] = (double)row - 0.5;
  rnd_shift_rows(r->type, (rnd_row_shift){.rows = n, .columns = W, .x = a.x, .stride = stride, .shift = shift});
  expect_matrix(r, a.x, n, W, stride);
}

static void cross_entropy(check_run *r) {
  const int64_t n = r->rows, W = r->width, stride = W + 3;
  for (int variant = 0; variant < 4; variant++) {
    double loss = 0;
    const rnd_cross_entropy a = {.classes = W, .logits = matrix(r, n, W, stride), .stride = stride,
                                 .bias = variant & 1 ? numbers(r, W) : NULL, .target = integers(r, n, -1, (int32_t)W),
                                 .smoothing = variant & 2 ? 0.1 : 0, .with_gradient = variant != 1, .loss = &loss};
    rnd_softmax_cross_entropy(r->type, a, 0, n);
    expect_number(r, loss);
    if (a.with_gradient) expect_matrix(r, a.logits, n, W, stride);
  }
}

static void output_losses(check_run *r) {
  const int64_t n = r->rows, W = r->width, stride = W + 3;
  for (int gradient = 0; gradient < 2; gradient++) {
    rnd_output_loss a = {.rows = n, .columns = W, .y = matrix(r, n, W, stride), .stride = stride,
                         .bias = numbers(r, W), .target = numbers_between(r, (n - 1) * stride + W, 0, 1),
                         .target_stride = stride, .with_gradient = gradient};
    set_number(r, (void *)a.target, (n - 1) * stride, -1);
    expect_number(r, rnd_sigmoid_cross_entropy(r->type, a));
    if (gradient) expect_matrix(r, a.y, n, W, stride);
    a.y = matrix(r, n, W, stride);
    expect_number(r, rnd_squared_error(r->type, a));
    expect_matrix(r, a.y, n, W, stride);
  }
}

static void selection(check_run *r) {
  const int64_t n = r->rows, W = r->width, stride = W + 3;
  const rnd_logits logits = {.rows = n, .columns = W, .x = matrix(r, n, W, stride), .stride = stride};
  int32_t *index = integers(r, n, 0, 1), *row = integers(r, 5, 0, 1), *token = integers(r, 5, 0, 1);
  double *normalizer = memory(r, n * 8), *base = memory(r, n * 8), *score = memory(r, 5 * 8), *uniform = memory(r, n * 8);
  for (int64_t i = 0; i < n; i++) {
    base[i] = -(double)i / 3;
    uniform[i] = next_random(&r->random);
  }
  rnd_argmax_rows(r->type, (rnd_argmax){.rows = n, .columns = W, .x = logits.x, .stride = stride, .index = index});
  expect_integers(r, index, n);
  rnd_log_normalizers(r->type, (rnd_normalization){logits, normalizer});
  for (int64_t i = 0; i < n; i++) expect_number(r, normalizer[i]);
  const int64_t found = rnd_best_continuations(
      r->type, (rnd_continuations){logits, base, normalizer, 5, score, row, token});
  expect_number(r, (double)found);
  for (int64_t i = 0; i < found; i++) expect_number(r, score[i]);
  expect_integers(r, row, found);
  expect_integers(r, token, found);
  for (int k = 1; k < 5; k++) {
    rnd_sample_tokens(r->type, (rnd_sampling){.logits = logits, .inverse_temperature = 1.25, .k = k == 4 ? W : k,
                                              .p = k % 2 ? 0.9 : 1, .uniform = uniform,
                                              .weights = numbers(r, 3 * W), .token = index});
    expect_integers(r, index, n);
  }
  rnd_mixture mixture = {.logits = logits, .log_weight = -0.7, .is_first = true, .y = matrix(r, n, W, W + 1),
                         .y_stride = W + 1};
  rnd_mix_log_probabilities(r->type, mixture);
  mixture.is_first = false;
  rnd_mix_log_probabilities(r->type, mixture);
  expect_matrix(r, mixture.y, n, W, W + 1);
  expect_number(r, rnd_log_coverage(r->type, (rnd_numbers){W, numbers_between(r, W, 0.01, 2)}));
}

// MARK: Sequences

// Packed sequences of decreasing lengths, the longest with `rows` + 1 steps.
static rnd_packed_rows sequences(check_run *r, int64_t *row_count) {
  enum { COUNT = 4 };
  int64_t *length = memory(r, COUNT * 8), *offset = memory(r, (r->rows + 1) * 8);
  *row_count = 0;
  for (int p = 0; p < COUNT; p++) length[p] = p == 0 ? r->rows + 1 : 1 + r->rows / (p + 1);
  for (int t = 0; t < r->rows + 1; t++) {
    offset[t] = *row_count;
    for (int p = 0; p < COUNT; p++) *row_count += length[p] > t;
  }
  return (rnd_packed_rows){offset, length, COUNT};
}

static void pooling(check_run *r) {
  int64_t n;
  const int64_t W = r->width, stride = W + 3;
  const rnd_packed_rows at = sequences(r, &n);
  void (*const forward[])(rnd_element, rnd_pooling) = {rnd_mean_pool, rnd_max_pool, rnd_attention_pool};
  void (*const backward[])(rnd_element, rnd_pooling_gradient) = {rnd_mean_pool_backward, rnd_max_pool_backward,
                                                                rnd_attention_pool_backward};
  for (int kind = 0; kind < 3; kind++) {
    const rnd_pooling a = {.at = at, .width = W, .h = matrix(r, n, W, stride), .stride = stride,
                           .pooled = matrix(r, at.count, W, W + 1), .pooled_stride = W + 1,
                           .where = integers(r, at.count * W, 0, 1), .scores = numbers(r, n)};
    forward[kind](r->type, a);
    expect_matrix(r, a.pooled, at.count, W, W + 1);
    const rnd_pooling_gradient g = {.at = at, .width = W, .d_pooled = matrix(r, at.count, W, W + 1),
                                    .pooled_stride = W + 1, .dh = matrix(r, n, W, stride), .dh_stride = stride,
                                    .where = a.where, .h = a.h, .stride = stride, .weights = a.scores,
                                    .d_scores = numbers(r, n)};
    backward[kind](r->type, g);
    expect_matrix(r, g.dh, n, W, stride);
    if (kind == 2) expect_numbers(r, g.d_scores, n);
  }
}

static void conditional_random_field(check_run *r) {
  int64_t n;
  const int64_t K = r->width, stride = K + 3;
  const rnd_packed_rows at = sequences(r, &n);
  const rnd_crf crf = {.at = at, .tags = K, .emission = matrix(r, n, K, stride), .stride = stride,
                       .start = numbers(r, K), .end = numbers(r, K), .transition = numbers(r, K * K)};
  const int64_t longest = at.length[0];
  for (int gradient = 0; gradient < 2; gradient++) {
    rnd_crf_likelihood a = {.crf = crf, .target = integers(r, n, -1, (int32_t)K),
                            .workspace = numbers(r, 2 * (longest + 2) * K), .d_stride = stride};
    if (gradient) {
      a.d_emission = matrix(r, n, K, stride);
      a.d_start = numbers(r, K);
      a.d_end = numbers(r, K);
      a.d_transition = numbers(r, K * K);
    }
    // The first sequence is fully tagged.
    for (int64_t t = 0; t < longest; t++) ((int32_t *)a.target)[at.offset[t]] = (int32_t)(t % K);
    expect_number(r, rnd_crf_loss(r->type, a));
    if (!gradient) continue;
    expect_numbers(r, a.d_start, K);
    expect_numbers(r, a.d_end, K);
    expect_numbers(r, a.d_transition, K * K);
  }
  const rnd_crf_path path = {.crf = crf, .workspace = numbers(r, 2 * K), .back = integers(r, longest * K, 0, 1),
                             .path = integers(r, n, 0, 1)};
  rnd_crf_viterbi(r->type, path);
  expect_integers(r, path.path, n);
}

// MARK: Attention

// Rows that attend to sentences of different lengths, one of them empty.
static rnd_attention_rows attention_rows(check_run *r, int64_t *memory_rows, int64_t *places) {
  const int32_t n = r->rows;
  int32_t *start = integers(r, n, 0, 1), *length = integers(r, n, 0, 1), *place = integers(r, n, 0, 1);
  *memory_rows = *places = 0;
  for (int32_t i = 0; i < n; i++) {
    length[i] = i == 1 ? 0 : 3 + 5 * i;
    start[i] = (int32_t)*memory_rows;
    place[i] = (int32_t)*places;
    *memory_rows += length[i];
    *places += length[i];
  }
  return (rnd_attention_rows){.rows = n, .start = start, .length = length, .place = place, .size = r->width,
                              .width = r->width + 2, .window = -1};
}

static void attention(check_run *r) {
  int64_t M, places;
  rnd_attention_rows at = attention_rows(r, &M, &places);
  const int64_t n = r->rows, A = r->width, D = r->width + 2, stride = D + 3;
  for (int variant = 0; variant < 4; variant++) {
    const int is_additive = variant != 1, F = variant == 2 ? 3 : 0;
    at.features = F;
    at.window = variant == 3 ? 2 : -1;
    at.center = 1;
    const rnd_attention a = {
        .at = at,
        .of = {.keys = numbers(r, M * A), .query = matrix(r, n, A, A + 1), .query_stride = A + 1,
               .v = is_additive ? numbers(r, A) : NULL, .features = numbers(r, places * F),
               .feature_weight = numbers(r, F * A), .values = numbers(r, M * D)},
        .weights = numbers(r, places), .context = matrix(r, n, D, stride), .context_stride = stride};
    rnd_attention_forward(r->type, a, 0, at.rows);
    expect_numbers(r, a.weights, places);
    expect_matrix(r, a.context, n, D, stride);
    const rnd_attention_gradient g = {
        .at = at, .of = a.of, .weights = a.weights, .d_context = matrix(r, n, D, stride), .context_stride = stride,
        .d_weights = numbers(r, places), .d_query = matrix(r, n, A, A + 1), .d_query_stride = A + 1,
        .d_keys = numbers(r, M * A), .d_v = numbers(r, A), .d_features = numbers(r, places * F),
        .d_feature_weight = numbers(r, F * A)};
    rnd_attention_backward(r->type, g, 0, at.rows);
    expect_matrix(r, g.d_query, n, A, A + 1);
    expect_numbers(r, g.d_keys, M * A);
    expect_numbers(r, g.d_v, A);
    expect_numbers(r, g.d_feature_weight, F * A);
  }
}

static void attention_values(check_run *r) {
  enum { STEPS = 3 };
  int64_t M, places;
  const rnd_attention_rows at = attention_rows(r, &M, &places);
  const int64_t n = r->rows, D = at.width, stride = D + 3;
  int32_t *steps = integers(r, n, 0, 1);
  int64_t *step_place = memory(r, STEPS * 8), *step_row = memory(r, STEPS * 8);
  for (int64_t b = 0; b < n; b++) steps[b] = STEPS - (b > n / 2);
  for (int64_t t = 0; t < STEPS; t++) {
    step_place[t] = t * places;
    step_row[t] = t * n;
  }
  const rnd_attention_values_gradient a = {
      .at = at, .steps = steps, .step_place = step_place, .step_row = step_row, .weights = numbers(r, STEPS * places),
      .d_context = matrix(r, STEPS * n, D, stride), .context_stride = stride, .d_values = numbers(r, M * D)};
  rnd_attention_values_backward(r->type, a, 0, at.rows);
  expect_numbers(r, a.d_values, M * D);
}

static void attention_features(check_run *r) {
  enum { CHANNELS = 2, FILTER = 5 };
  int64_t M, places;
  rnd_attention_rows at = attention_rows(r, &M, &places);
  for (int has_coverage = 0; has_coverage < 2; has_coverage++) {
    const int64_t F = at.features = CHANNELS + has_coverage;
    const rnd_attention_position_features a = {
        .at = at, .filter = numbers(r, CHANNELS * FILTER), .channels = CHANNELS, .filter_width = FILTER,
        .previous = numbers(r, places), .coverage = has_coverage ? numbers(r, places) : NULL,
        .features = numbers(r, places * F), .d_features = numbers(r, places * F),
        .d_coverage = has_coverage ? numbers(r, places) : NULL, .d_previous = numbers(r, places),
        .d_filter = numbers(r, CHANNELS * FILTER)};
    rnd_attention_features(r->type, a);
    expect_numbers(r, a.features, places * F);
    rnd_attention_features_backward(r->type, a);
    expect_numbers(r, a.d_previous, places);
    expect_numbers(r, a.d_filter, CHANNELS * FILTER);
    if (has_coverage) expect_numbers(r, a.d_coverage, places);
  }
  const rnd_coverage loss = {.count = places, .weights = numbers(r, places), .coverage = numbers(r, places),
                             .scale = 0.5, .d_weights = numbers(r, places), .d_coverage = numbers(r, places)};
  expect_number(r, rnd_coverage_loss(r->type, loss));
  expect_numbers(r, loss.d_weights, places);
  expect_numbers(r, loss.d_coverage, places);
}

// MARK: Updates

static void updates(check_run *r) {
  const int64_t n = r->rows * r->width;
  void (*const rules[])(rnd_element, rnd_update) = {rnd_sgd,     rnd_momentum, rnd_nesterov, rnd_rmsprop,
                                                    rnd_adagrad, rnd_adam,     rnd_adamw};
  for (size_t rule = 0; rule < sizeof rules / sizeof *rules; rule++) {
    const rnd_update a = {.count = n, .parameters = numbers(r, n), .gradient = numbers(r, n),
                          .first = numbers_between(r, n, 0.1, 1), .second = numbers_between(r, n, 0.1, 1),
                          .gradient_scale = 0.5, .learning_rate = 0.01, .weight_decay = 0.1, .momentum = 0.9,
                          .decay = 0.99, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .bias1 = 0.19, .bias2 = 0.002};
    rules[rule](r->type, a);
    expect_numbers(r, a.parameters, n);
    expect_numbers(r, a.first, n);
    expect_numbers(r, a.second, n);
  }
}

static void reductions(check_run *r) {
  const int64_t n = r->rows * r->width;
  void *x = numbers(r, n);
  expect_number(r, rnd_sum_of_squares(r->type, (rnd_numbers){n, x}));
  expect_number(r, (double)rnd_first_nonfinite(r->type, (rnd_numbers){n, x}));
  set_number(r, x, n / 2, -INFINITY);
  set_number(r, x, n - 1, NAN);
  expect_number(r, (double)rnd_first_nonfinite(r->type, (rnd_numbers){n, x}));
}

const check_case CASES[] = {
    {"rnn", rnn}, {"lstm", lstm}, {"lstm steps", lstm_steps}, {"gru", gru}, {"gru, reset before", gru_before}, {"mingru", mingru},
    {"extended lstm", extended_lstm}, {"clipping", clipping}, {"factors", factors}, {"zoneout", zoneout},
    {"highway", highway}, {"layer norm", layer_norm}, {"activations", activations}, {"sums", sums},
    {"table rows", table_rows}, {"dropout", dropout}, {"fills", fills}, {"softmax", softmax},
    {"cross-entropy", cross_entropy}, {"output losses", output_losses}, {"selection", selection},
    {"pooling", pooling}, {"conditional random field", conditional_random_field}, {"attention", attention},
    {"attention values", attention_values}, {"attention features", attention_features}, {"updates", updates},
    {"reductions", reductions}, {0},
};
