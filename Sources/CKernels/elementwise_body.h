// Included once per element type with T and NAME(stem) defined.
RND_CLONES void NAME(rnd_exp_array)(const T *x, T *y, int64_t n) {
  for (int64_t j = 0; j < n; j++) y[j] = NAME(rnd_exp)(x[j]);
}

RND_CLONES void NAME(rnd_sigmoid_array)(const T *x, T *y, int64_t n) {
  for (int64_t j = 0; j < n; j++) y[j] = NAME(rnd_sigmoid)(x[j]);
}

RND_CLONES void NAME(rnd_tanh_array)(const T *x, T *y, int64_t n) {
  for (int64_t j = 0; j < n; j++) y[j] = NAME(rnd_tanh)(x[j]);
}

RND_INLINE void NAME(activate_row)(T *restrict v, int64_t n, int activation) {
  switch (activation) {
    case rnd_sigmoid:
      for (int64_t j = 0; j < n; j++) v[j] = NAME(rnd_sigmoid)(v[j]);
      break;
    case rnd_tanh:
      for (int64_t j = 0; j < n; j++) v[j] = NAME(rnd_tanh)(v[j]);
      break;
    case rnd_relu:  // Written so that a NaN stays a NaN.
      for (int64_t j = 0; j < n; j++) v[j] = v[j] < 0 ? 0 : v[j];
      break;
    default: break;
  }
}

RND_INLINE void NAME(add_row)(const T *restrict x, T *restrict y, int64_t n) {
  for (int64_t j = 0; j < n; j++) y[j] += x[j];
}

RND_CLONES void NAME(rnd_activate_rows)(T *y, int64_t stride, const T *bias, int64_t rows, int64_t columns,
                                        int activation) {
  for (int64_t row = 0; row < rows; row++) {
    if (bias) NAME(add_row)(bias, y + row * stride, columns);
    NAME(activate_row)(y + row * stride, columns, activation);
  }
}

RND_INLINE void NAME(activate_backward_row)(T *restrict d, const T *restrict v, int64_t n, int activation) {
  switch (activation) {
    case rnd_sigmoid:  // s' = s (1 - s)
      for (int64_t j = 0; j < n; j++) d[j] *= v[j] * (1 - v[j]);
      break;
    case rnd_tanh:  // t' = 1 - t^2
      for (int64_t j = 0; j < n; j++) d[j] *= 1 - v[j] * v[j];
      break;
    case rnd_relu:  // A product, so that a NaN in d or in v stays a NaN.
      for (int64_t j = 0; j < n; j++) d[j] *= v[j] > 0 ? 1 : v[j] <= 0 ? 0 : v[j];
      break;
    default: break;
  }
}

RND_CLONES void NAME(rnd_activate_backward)(T *dy, int64_t dstride, const T *y, int64_t ystride, int64_t rows,
                                            int64_t columns, int activation) {
  for (int64_t row = 0; row < rows; row++) {
    NAME(activate_backward_row)(dy + row * dstride, y + row * ystride, columns, activation);
  }
}

RND_CLONES void NAME(rnd_axpy)(T alpha, const T *restrict x, T *restrict y, int64_t n) {
  for (int64_t j = 0; j < n; j++) y[j] += alpha * x[j];
}

RND_CLONES void NAME(rnd_add_column_sums)(const T *x, int64_t stride, int64_t rows, int64_t columns, T *sum) {
  for (int64_t row = 0; row < rows; row++) NAME(add_row)(x + row * stride, sum, columns);
}

void NAME(rnd_gather_rows)(const T *table, int64_t table_stride, const int32_t *index, int64_t rows, int64_t columns,
                           T *y, int64_t stride) {
  for (int64_t row = 0; row < rows; row++) {
    memcpy(y + row * stride, table + (int64_t)index[row] * table_stride, (size_t)columns * sizeof(T));
  }
}

RND_CLONES void NAME(rnd_scatter_add_rows)(const T *x, int64_t stride, const int32_t *index, int64_t rows,
                                           int64_t columns, T *table, int64_t table_stride) {
  for (int64_t row = 0; row < rows; row++) {
    if (index[row] >= 0) NAME(add_row)(x + row * stride, table + (int64_t)index[row] * table_stride, columns);
  }
}
