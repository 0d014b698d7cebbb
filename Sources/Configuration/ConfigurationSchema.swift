/// One key: its dotted path, the property it sets, its values and its help.
public struct ConfigurationKey: Sendable {
  /// Dotted path, as in `model.hidden_size`.
  public let path: String
  /// What the values may be.
  public let expectation: String
  /// One line for a user.
  public let help: String
  /// The default as YAML text.
  public let defaultText: String

  let choices: [String]
  let field: PartialKeyPath<RunConfiguration> & Sendable
  /// Sets the property from a node; false, and nothing set, when the node isn't what is expected.
  let read: @Sendable (ConfigurationNode, inout RunConfiguration) -> Bool
  /// The property as YAML text.
  let write: @Sendable (RunConfiguration) -> String

  init<Value>(
    _ path: String, _ field: WritableKeyPath<RunConfiguration, Value> & Sendable,
    _ codec: ValueCodec<Value>, _ help: String
  ) {
    self.path = path
    self.expectation = codec.expectation
    self.help = help
    self.choices = codec.choices
    self.field = field
    self.read = { node, configuration in
      guard let value = codec.read(node) else { return false }
      configuration[keyPath: field] = value
      return true
    }
    self.write = { codec.write($0[keyPath: field]) }
    self.defaultText = codec.write(RunConfiguration()[keyPath: field])
  }

  /// The names from the root to the key.
  var parts: [String] { path.split(separator: ".").map(String.init) }
}

/// The table of all keys. Reading, defaults, checks, `show`, suggestions and writing follow from it.
public enum ConfigurationSchema {
  /// Every key, in the order in which a configuration is written.
  public static let keys: [ConfigurationKey] =
    run + model + data + training + schedule + evaluation + log + checkpoint

  /// The path of the key that sets `field`.
  static func path(of field: PartialKeyPath<RunConfiguration>) -> String {
    let key = keys.first { $0.field == field }
    precondition(key != nil, "no key of the schema sets \(field)")
    return key?.path ?? ""
  }

  static let keysByPath = Dictionary(uniqueKeysWithValues: keys.map { ($0.path, $0) })

  /// The paths that hold keys and no value of their own: `model`, `training.schedule`.
  static let sections = Set(
    keys.flatMap { key in
      (1..<max(1, key.parts.count)).map { key.parts.prefix($0).joined(separator: ".") }
    })

  static let allPaths = keys.map(\.path) + sections.sorted()
}

// MARK: - The table

extension ConfigurationSchema {
  private static let run: [ConfigurationKey] = [
    ConfigurationKey("task", \.task, .choice, "what the network learns: the next token of a text"),
    ConfigurationKey(
      "seed", \.seed, .integer(.atLeast(0)), "initial parameters, dropout and generated text follow from it"),
  ]

  private static let model: [ConfigurationKey] = [
    ConfigurationKey("model.cell", \.model.cell, .choice, "recurrent cell"),
    ConfigurationKey(
      "model.activation", \.model.activation, .choice, "nonlinearity of the rnn cell; the others use tanh"),
    ConfigurationKey(
      "model.forget_bias", \.model.forgetBias, .number(.within(-100...100)),
      "lstm: added to the forget gate before its sigmoid"),
    ConfigurationKey(
      "model.gru_reset", \.model.gruReset, .choice,
      "gru: reset gate after the recurrent product (PyTorch) or before it (Cho et al. 2014)"),
    ConfigurationKey("model.layers", \.model.layers, .integer(.within(1...64)), "stacked recurrent layers"),
    ConfigurationKey(
      "model.hidden_size", \.model.hiddenSize, .integer(.within(1...65_536)), "units of each layer"),
    ConfigurationKey(
      "model.embedding_size", \.model.embeddingSize, .integer(.within(1...65_536)),
      "numbers that stand for a token at the input"),
    ConfigurationKey(
      "model.dropout", \.model.dropout, .number(.from(0, below: 1)),
      "share of units zeroed at the embedding output, between layers and at the last output"),
    ConfigurationKey(
      "model.embedding_dropout", \.model.embeddingDropout, .optional(.number(.from(0, below: 1))),
      "dropout of the embedding output alone; null: as model.dropout"),
    ConfigurationKey(
      "model.init_uniform", \.model.initUniform, .optional(.number(.above(0, to: 10))),
      "a: every parameter starts from U(-a, a); null: PyTorch's initial values"),
    ConfigurationKey(
      "model.tie_embeddings", \.model.tieEmbeddings, .flag,
      "input and output share one matrix; needs embedding_size = hidden_size"),
  ]

  private static let data: [ConfigurationKey] = [
    ConfigurationKey(
      "data.train", \.data.train, .optional(.text("a path")),
      "training text; paths are relative to the current directory"),
    ConfigurationKey(
      "data.valid", \.data.valid, .optional(.text("a path")),
      "validation text; null: cut from the training text"),
    ConfigurationKey(
      "data.test", \.data.test, .optional(.text("a path")), "test text, for evaluate --split test"),
    ConfigurationKey(
      "data.valid_fraction", \.data.validFraction, .number(.from(0, below: 1)),
      "without data.valid: the last part of the training text kept for validation"),
    ConfigurationKey("data.format", \.data.format, .choice, "layout of the files: one stream of text"),
    ConfigurationKey(
      "data.tokens", \.data.tokens, .choice,
      "byte: 256 values; char: Unicode characters; word: between white space, line ends are <eos>"),
    ConfigurationKey(
      "data.lowercase", \.data.lowercase, .flag, "turn the text to lower case (bytes: A to Z only)"),
    ConfigurationKey(
      "data.min_count", \.data.minCount, .integer(.atLeast(1)), "rarer tokens become <unk> (char, word)"),
    ConfigurationKey(
      "data.max_vocabulary", \.data.maxVocabulary, .integer(.atLeast(0)),
      "keep the most frequent tokens, special ones included; 0: no limit (char, word)"),
    ConfigurationKey(
      "data.generator", \.data.generator, .choice, "without data.train: dates writes sentences about dates"),
    ConfigurationKey(
      "data.generated_size", \.data.generatedSize, .integer(.within(1000...1_000_000_000)),
      "characters of generated text"),
  ]

  private static let training: [ConfigurationKey] = [
    ConfigurationKey(
      "training.batch_size", \.training.batchSize, .integer(.within(1...1_000_000)),
      "parallel streams of text in a step, over all ranks together"),
    ConfigurationKey(
      "training.bptt", \.training.bptt, .integer(.within(1...1_000_000)),
      "tokens of each stream in a step; the state is carried over"),
    ConfigurationKey(
      "training.epochs", \.training.epochs, .integer(.within(0...1_000_000_000_000)),
      "passes over the text; 0: not limited"),
    ConfigurationKey(
      "training.steps", \.training.steps, .integer(.within(0...1_000_000_000_000)),
      "updates; 0: not limited; the first limit reached ends the run"),
    ConfigurationKey(
      "training.optimizer", \.training.optimizer, .choice, "rule of the update, as in PyTorch"),
    ConfigurationKey(
      "training.learning_rate", \.training.learningRate, .number(.above(0)), "before the schedule's factor"),
    ConfigurationKey(
      "training.momentum", \.training.momentum, .number(.from(0, below: 1)), "momentum, nesterov"),
    ConfigurationKey(
      "training.decay", \.training.decay, .number(.from(0, below: 1)), "rmsprop: decay of the mean square"),
    ConfigurationKey(
      "training.beta1", \.training.beta1, .number(.from(0, below: 1)), "adam, adamw: decay of the mean"),
    ConfigurationKey(
      "training.beta2", \.training.beta2, .number(.from(0, below: 1)), "adam, adamw: decay of the mean square"
    ),
    ConfigurationKey(
      "training.epsilon", \.training.epsilon, .optional(.number(.above(0))),
      "added to the denominator; null: the optimizer's own (adagrad 1e-10, others 1e-8)"),
    ConfigurationKey(
      "training.weight_decay", \.training.weightDecay, .number(.atLeast(0)),
      "pull towards zero; adamw: apart from the gradient"),
    ConfigurationKey(
      "training.clip_norm", \.training.clipNorm, .number(.atLeast(0)),
      "longest gradient (Euclidean norm over all parameters); 0: off"),
    ConfigurationKey(
      "training.reproducible", \.training.reproducible, .flag,
      "the same bits on 1, 2, 4 and 8 ranks; needs a batch_size of at least 8"),
    ConfigurationKey(
      "training.precision", \.training.precision, .choice,
      "operands of matrix products; sums, parameters and moments are fp32 either way"),
    ConfigurationKey(
      "training.accumulate", \.training.accumulate, .integer(.within(1...100_000)),
      "chunks whose gradients are added up before an update"),
    ConfigurationKey(
      "training.skip_limit", \.training.skipLimit, .integer(.atLeast(1)),
      "steps in a row with a gradient that isn't finite before the run stops"),
    ConfigurationKey(
      "training.drop_last_chunk", \.training.dropLastChunk, .flag,
      "leave out the chunk shorter than bptt at the end of an epoch"),
  ]

  private static let schedule: [ConfigurationKey] = [
    ConfigurationKey(
      "training.schedule.kind", \.training.schedule.kind, .choice, "how the learning rate changes"),
    ConfigurationKey(
      "training.schedule.warmup_steps", \.training.schedule.warmupSteps, .integer(.atLeast(0)),
      "first updates, over which the rate rises from zero"),
    ConfigurationKey(
      "training.schedule.start_epoch", \.training.schedule.startEpoch, .integer(.atLeast(1)),
      "step: epochs at the full rate"),
    ConfigurationKey(
      "training.schedule.factor", \.training.schedule.factor, .number(.above(0, to: 1)),
      "exponential, step: each further epoch; plateau: each time the metric stalls"),
    ConfigurationKey(
      "training.schedule.patience", \.training.schedule.patience, .integer(.atLeast(1)),
      "plateau: evaluations in a row without improvement"),
    ConfigurationKey(
      "training.schedule.minimum", \.training.schedule.minimum, .number(.from(0, below: 1)),
      "lowest rate, as a fraction of learning_rate; where cosine ends"),
  ]

  private static let evaluation: [ConfigurationKey] = [
    ConfigurationKey(
      "evaluation.every_steps", \.evaluation.everySteps, .integer(.atLeast(0)),
      "0: at the end of each epoch"),
    ConfigurationKey(
      "evaluation.metric", \.evaluation.metric, .choice, "decides which checkpoint is the best"),
    ConfigurationKey(
      "evaluation.patience", \.evaluation.patience, .integer(.atLeast(0)),
      "evaluations in a row without improvement that end the run; 0: off"),
    ConfigurationKey(
      "evaluation.batch_size", \.evaluation.batchSize, .integer(.within(1...1_000_000)),
      "parallel streams into which the text is cut"),
  ]

  private static let log: [ConfigurationKey] = [
    ConfigurationKey(
      "log.every_steps", \.log.everySteps, .integer(.atLeast(1)), "updates between two reports"),
    ConfigurationKey("log.tensorboard", \.log.tensorboard, .flag, "write events for TensorBoard as well"),
  ]

  private static let checkpoint: [ConfigurationKey] = [
    ConfigurationKey(
      "checkpoint.every_steps", \.checkpoint.everySteps, .integer(.atLeast(0)),
      "0: at the end of each epoch"),
    ConfigurationKey(
      "checkpoint.keep", \.checkpoint.keep, .integer(.atLeast(1)), "newest checkpoints kept, besides the best"
    ),
  ]
}
