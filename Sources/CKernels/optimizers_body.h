// One body for both element types: optimizers.c includes this file once for each, having defined T,
// NAME(base), BITS (an unsigned integer as wide as T) and EXPONENT (its exponent bits). No include guard: on
// purpose.
//
// The scalars of an update are worked out in double and rounded to T once, before the loop, as PyTorch does.

RND_CLONES void NAME(rnd_sgd)(T *restrict p, const T *restrict gradient, int64_t count, rnd_update u) {
  const T scale = (T)u.gradient_scale, rate = (T)u.learning_rate, decay = (T)u.weight_decay;
  for (int64_t i = 0; i < count; i++) {
    const T g = gradient[i] * scale + decay * p[i];
    p[i] -= rate * g;
  }
}

// Both momentum kernels rely on a buffer that starts as zero: the first step gives buf = g.

RND_CLONES void NAME(rnd_momentum)(T *restrict p, const T *restrict gradient, T *restrict buf, int64_t count,
                                   rnd_update u) {
  const T scale = (T)u.gradient_scale, rate = (T)u.learning_rate, decay = (T)u.weight_decay;
  const T momentum = (T)u.momentum;
  for (int64_t i = 0; i < count; i++) {
    const T g = gradient[i] * scale + decay * p[i];
    const T b = momentum * buf[i] + g;
    buf[i] = b;
    p[i] -= rate * b;
  }
}

RND_CLONES void NAME(rnd_nesterov)(T *restrict p, const T *restrict gradient, T *restrict buf, int64_t count,
                                   rnd_update u) {
  const T scale = (T)u.gradient_scale, rate = (T)u.learning_rate, decay = (T)u.weight_decay;
  const T momentum = (T)u.momentum;
  for (int64_t i = 0; i < count; i++) {
    const T g = gradient[i] * scale + decay * p[i];
    const T b = momentum * buf[i] + g;
    buf[i] = b;
    p[i] -= rate * (g + momentum * b);
  }
}

RND_CLONES void NAME(rnd_rmsprop)(T *restrict p, const T *restrict gradient, T *restrict v, int64_t count,
                                  rnd_update u) {
  const T scale = (T)u.gradient_scale, rate = (T)u.learning_rate, decay = (T)u.weight_decay;
  const T alpha = (T)u.decay, rest = (T)(1 - u.decay), epsilon = (T)u.epsilon;
  for (int64_t i = 0; i < count; i++) {
    const T g = gradient[i] * scale + decay * p[i];
    const T s = alpha * v[i] + rest * (g * g);
    v[i] = s;
    p[i] -= rate * (g / (SQUARE_ROOT(s) + epsilon));
  }
}

RND_CLONES void NAME(rnd_adagrad)(T *restrict p, const T *restrict gradient, T *restrict v, int64_t count,
                                  rnd_update u) {
  const T scale = (T)u.gradient_scale, rate = (T)u.learning_rate, decay = (T)u.weight_decay;
  const T epsilon = (T)u.epsilon;
  for (int64_t i = 0; i < count; i++) {
    const T g = gradient[i] * scale + decay * p[i];
    const T s = v[i] + g * g;
    v[i] = s;
    p[i] -= rate * (g / (SQUARE_ROOT(s) + epsilon));
  }
}

// Adam and AdamW differ in what weight decay acts on: Adam adds `decay` p to the gradient (keep = 1), AdamW
// multiplies p by `keep` = 1 - lr weight_decay (decay = 0).
RND_INLINE void NAME(adam_sweep)(T *restrict p, const T *restrict gradient, T *restrict m, T *restrict v,
                                 int64_t count, const rnd_update *u, T decay, T keep) {
  const T scale = (T)u->gradient_scale, epsilon = (T)u->epsilon;
  const T rest1 = (T)(1 - u->beta1), beta2 = (T)u->beta2, rest2 = (T)(1 - u->beta2);
  const T rate = (T)(u->learning_rate / u->bias1), root = (T)(1 / SQUARE_ROOT(u->bias2));
  for (int64_t i = 0; i < count; i++) {
    const T g = gradient[i] * scale + decay * p[i];
    const T first = m[i] + rest1 * (g - m[i]);
    const T second = beta2 * v[i] + rest2 * (g * g);
    m[i] = first;
    v[i] = second;
    p[i] = p[i] * keep - rate * (first / (SQUARE_ROOT(second) * root + epsilon));
  }
}

RND_CLONES void NAME(rnd_adam)(T *restrict p, const T *restrict gradient, T *restrict m, T *restrict v,
                               int64_t count, rnd_update u) {
  NAME(adam_sweep)(p, gradient, m, v, count, &u, (T)u.weight_decay, (T)1);
}

RND_CLONES void NAME(rnd_adamw)(T *restrict p, const T *restrict gradient, T *restrict m, T *restrict v,
                                int64_t count, rnd_update u) {
  NAME(adam_sweep)(p, gradient, m, v, count, &u, (T)0, (T)(1 - u.learning_rate * u.weight_decay));
}

RND_CLONES double NAME(rnd_sum_of_squares)(const T *x, int64_t count) {
  // Lane l sums the elements i with i mod 16 = l in rising order, whatever the width of a vector register.
  double lane[16] = {0};
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int l = 0; l < 16; l++) {
      lane[l] += (double)x[i + l] * (double)x[i + l];
    }
  }
  for (int l = 0; i + l < count; l++) {
    lane[l] += (double)x[i + l] * (double)x[i + l];
  }
  for (int half = 8; half > 0; half /= 2) {
    for (int l = 0; l < half; l++) {
      lane[l] += lane[l + half];
    }
  }
  return lane[0];
}

// NaN and the infinities are the numbers whose exponent bits are all set; integers keep this true under any
// floating-point option of the compiler.
RND_CLONES int64_t NAME(rnd_first_nonfinite)(const T *x, int64_t count) {
  enum { BLOCK = 1024 };
  for (int64_t start = 0; start < count; start += BLOCK) {
    const int64_t length = count - start < BLOCK ? count - start : BLOCK;
    BITS found = 0;
    for (int64_t i = 0; i < length; i++) {
      BITS bits;
      memcpy(&bits, x + start + i, sizeof bits);
      found |= (BITS)((bits & EXPONENT) == EXPONENT);
    }
    if (!found) continue;
    for (int64_t i = start; i < start + length; i++) {
      BITS bits;
      memcpy(&bits, x + i, sizeof bits);
      if ((bits & EXPONENT) == EXPONENT) return i;
    }
  }
  return -1;
}
