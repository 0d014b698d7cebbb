import Options
import RecurrentNN

/// When held-out data are scored, and what follows from it.
public struct EvaluationConfiguration: Options {
  /// Figure that decides which checkpoint is the best.
  public enum Metric: String, OptionChoice {
    case loss, perplexity, accuracy, f1
    case exactMatch = "exact_match"
    case tokenErrorRate = "token_error_rate"
    case wordErrorRate = "word_error_rate"
    case bleu, chrf, mse

    /// Whether more is better.
    public var isHigherBetter: Bool {
      switch self {
      case .loss, .perplexity, .tokenErrorRate, .wordErrorRate, .mse: false
      case .accuracy, .f1, .exactMatch, .bleu, .chrf: true
      }
    }

    /// The tasks that have it.
    public func belongs(to task: RunConfiguration.Task) -> Bool {
      switch self {
      case .loss, .perplexity: true
      case .accuracy, .mse: task == .tagger || task == .classifier
      case .f1: task == .tagger
      case .exactMatch, .tokenErrorRate, .wordErrorRate, .bleu, .chrf: task == .seq2seq || task == .generator
      }
    }

    /// Whether a model of a task with such an output has it; for f1 the tags must mark spans as well.
    public func belongs(to task: RunConfiguration.Task, _ output: OutputShape.Kind) -> Bool {
      guard belongs(to: task) else { return false }
      return switch self {
      case .perplexity, .accuracy, .f1: output.hasPerplexity
      case .mse: output == .linear
      case .loss, .exactMatch, .tokenErrorRate, .wordErrorRate, .bleu, .chrf: true
      }
    }

    /// Whether sequences must be decoded to know it.
    public var needsDecoding: Bool { belongs(to: .seq2seq) && !belongs(to: .tagger) }
  }

  public var everySteps = 0
  public var metric = Metric.loss
  public var patience = 0
  public var batchSize = 32
  /// Held-out entries decoded during training; 0: all.
  public var decodeLimit = 0
  /// BLEU's tokenization.
  public enum BLEUTokens: String, OptionChoice {
    case mteval13a = "13a"
    case none, char
  }
  public var bleuTokens = BLEUTokens.mteval13a

  public init() {}

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.everySteps, .atLeast(0))
    checks.bound(\.patience, .atLeast(0))
    checks.bound(\.batchSize, .within(1...1_000_000))
    checks.bound(\.decodeLimit, .atLeast(0))
  }
}

/// What is reported during the run.
public struct LogConfiguration: Options {
  public var everySteps = 10
  public var tensorboard = true

  public init() {}

  public func check(_ checks: inout OptionChecks<Self>) { checks.bound(\.everySteps, .atLeast(1)) }
}

/// When the run is saved, and how many savings stay.
public struct CheckpointConfiguration: Options {
  public var everySteps = 1000
  public var keep = 3

  public init() {}

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.everySteps, .atLeast(0))
    checks.bound(\.keep, .atLeast(1))
  }
}
