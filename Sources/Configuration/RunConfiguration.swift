/// Everything that decides what a run computes, as read from YAML, presets and `key=value` overrides.
///
/// The initial value of each property is the default of its key; names, bounds and help are in
/// `ConfigurationSchema`, which reads the defaults from here so that no key is described twice.
public struct RunConfiguration: Sendable, Equatable {
  /// What the network learns.
  public enum Task: String, ConfigurationChoice { case languageModel = "language-model" }

  public var task = Task.languageModel
  public var seed = 1
  public var model = ModelConfiguration()
  public var data = DataConfiguration()
  public var training = TrainingConfiguration()
  public var evaluation = EvaluationConfiguration()
  public var log = LogConfiguration()
  public var checkpoint = CheckpointConfiguration()

  public init() {}
}

/// A setting with a closed list of values; the raw value is the word written in YAML.
public protocol ConfigurationChoice: RawRepresentable, CaseIterable, Hashable, Sendable
where RawValue == String {}

/// Shape and initial state of the network.
public struct ModelConfiguration: Sendable, Equatable {
  /// Recurrent cell.
  public enum Cell: String, ConfigurationChoice { case rnn, gru, lstm }
  /// Nonlinearity of the plain recurrent cell.
  public enum Activation: String, ConfigurationChoice { case tanh, relu }
  /// Where a GRU applies its reset gate: to the product with the recurrent matrix, or to the state before it.
  public enum ResetGate: String, ConfigurationChoice { case after, before }

  public var cell = Cell.lstm
  public var activation = Activation.tanh
  public var forgetBias = 0.0
  public var gruReset = ResetGate.after
  public var layers = 1
  public var hiddenSize = 256
  public var embeddingSize = 256
  public var dropout = 0.0
  /// Dropout of the embedding output; nil: the same as `dropout`, see `effectiveEmbeddingDropout`.
  public var embeddingDropout: Double?
  public var initUniform: Double?
  public var tieEmbeddings = false

  public init() {}

  /// The rate that applies to the embedding output.
  public var effectiveEmbeddingDropout: Double { embeddingDropout ?? dropout }
}

/// Where the text comes from and how it is cut into tokens.
public struct DataConfiguration: Sendable, Equatable {
  /// Layout of the files.
  public enum Format: String, ConfigurationChoice { case text }
  /// Unit of text that gets an id.
  public enum Tokens: String, ConfigurationChoice { case byte, char, word }
  /// Text that the program writes itself when no file is given.
  public enum Generator: String, ConfigurationChoice { case none, dates }

  public var train: String?
  public var valid: String?
  public var test: String?
  public var validFraction = 0.1
  public var format = Format.text
  public var tokens = Tokens.char
  public var lowercase = false
  public var minCount = 1
  public var maxVocabulary = 50_000
  public var generator = Generator.none
  public var generatedSize = 1_000_000

  public init() {}
}

/// How the parameters are learnt.
public struct TrainingConfiguration: Sendable, Equatable {
  /// Rule of the parameter update.
  public enum Optimizer: String, ConfigurationChoice {
    case sgd, momentum, nesterov, rmsprop, adagrad, adam, adamw
  }
  /// How the operands of matrix products are rounded.
  public enum Precision: String, ConfigurationChoice { case fp32, bf16 }

  public var batchSize = 32
  public var bptt = 50
  public var epochs = 10
  public var steps = 0
  public var optimizer = Optimizer.adam
  public var learningRate = 0.002
  public var momentum = 0.9
  public var decay = 0.99
  public var beta1 = 0.9
  public var beta2 = 0.999
  /// Nil: the optimizer's own, as in PyTorch (1e-10 for adagrad, 1e-8 for the others).
  public var epsilon: Double?
  public var weightDecay = 0.0
  public var schedule = ScheduleConfiguration()
  public var clipNorm = 5.0
  public var reproducible = false
  public var precision = Precision.fp32
  public var accumulate = 1
  public var skipLimit = 5
  public var dropLastChunk = false

  public init() {}
}

/// How the learning rate changes during the run.
public struct ScheduleConfiguration: Sendable, Equatable {
  /// Shape of the learning rate over time.
  public enum Kind: String, ConfigurationChoice {
    case constant, exponential, step, plateau
    case inverseSquareRoot = "inverse-sqrt"
    case cosine
  }

  public var kind = Kind.constant
  public var warmupSteps = 0
  public var startEpoch = 1
  public var factor = 0.5
  public var patience = 1
  public var minimum = 0.0

  public init() {}
}

/// When the validation text is scored, and what follows from it.
public struct EvaluationConfiguration: Sendable, Equatable {
  /// Figure that decides which checkpoint is the best.
  public enum Metric: String, ConfigurationChoice { case loss, perplexity }

  public var everySteps = 0
  public var metric = Metric.loss
  public var patience = 0
  public var batchSize = 32

  public init() {}
}

/// What is reported during the run.
public struct LogConfiguration: Sendable, Equatable {
  public var everySteps = 10
  public var tensorboard = true

  public init() {}
}

/// When the run is saved, and how many savings stay.
public struct CheckpointConfiguration: Sendable, Equatable {
  public var everySteps = 1000
  public var keep = 3

  public init() {}
}
