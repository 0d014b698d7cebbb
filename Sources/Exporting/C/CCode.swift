import RecurrentNN

/// The functions of a C file.
enum CCode {
  static let product = lines {
    "/* y += W x, W with `rows` rows of `columns` numbers. */"
    "static void add_product(const float *weight, int rows, int columns, const float *x, float *y) {"
    "  for (int row = 0; row < rows; row++) {"
    "    float sum = 0.0f;"
    "    for (int column = 0; column < columns; column++) sum += weight[row * columns + column] * x[column];"
    "    y[row] += sum;"
    "  }"
    "}"
  }

  static let sigmoid = lines {
    "static float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }"
  }

  // MARK: - Cells

  /// One step of a cell, which replaces its state. Only an LSTM uses c.
  static func cell(_ network: RecurrentPart, named name: String) -> [String] {
    lines {
      "static void \(name)(const layer *l, const float *x, float *h, float *c) {"
      indented(2) {
        "const int n = l->units;"
        switch network.options.cell.kind {
        case .lstm: lstm
        case .gru: network.options.cell.gruReset == .after ? gruAfter : gruBefore
        default: rnn(network.options.cell.activation)
        }
      }
      "}"
    }
  }

  private static func rnn(_ activation: RNNActivation) -> [String] {
    lines {
      "float a[MAX_UNITS];"
      "(void)c;"
      "for (int j = 0; j < n; j++) a[j] = l->bias_ih[j] + l->bias_hh[j];"
      "add_product(l->weight_ih, n, l->inputs, x, a);"
      "add_product(l->weight_hh, n, n, h, a);"
      "for (int j = 0; j < n; j++) h[j] = \(activation == .tanh ? "tanhf(a[j])" : "a[j] > 0.0f ? a[j] : 0.0f");"
    }
  }

  private static let lstm = lines {
    "float a[4 * MAX_UNITS]; /* gates i f g o */"
    "for (int j = 0; j < 4 * n; j++) a[j] = l->bias_ih[j] + l->bias_hh[j];"
    "add_product(l->weight_ih, 4 * n, l->inputs, x, a);"
    "add_product(l->weight_hh, 4 * n, n, h, a);"
    "for (int j = 0; j < n; j++) {"
    "  c[j] = sigmoid(a[n + j]) * c[j] + sigmoid(a[j]) * tanhf(a[2 * n + j]);"
    "  h[j] = sigmoid(a[3 * n + j]) * tanhf(c[j]);"
    "}"
  }

  private static let gruAfter = lines {
    "float a[3 * MAX_UNITS], b[3 * MAX_UNITS]; /* gates r z n, of input and state */"
    "(void)c;"
    "for (int j = 0; j < 3 * n; j++) {"
    "  a[j] = l->bias_ih[j];"
    "  b[j] = l->bias_hh[j];"
    "}"
    "add_product(l->weight_ih, 3 * n, l->inputs, x, a);"
    "add_product(l->weight_hh, 3 * n, n, h, b);"
    "for (int j = 0; j < n; j++) {"
    "  const float r = sigmoid(a[j] + b[j]), z = sigmoid(a[n + j] + b[n + j]);"
    "  h[j] = (1.0f - z) * tanhf(a[2 * n + j] + r * b[2 * n + j]) + z * h[j];"
    "}"
  }

  private static let gruBefore = lines {
    "float a[3 * MAX_UNITS], reset[MAX_UNITS]; /* gates r z n */"
    "(void)c;"
    "for (int j = 0; j < 3 * n; j++) a[j] = l->bias_ih[j] + l->bias_hh[j];"
    "add_product(l->weight_ih, 3 * n, l->inputs, x, a);"
    "add_product(l->weight_hh, 2 * n, n, h, a);"
    "for (int j = 0; j < n; j++) reset[j] = sigmoid(a[j]) * h[j];"
    "add_product(l->weight_hh + 2 * n * n, n, n, reset, a + 2 * n);"
    "for (int j = 0; j < n; j++) {"
    "  const float z = sigmoid(a[n + j]);"
    "  h[j] = (1.0f - z) * tanhf(a[2 * n + j]) + z * h[j];"
    "}"
  }

  // MARK: - Language models

  static func languageModel(
    _ shape: LanguageModelShape, _ network: RecurrentPart, _ prefix: String
  ) -> [String] {
    let vocabulary = "\(prefix.uppercased())_VOCABULARY"
    return lines {
      "void \(prefix)_step(\(prefix)_state *state, int token, float logits[\(vocabulary)]) {"
      "  const float *x = embedding_weight + token * \(shape.options.embeddingSize);"
      "  for (int i = 0; i < \(network.options.layers); i++) {"
      "    step(&rnn[i], x, state->h[i], \(network.hasCellState ? "state->c[i]" : "0"));"
      "    x = state->h[i];"
      "  }"
      "  memcpy(logits, output_bias, sizeof output_bias);"
      "  add_product(output_weight, \(vocabulary), \(network.outputSize), x, logits);"
      "}"
    }
  }

  // MARK: - Sequences

  static let runLayers = lines {
    "typedef void (*cell)(const layer *, const float *, float *, float *);"
    ""
    "/* Runs stacked layers over the vectors in a. Returns the outputs of the top layer, which are in a or b; `last` gets the"
    "   state after the last step of each direction. */"
    "static float *run_layers(cell cell, const layer *layers, int depth, int directions, int steps, float *a, float *b,"
    "                         float *last) {"
    "  for (int i = 0; i < depth; i++) {"
    "    const layer *l = layers + i * directions;"
    "    const int width = directions * l->units;"
    "    for (int d = 0; d < directions; d++) {"
    "      float h[MAX_UNITS] = {0}, c[MAX_UNITS] = {0};"
    "      for (int s = 0; s < steps; s++) {"
    "        const int t = d ? steps - 1 - s : s;"
    "        cell(l + d, a + t * l->inputs, h, c);"
    "        memcpy(b + t * width + d * l->units, h, (size_t)l->units * sizeof *h);"
    "      }"
    "      memcpy(last + d * l->units, h, (size_t)l->units * sizeof *h);"
    "    }"
    "    float *other = a;"
    "    a = b;"
    "    b = other;"
    "  }"
    "  return a;"
    "}"
  }

  /// The function that reads a sequence; `output` writes y from h, `last` and `steps`.
  static func run(
    _ input: InputShape, _ network: RecurrentPart, _ prefix: String, _ output: [String]
  ) -> [String] {
    let limit = "\(prefix.uppercased())_MAX_STEPS"
    return lines {
      "int \(prefix)_run(\(prefix)_memory *memory, \(CSource.arguments(of: input)), int steps, float *y) {"
      indented(2) {
        "if (steps < 1 || steps > \(limit)) return -1;"
        "float last[\(network.directions) * MAX_UNITS];"
        embedding(input, prefix)
        "const float *h = run_layers(step, rnn, \(network.options.layers), \(network.directions), steps, memory->a, memory->b, last);"
        output
        "return 0;"
      }
      "}"
    }
  }

  private static func embedding(_ input: InputShape, _ prefix: String) -> [String] {
    lines {
      switch input {
      case .tokens(_, let size):
        "for (int t = 0; t < steps; t++) {"
        "  memcpy(memory->a + t * \(size), embedding_weight + tokens[t] * \(size), \(size) * sizeof(float));"
        "}"
      case .vectors(let size):
        "memcpy(memory->a, x, (size_t)(steps * \(size)) * sizeof *x);"
      case .words(_, let size, let characters):
        let (inputs, width) = (characters.embeddingSize, 2 * characters.hiddenSize)
        "for (int t = 0; t < steps; t++) {"
        indented(2) {
          "float *v = memory->a + t * \(size + width);"
          "if (word_lengths[t] < 1 || word_lengths[t] > \(prefix.uppercased())_MAX_CHARACTERS) return -1;"
          "memcpy(v, embedding_weight + words[t] * \(size), \(size) * sizeof *v);"
          "for (int k = 0; k < word_lengths[t]; k++) {"
          "  memcpy(memory->word_a + k * \(inputs), characters_embedding_weight + *characters++ * \(inputs), \(inputs) * sizeof *v);"
          "}"
          "run_layers(character_step, characters_rnn, 1, 2, word_lengths[t], memory->word_a, memory->word_b, v + \(size));"
        }
        "}"
      }
    }
  }

  static func taggerOutput(_ output: OutputShape, _ network: RecurrentPart, _ prefix: String) -> [String] {
    let size = "\(prefix.uppercased())_SIZE"
    return lines {
      "(void)last;"
      "for (int t = 0; t < steps; t++) {"
      "  memcpy(y + t * \(size), output_bias, sizeof output_bias);"
      "  add_product(output_weight, \(size), \(network.outputSize), h + t * \(network.outputSize), y + t * \(size));"
      "}"
      if output.kind == .bernoulli {
        "for (int i = 0; i < steps * \(size); i++) y[i] = 1.0f / (1.0f + expf(-y[i]));"
      }
    }
  }

  static func bestPath(_ prefix: String) -> [String] {
    let (size, limit) = ("\(prefix.uppercased())_SIZE", "\(prefix.uppercased())_MAX_STEPS")
    return lines {
      "int \(prefix)_best_path(const float *emissions, int steps, int *tags) {"
      "  static const float lowest = -3.4e38f;"
      "  float score[\(size)], next[\(size)];"
      "  int back[\(limit)][\(size)];"
      "  if (steps < 1 || steps > \(limit)) return -1;"
      "  for (int k = 0; k < \(size); k++) score[k] = crf_start_transitions[k] + emissions[k];"
      "  for (int t = 1; t < steps; t++) {"
      "    for (int k = 0; k < \(size); k++) {"
      "      next[k] = lowest;"
      "      back[t][k] = 0;"
      "      for (int from = 0; from < \(size); from++) {"
      "        const float s = score[from] + crf_transitions[from * \(size) + k];"
      "        if (s > next[k]) {"
      "          next[k] = s;"
      "          back[t][k] = from;"
      "        }"
      "      }"
      "    }"
      "    for (int k = 0; k < \(size); k++) score[k] = next[k] + emissions[t * \(size) + k];"
      "  }"
      "  int best = 0;"
      "  for (int k = 0; k < \(size); k++) {"
      "    score[k] += crf_end_transitions[k];"
      "    if (score[k] > score[best]) best = k;"
      "  }"
      "  for (int t = steps - 1; t >= 0; t--) {"
      "    tags[t] = best;"
      "    if (t > 0) best = back[t][best];"
      "  }"
      "  return 0;"
      "}"
    }
  }

  static func classifierOutput(
    _ shape: SequenceClassifierShape, _ network: RecurrentPart, _ prefix: String
  ) -> [String] {
    let (size, width) = ("\(prefix.uppercased())_SIZE", network.outputSize)
    let isAll = shape.pooling.kind == .all
    return lines {
      if shape.pooling.kind != .last { "(void)last;" }
      if isAll {
        "if (steps != \(shape.pooling.size)) return -1;"
        "const float *pooled = h;"
      } else if shape.pooling.kind == .last {
        "(void)h;"
        "const float *pooled = last;"
      } else {
        "float pooled[\(width)];"
        pooling(shape.pooling, width)
      }
      "memcpy(y, output_bias, sizeof output_bias);"
      "add_product(output_weight, \(size), \(isAll ? width * shape.pooling.size : width), pooled, y);"
    }
  }

  private static func pooling(_ pooling: Pooling, _ width: Int) -> [String] {
    lines {
      switch pooling.kind {
      case .mean:
        "for (int j = 0; j < \(width); j++) {"
        "  pooled[j] = 0.0f;"
        "  for (int t = 0; t < steps; t++) pooled[j] += h[t * \(width) + j] / (float)steps;"
        "}"
      case .max:
        "for (int j = 0; j < \(width); j++) {"
        "  pooled[j] = h[j];"
        "  for (int t = 1; t < steps; t++) pooled[j] = fmaxf(pooled[j], h[t * \(width) + j]);"
        "}"
      case .attention:
        "/* Weights exp(score) over their sum, in one pass that keeps the largest score. */"
        "float largest = -3.4e38f, sum = 0.0f;"
        "memset(pooled, 0, sizeof pooled);"
        "for (int t = 0; t < steps; t++) {"
        indented(2) {
          "float u[\(pooling.size)], score = 0.0f;"
          "memcpy(u, attention_bias, sizeof u);"
          "add_product(attention_weight, \(pooling.size), \(width), h + t * \(width), u);"
          "for (int k = 0; k < \(pooling.size); k++) score += tanhf(u[k]) * attention_query[k];"
          "const float keep = score > largest ? expf(largest - score) : 1.0f;"
          "largest = fmaxf(largest, score);"
          "const float weight = expf(score - largest);"
          "sum = sum * keep + weight;"
          "for (int j = 0; j < \(width); j++) pooled[j] = pooled[j] * keep + weight * h[t * \(width) + j];"
        }
        "}"
        "for (int j = 0; j < \(width); j++) pooled[j] /= sum;"
      case .last, .all: [String]()
      }
    }
  }
}
