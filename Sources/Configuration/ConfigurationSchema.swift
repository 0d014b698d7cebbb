import Datasets
import Options
import RecurrentNN
import Tasks

/// One key: its dotted path, the property that it sets, and a line of help.
///
/// The property itself defines the default, the constraints and the names of choices.
public struct ConfigurationKey: Sendable {
  /// When the value may differ from that of an existing run.
  public enum Change: Sendable {
    /// Never: the weights or the vocabularies depend on it.
    case never
    /// When the trained model is used (evaluate, predict, generate), but not when training resumes.
    case inUse
    /// Never: only training reads it, and a run that is resumed must go on with the same value.
    case inTraining
    /// When training is resumed; only training reads it.
    case whenResumed
    /// When training is resumed and when the trained model is used.
    case always
  }

  /// Dotted path, as in `model.hidden_size`.
  public let path: String
  /// A description of the accepted values.
  public let expectation: String
  /// A description for users, in one line.
  public let help: String
  /// The default as YAML text.
  public let defaultText: String
  /// The groups that the key belongs to. A task that has none of them only accepts the default.
  let groups: Set<KeyGroup>
  public fileprivate(set) var change: Change
  /// Whether the key says which data are held out or how they are scored: of the commands that use a trained model, only
  /// `evaluate` reads it.
  public let isForEvaluation: Bool

  let choices: [String]
  let property: PartialKeyPath<RunConfiguration> & Sendable
  /// Sets the property from a node. Returns false, without a change, if the node does not have the expected form.
  let read: @Sendable (ConfigurationNode, inout RunConfiguration) -> Bool
  /// Sets a named part of the property (`data.train.source`); nil if the property has no parts.
  let readPart: (@Sendable (String, ConfigurationNode, inout RunConfiguration) -> Bool)?
  /// The names of the parts.
  let partNames: [String]
  /// The property as YAML text.
  let write: @Sendable (RunConfiguration) -> String
  /// Resets the property to its default.
  let reset: @Sendable (inout RunConfiguration) -> Void

  private init<Value>(
    _ path: String, _ property: WritableKeyPath<RunConfiguration, Value> & Sendable,
    _ codec: ValueCodec<Value>,
    _ groups: Set<KeyGroup>, _ change: Change, isForEvaluation: Bool, _ help: String
  ) {
    self.path = path
    self.expectation = codec.expectation
    self.help = help
    self.groups = groups
    self.change = change
    self.isForEvaluation = isForEvaluation
    self.choices = codec.choices
    self.property = property
    self.read = { node, configuration in
      guard let value = codec.read(node) else { return false }
      configuration[keyPath: property] = value
      return true
    }
    self.partNames = codec.partNames
    if let readPart = codec.readPart {
      self.readPart = { part, node, configuration in
        var value: Value? = configuration[keyPath: property]
        guard readPart(part, node, &value), let value else { return false }
        configuration[keyPath: property] = value
        return true
      }
    } else {
      self.readPart = nil
    }
    self.write = { codec.write($0[keyPath: property]) }
    self.defaultText = codec.write(RunConfiguration()[keyPath: property])
    self.reset = { $0[keyPath: property] = RunConfiguration()[keyPath: property] }
  }

  /// Describes a key whose type has a single form in YAML.
  init<Value: ConfigurationValue>(
    _ path: String, _ property: WritableKeyPath<RunConfiguration, Value> & Sendable,
    groups: Set<KeyGroup> = [], change: Change = .inUse, isForEvaluation: Bool = false, _ help: String
  ) {
    let codec = Value.codec(ConfigurationSchema.bounds, property)
    self.init(path, property, codec, groups, change, isForEvaluation: isForEvaluation, help)
  }

  /// Describes a key with a choice of values.
  init<Value: OptionChoice>(
    _ path: String, _ property: WritableKeyPath<RunConfiguration, Value> & Sendable,
    groups: Set<KeyGroup> = [], change: Change = .inUse, isForEvaluation: Bool = false, _ help: String
  ) {
    self.init(path, property, .choice, groups, change, isForEvaluation: isForEvaluation, help)
  }

  /// Describes a key with an optional choice of values.
  init<Value: OptionChoice>(
    _ path: String, _ property: WritableKeyPath<RunConfiguration, Value?> & Sendable,
    groups: Set<KeyGroup> = [], change: Change = .inUse, isForEvaluation: Bool = false, _ help: String
  ) {
    self.init(path, property, .optional(.choice), groups, change, isForEvaluation: isForEvaluation, help)
  }

  /// Whether a task uses the value.
  func isRead(by task: TaskKind) -> Bool { groups.isEmpty || !groups.isDisjoint(with: task.groups) }

  /// The value as YAML text.
  public func text(of configuration: RunConfiguration) -> String { write(configuration) }

  /// The components of the path, from the root to the key.
  var parts: [String] { path.split(separator: ".").map(String.init) }
}

/// The table of all keys. Reading, defaults, checks, `show`, suggestions and writing are derived from it.
public enum ConfigurationSchema {
  /// Every key, in the order in which a configuration is written.
  public static let keys: [ConfigurationKey] =
    run + changing(.never, model + cellOptions + inputAndOutput + encoderDecoder) + data
    + ofTraining(training + schedule)
    + changing(.always, decoding) + evaluation + changing(.whenResumed, log + checkpoint)

  typealias Key = ConfigurationKey

  /// Returns keys that may all change at the same time.
  private static func changing(_ change: Key.Change, _ keys: [Key]) -> [Key] {
    keys.map { key in
      var key = key
      key.change = change
      return key
    }
  }

  /// Marks the keys that a trained model does not read.
  private static func ofTraining(_ keys: [Key]) -> [Key] {
    keys.map { key in
      var key = key
      guard !["training.bptt", "training.precision", "training.reproducible"].contains(key.path) else {
        return key
      }
      key.change = key.change == .always || key.change == .whenResumed ? .whenResumed : .inTraining
      return key
    }
  }

  /// The bounds of all properties.
  static let bounds = RunConfiguration.bounds

  /// The name of a property in messages: the path of its key.
  static func path(of property: AnyKeyPath) -> String {
    paths.byProperty[property] ?? property.debugDescription
  }

  /// Returns the key and the part that a path names, as `data.train.source` does.
  package static func partOwner(of path: String) -> (key: ConfigurationKey, part: String)? {
    guard let dot = path.lastIndex(of: "."), let key = keysByPath[String(path[..<dot])] else { return nil }
    let part = String(path[path.index(after: dot)...])
    return key.partNames.contains(part) ? (key, part) : nil
  }

  /// Whether a path denotes a value.
  static func hasValue(at path: String) -> Bool { keysByPath[path] != nil || partOwner(of: path) != nil }

  public static let keysByPath = Dictionary(uniqueKeysWithValues: keys.map { ($0.path, $0) })

  /// The paths that contain keys but no value of their own: `model`, `training.schedule`.
  static let sections = Set(
    keys.flatMap { key in
      (1..<max(1, key.parts.count)).map { key.parts.prefix($0).joined(separator: ".") }
    })

  static let allPaths =
    keys.map(\.path) + keys.flatMap { key in key.partNames.map { "\(key.path).\($0)" } } + sections.sorted()

  private struct Paths: @unchecked Sendable {  // Key paths of plain properties are immutable.
    let byProperty: [AnyKeyPath: String]
  }
  private static let paths = Paths(
    byProperty: Dictionary(uniqueKeysWithValues: keys.map { ($0.property, $0.path) }))
}

// MARK: - Model

extension ConfigurationSchema {
  private static let run: [Key] = [
    Key(
      "task", \.task, change: .never,
      "what is learned: " + TaskKind.all.map { "\($0.summary) (\($0.name))" }.joined(separator: ", ")),
    Key(
      "seed", \.seed, "initial parameters, order of the data, dropout and generated data follow from it"),
  ]

  /// The recurrent network; in an encoder-decoder, that of the encoder.
  private static let model: [Key] = [
    Key("model.cell", \.model.network.cell.kind, "recurrent cell"),
    Key(
      "model.activation", \.model.network.cell.activation,
      "nonlinearity of the rnn cell; the others use tanh"),
    Key(
      "model.forget_bias", \.model.network.cell.forgetBias,
      "lstm: constant added to the forget gate before its sigmoid (TensorFlow)"),
    Key(
      "model.gru_reset", \.model.network.cell.gruReset,
      "gru: reset gate after the recurrent product (PyTorch) or before it (Cho et al. 2014)"),
    Key("model.layers", \.model.network.layers, "stacked recurrent layers"),
    Key(
      "model.hidden_size", \.model.network.hiddenSize,
      "units of each layer (bidirectional: of each direction)"),
    Key(
      "model.embedding_size", \.model.embeddingSize,
      "numbers that represent a token at the input; inputs that are numbers have none"),
    Key(
      "model.bidirectional", \.model.network.bidirectional, groups: [.source],
      "encoders, taggers, classifiers: read both ways"),
    Key(
      "model.pyramid", \.model.pyramid, groups: [.encoderDecoder],
      "encoders: additional layers that each halve the number of states (Chan et al. 2016)"),
  ]

  /// Options of the cells, between layers, and of the initialization.
  private static let cellOptions: [Key] = [
    Key(
      "model.peepholes", \.model.network.cell.peepholes,
      "lstm: gates see the cell state (Gers & Schmidhuber 2000)"),
    Key(
      "model.projection_size", \.model.network.cell.projectionSize,
      "lstm: width of the projected output (Sak et al. 2014); null: none"),
    Key(
      "model.cell_clip", \.model.network.cell.cellClip,
      "lstm: limit of the cell state's absolute value; null: none"),
    Key("model.coupled_gates", \.model.network.cell.coupledGates, "lstm: the input gate is 1 - forget gate"),
    Key(
      "model.layer_norm", \.model.network.cell.layerNorm, "lstm, gru: layer normalization (Ba et al. 2016)"),
    Key(
      "model.residual", \.model.network.residual,
      "add a layer's input to its output, from the second layer on"),
    Key(
      "model.highway", \.model.network.highway,
      "a learned mixture of a layer's input and output, from the second layer on (Srivastava et al. 2015)"),
    Key(
      "model.dropout", \.model.network.dropout,
      "share of units zeroed at the embedding output, between layers and at the last output"),
    Key(
      "model.embedding_dropout", \.model.embeddingDropout,
      "dropout of the embedding output alone; null: as model.dropout"),
    Key(
      "model.variational_dropout", \.model.network.cell.variationalDropout,
      "dropout of the recurrent state with one mask for all steps (Gal & Ghahramani 2016)"),
    Key(
      "model.variational_input_dropout", \.model.network.cell.variationalInputDropout,
      "dropout of each layer's input with one mask for all steps, in the place of model.dropout"),
    Key(
      "model.zoneout", \.model.network.cell.zoneout,
      "share of hidden units that keep their value in a step (Krueger et al. 2017)"),
    Key(
      "model.zoneout_cell", \.model.network.cell.zoneoutCell,
      "lstm: the same for the cell state; null: as zoneout"),
    Key(
      "model.word_dropout", \.model.wordDropout, groups: [.source],
      "taggers, classifiers, encoders: share of input tokens read as <unk> in training (not bytes)"),
    Key(
      "model.initialization", \.model.network.cell.initialization,
      "initial values of the recurrent cells: pytorch's, xavier (Glorot & Bengio 2010), or xavier with orthogonal recurrent "
        + "matrices; embeddings and other layers always start as in PyTorch"),
    Key(
      "model.init_uniform", \.model.initUniform,
      "a: every parameter starts from U(-a, a); null: see initialization"),
    Key(
      "model.forget_gate_init", \.model.network.cell.forgetGateInit,
      "lstm: initial value of the forget gate's bias, a parameter (Jozefowicz et al. 2015); null: as the others"
    ),
  ]

  private static let inputAndOutput: [Key] = [
    Key(
      "model.tie_embeddings", \.model.tieEmbeddings, groups: [.stream, .writing],
      "input and output of the language model or decoder share one matrix"),
    Key(
      "model.character_embedding_size", \.model.characterEmbeddingSize, groups: [.source],
      "of words: numbers per character; with character_hidden_size, a recurrent network reads each word's characters"
    ),
    Key(
      "model.character_hidden_size", \.model.characterHiddenSize, groups: [.source],
      "units of each direction of that network; 0: none"),
    Key(
      "model.output", \.model.output,
      "softmax; crf (tagger: linear-chain conditional random field); bernoulli (independent bits); linear (numbers); quantile "
        + "(classifier: quantiles of numbers)"),
    Key(
      "model.quantiles", \.model.quantiles, groups: [.labeled],
      "quantile: the levels of the quantiles"),
    Key(
      "model.adaptive_cutoffs", \.model.adaptiveCutoffs, groups: [.stream],
      "language model: ids at which clusters of rarer tokens begin (adaptive softmax, Grave et al. 2017); []: one softmax"
    ),
    Key(
      "model.adaptive_factor", \.model.adaptiveFactor, groups: [.stream],
      "adaptive softmax: by how much each cluster is narrower than the one before"),
    Key(
      "model.pooling", \.model.pooling, groups: [.pooling], "how all states of a sequence become one vector"),
    Key(
      "model.readout_size", \.model.readoutSize, groups: [.writing],
      "decoder: width of tanh(W [state; c; token]) before the output layer; 0: none"),
  ]

  private static let encoderDecoder: [Key] = [
    Key(
      "model.context", \.model.context, groups: [.encoderDecoder], "seq2seq: how the decoder uses the encoder"
    ),
    Key(
      "model.bridge", \.model.bridge, groups: [.encoderDecoder],
      "seq2seq: the decoder starts from a transform of c, or from a copy of the encoder's last states of the same size"
    ),
    Key(
      "model.summary", \.model.summary, groups: [.encoderDecoder],
      "seq2seq: c is the encoder's last state, a transform of it, or a transform of all states"),
    Key(
      "model.context_to_output", \.model.contextToOutput, groups: [.encoderDecoder],
      "every-step: c also goes to the output layer"),
    Key(
      "model.condition", \.model.condition, groups: [.condition],
      "generator: where X enters; none: without X"),
    Key(
      "model.attention", \.model.attention.score, groups: [.encoderDecoder],
      "score of an encoder's state (Bahdanau 2014, Luong 2015)"),
    Key(
      "model.attention_size", \.model.attention.size, groups: [.pooling, .encoderDecoder],
      "units of the additive score; null: as the decoder"),
    Key(
      "model.attention_query", \.model.attention.query, groups: [.encoderDecoder],
      "the decoder's state before the step, or after it (Luong)"),
    Key(
      "model.attention_window", \.model.attention.window, groups: [.encoderDecoder],
      "attend only to positions at most this far from the present one (Luong's local-m); null: everywhere"),
    Key(
      "model.coverage", \.model.attention.coverage, groups: [.encoderDecoder],
      "attention sees the sum of its earlier weights (See et al. 2017)"),
    Key(
      "model.input_feeding", \.model.inputFeeding, groups: [.writing],
      "the decoder reads its last readout as well (Luong 2015)"),
    Key(
      "model.decoder_layers", \.model.decoderLayers, groups: [.writing], "null: as the encoder"),
    Key("model.decoder_hidden_size", \.model.decoderHiddenSize, groups: [.writing], "null: as the encoder"),
    Key(
      "model.decoder_embedding_size", \.model.decoderEmbeddingSize, groups: [.writing], "null: as the encoder"
    ),
  ]
}

// MARK: - Training

extension ConfigurationSchema {
  private static let training: [Key] = [
    Key(
      "training.batch_size", \.training.batchSize,
      "sequences (language model: parallel streams of text) in a step, over all ranks together"),
    Key(
      "training.batch_tokens", \.training.batchTokens, groups: [.examples],
      "tokens in a step over all ranks, instead of batch_size; null: batch_size counts"),
    Key(
      "training.bucketing", \.training.bucketing, groups: [.examples],
      "sequences of similar length in one step; not for language models"),
    Key(
      "training.bptt", \.training.bptt, groups: [.stream],
      "language model: tokens of each stream in a step; the state is carried over"),
    Key(
      "training.epochs", \.training.epochs, change: .whenResumed, "passes over the data; 0: not limited"),
    Key(
      "training.steps", \.training.steps, change: .whenResumed,
      "updates; 0: not limited; the first limit reached ends the run"),
    Key("training.optimizer", \.training.optimizer.kind, "rule of the update, as in PyTorch"),
    Key("training.learning_rate", \.training.learningRate, "before the schedule's factor"),
    Key("training.momentum", \.training.optimizer.momentum, "momentum, nesterov"),
    Key("training.decay", \.training.optimizer.decay, "rmsprop: decay of the mean square"),
    Key("training.beta1", \.training.optimizer.beta1, "adam, adamw: decay of the mean"),
    Key("training.beta2", \.training.optimizer.beta2, "adam, adamw: decay of the mean square"),
    Key(
      "training.epsilon", \.training.optimizer.epsilon,
      "added to the denominator; null: the optimizer's own (adagrad 1e-10, others 1e-8)"),
    Key(
      "training.weight_decay", \.training.optimizer.weightDecay,
      "pull towards zero; adamw: apart from the gradient"),
    Key(
      "training.clip_norm", \.training.clipNorm,
      "largest gradient norm (Euclidean, over all parameters); 0: off"),
    Key(
      "training.clip_value", \.training.clipValue,
      "largest absolute value of an element of the gradient, limited before its norm is; 0: off"),
    Key(
      "training.reproducible", \.training.reproducible,
      "the same bits on 1, 2, 4 and 8 ranks; needs a batch_size of at least 8"),
    Key(
      "training.reduce_method", \.training.reduction.method, change: .always,
      "how gradients are summed: in shared memory within a host and one slice per rank between hosts; by messages between all ranks; or "
        + "by the faster method, measured at the start"),
    Key(
      "training.reduce_precision", \.training.reduction.wire, change: .always,
      "how gradients are sent between hosts: bf16 is half the bytes; they are added in fp32, and their sum is rounded too"
    ),
    Key(
      "training.shard_optimizer", \.training.reduction.shardsOptimizer, change: .always,
      "each rank keeps the optimizer's moments for its part of the parameters only (ZeRO, stage 1): less memory, half as much again to "
        + "send; the same bits"),
    Key(
      "training.share_parameters", \.training.reduction.sharesParameters, change: .always,
      "the ranks on a host share one copy of the parameters and of the optimizer's moments; the same bits"
    ),
    Key(
      "training.local_steps", \.training.reduction.localSteps,
      "steps that each rank makes by itself before the ranks combine their parameters by an outer Nesterov step (DiLoCo): for slow "
        + "links; evaluations and checkpoints combine them as well; 1: gradients are summed in every step"),
    Key(
      "training.outer_learning_rate", \.training.reduction.outerLearningRate,
      "learning rate of the outer update after local steps, a step along the mean change of the parameters of the ranks"
    ),
    Key(
      "training.outer_momentum", \.training.reduction.outerMomentum,
      "Nesterov momentum of the outer update; 0 with outer_learning_rate 1: the mean of the parameters of the ranks"
    ),
    Key(
      "training.precision", \.training.precision,
      "operands of matrix products; sums, parameters and moments are fp32 either way"),
    Key(
      "training.products", \.training.products,
      "how kernels or OpenBLAS are chosen for a matrix product in fp32: by a rule for the processor, or by the shorter "
        + "time for its shape, measured before the first step and kept in the user's cache directory; tuned runs have other bits on other "
        + "machines, and their threads share every product instead of computing sequences of their own"),
    Key(
      "training.recompute", \.training.recompute, groups: [.stream],
      "language model: keep the activations of this many steps of a chunk only and compute the rest again in the backward "
        + "pass: less memory, a third more work; 0: off"),
    Key(
      "training.accumulate", \.training.accumulate, "chunks whose gradients are added up before an update"),
    Key(
      "training.skip_limit", \.training.skipLimit, change: .whenResumed,
      "steps in a row with a gradient that is not finite before the run stops"),
    Key(
      "training.drop_last_chunk", \.training.dropLastChunk, groups: [.stream],
      "leave out the chunk shorter than bptt at the end of an epoch"),
    Key(
      "training.label_smoothing", \.training.labelSmoothing, "share of the target spread over all classes"),
    Key(
      "training.teacher_forcing", \.training.teacherForcing, groups: [.writing],
      "seq2seq, generator: probability that a step reads the true token rather than the model's own"),
    Key(
      "training.teacher_forcing_end", \.training.teacherForcingEnd, groups: [.writing],
      "probability after teacher_forcing_steps, reached in a straight line; null: constant"),
    Key(
      "training.teacher_forcing_steps", \.training.teacherForcingSteps, groups: [.writing],
      "updates until teacher_forcing_end"),
    Key(
      "training.coverage_weight", \.training.coverageWeight, groups: [.encoderDecoder],
      "with model.coverage: weight of the coverage loss"),
    Key(
      "training.average_decay", \.training.averageDecay,
      "decay of a moving average of the weights, which is scored and saved instead of them; 0: none"),
  ]

  private static let schedule: [Key] = [
    Key("training.schedule.kind", \.training.schedule.kind, "how the learning rate changes"),
    Key(
      "training.schedule.warmup_steps", \.training.schedule.warmupSteps,
      "first updates, over which the rate rises from zero"),
    Key(
      "training.schedule.start_epoch", \.training.schedule.startEpoch, "step: epochs at the full rate"),
    Key(
      "training.schedule.factor", \.training.schedule.factor,
      "exponential, step: each further epoch; plateau: each time the metric stalls"),
    Key(
      "training.schedule.patience", \.training.schedule.patience,
      "plateau: evaluations in a row without improvement"),
    Key(
      "training.schedule.minimum", \.training.schedule.minimum,
      "lowest rate, as a fraction of learning_rate; where cosine ends"),
  ]
}

// MARK: - Use and reports

extension ConfigurationSchema {
  private static let decoding: [Key] = [
    Key("decoding.beam", \.decoding.beam, groups: [.writing], "hypotheses kept for each sequence; 1: greedy"),
    Key(
      "decoding.length_penalty", \.decoding.lengthPenalty, groups: [.writing],
      "exponent of the length normalization (Wu et al. 2016); 0: none"),
    Key(
      "decoding.coverage_penalty", \.decoding.coveragePenalty, groups: [.encoderDecoder],
      "weight of the coverage penalty (Wu et al. 2016); needs attention"),
    Key(
      "decoding.patience", \.decoding.patience, groups: [.writing],
      "a search ends when this many times beam hypotheses have ended (Kasai et al. 2022); null: when no other can win"
    ),
    Key("decoding.min_length", \.decoding.minLength, groups: [.writing], "fewest tokens of an output"),
    Key("decoding.max_length", \.decoding.maxLength, groups: [.writing], "most tokens of an output"),
    Key(
      "decoding.max_length_ratio", \.decoding.maxLengthRatio, groups: [.encoderDecoder],
      "most tokens of an output per token of the source, plus ten; 0: max_length alone"),
    Key(
      "decoding.no_repeat_ngram", \.decoding.noRepeatNgram, groups: [.writing],
      "no run of this many tokens twice in an output; 0: off"),
    Key(
      "decoding.replace_unknown", \.decoding.replaceUnknown, groups: [.encoderDecoder],
      "write the source token with the largest attention in place of <unk>; needs attention without a pyramid"
    ),
  ]

  private static let evaluation: [Key] = [
    Key(
      "evaluation.every_steps", \.evaluation.everySteps, change: .whenResumed, "0: at the end of each epoch"),
    Key(
      "evaluation.metric", \.evaluation.metric, isForEvaluation: true,
      "decides which checkpoint is the best, and when patience and plateau count"),
    Key(
      "evaluation.patience", \.evaluation.patience, change: .whenResumed,
      "evaluations in a row without improvement that end the run; 0: off"),
    Key(
      "evaluation.batch_size", \.evaluation.batchSize, change: .always, isForEvaluation: true,
      "sequences (language model: parallel streams of the text) scored together"),
    Key(
      "evaluation.decode_limit", \.evaluation.decodeLimit, groups: [.writing], change: .whenResumed,
      "during training: sources whose outputs are compared, for the metric; 0: all"),
    Key(
      "evaluation.bleu_tokens", \.evaluation.bleuTokens, groups: [.writing], change: .always,
      isForEvaluation: true,
      "how BLEU splits texts into words, as in sacrebleu"),
    Key(
      "evaluation.group_references", \.evaluation.groupReferences, groups: [.writing], change: .always,
      isForEvaluation: true,
      "lines with the same source are one source with several references; false: each line is compared by itself"
    ),
  ]

  private static let log: [Key] = [
    Key(
      "log.every_steps", \.log.everySteps, "updates between two reports"),
    Key(
      "log.tensorboard", \.log.tensorboard, "write events for TensorBoard as well"),
    Key(
      "log.samples", \.log.samples,
      "held-out examples whose outputs are kept at each evaluation, in samples/ and for TensorBoard (language models: a "
        + "text); 0: none, and no distributions of the weights"),
  ]

  private static let checkpoint: [Key] = [
    Key(
      "checkpoint.every_steps", \.checkpoint.everySteps, "0: at the end of each epoch"),
    Key(
      "checkpoint.every_seconds", \.checkpoint.everySeconds,
      "a checkpoint too when the last is this old; 0: none by time"),
    Key(
      "checkpoint.background", \.checkpoint.background,
      "a thread writes checkpoints from a copy in memory while training goes on, except the best and the last"
    ),
    Key(
      "checkpoint.keep", \.checkpoint.keep, "newest checkpoints kept, besides the best"),
  ]
}
