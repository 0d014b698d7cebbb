import Metrics
import Options
import RecurrentNN

/// When and how held-out data are scored.
public struct EvaluationConfiguration: Options {
  public var everySteps = 0
  /// The metric that selects the best checkpoint.
  public var metric = Metric.loss
  public var patience = 0
  public var batchSize = 32
  /// The number of held-out sources whose outputs are compared during training; 0: all.
  public var decodeLimit = 0
  public var bleuTokens = BLEUTokenizer.mteval13a
  /// Whether lines with the same source are one source with several references. An output may match any of them.
  public var groupReferences = false

  public init() {}

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.everySteps, .atLeast(0))
    checks.bound(\.patience, .atLeast(0))
    checks.bound(\.batchSize, .within(1...1_000_000))
    checks.bound(\.decodeLimit, .atLeast(0))
  }
}

/// The reports that are written during the run, and their frequency.
public struct LogConfiguration: Options {
  public var everySteps = 10
  public var tensorboard = true
  /// The number of held-out examples whose outputs are recorded at each evaluation. 0 also turns off the histograms of
  /// the weights.
  public var samples = 3

  public init() {}

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.everySteps, .atLeast(1))
    checks.bound(\.samples, .within(0...100))
  }
}

/// When checkpoints are saved, and how many of them are kept.
public struct CheckpointConfiguration: Options {
  public var everySteps = 1000
  /// The maximum age of the newest checkpoint in seconds; 0: no limit.
  public var everySeconds = 0
  /// Whether a background thread writes the checkpoints from a copy while training continues.
  public var background = false
  public var keep = 3

  public init() {}

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.everySteps, .atLeast(0))
    checks.bound(\.everySeconds, .atLeast(0))
    checks.bound(\.keep, .atLeast(1))
  }
}

extension Metric: OptionChoice {
  /// Whether a task has this metric with at least one of its output types.
  public func belongs(to task: TaskKind) -> Bool {
    task.outputs.contains { belongs(to: task, $0) }
  }

  /// Whether a task with this output type has this metric. For metrics of spans the tags must mark spans as well.
  public func belongs(to task: TaskKind, _ output: OutputShape.Kind) -> Bool {
    switch measure {
    case .loss: true
    case .probabilities: output.hasPerplexity
    case .numbers: output.isScaled
    case .quantiles: output == .quantile
    // Of the data alone: the same for every checkpoint.
    case .baseline: false
    case .labels: output.hasPerplexity && task.comparisons.contains(.labels)
    case .spans: output.hasPerplexity && task.comparisons.contains(.spans)
    case .texts: task.comparisons.contains(.texts)
    }
  }
}

extension BLEUTokenizer: OptionChoice {}
