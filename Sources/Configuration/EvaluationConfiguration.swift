import Metrics

/// How sequences are written with a trained model, in evaluation and by `predict`.
public struct DecodingConfiguration: Sendable, Equatable {
  public var beam = 1
  public var lengthPenalty = 1.0
  public var coveragePenalty = 0.0
  /// A sequence is done when this many times `beam` of its hypotheses have ended; nil: when none can win any more.
  public var patience: Double? = 1
  public var minLength = 0
  public var maxLength = 500
  /// Tokens for each token of the source, besides `maxLength`; 0: no limit of this kind.
  public var maxLengthRatio = 0.0
  public var noRepeatNgram = 0
  public var replaceUnknown = false

  public init() {}
}

/// When held-out data are scored, and what follows from it.
public struct EvaluationConfiguration: Sendable, Equatable {
  public var everySteps = 0
  /// Decides which checkpoint is the best.
  public var metric = Metric.loss
  public var patience = 0
  public var batchSize = 32
  /// Held-out sources whose outputs are compared during training; 0: all.
  public var decodeLimit = 0
  public var bleuTokens = BLEUTokenizer.mteval13a
  /// Lines with the same source are one source with several references, of which any will do.
  public var groupReferences = false

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

extension Metric: ConfigurationChoice {
  /// The tasks that have it, with an output that they can have.
  public func belongs(to task: RunConfiguration.Task) -> Bool {
    ModelConfiguration.Output.allCases.contains { $0.belongs(to: task) && belongs(to: task, $0) }
  }

  /// Whether a model of a task with such an output has it. For metrics of spans the tags must mark spans as well.
  public func belongs(to task: RunConfiguration.Task, _ output: ModelConfiguration.Output) -> Bool {
    switch measure {
    case .loss: true
    case .probabilities: output.hasPerplexity
    case .numbers: output == .linear
    case .labels: output.hasPerplexity && (task == .tagger || task == .classifier)
    case .spans: output.hasPerplexity && task == .tagger
    case .texts: task == .seq2seq || task == .generator
    }
  }
}

extension BLEUTokenizer: ConfigurationChoice {}
