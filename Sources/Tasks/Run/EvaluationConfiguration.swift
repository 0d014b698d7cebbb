import Metrics
import Options
import RecurrentNN

/// When held-out data are scored, and how.
public struct EvaluationConfiguration: Options {
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

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.everySteps, .atLeast(0))
    checks.bound(\.patience, .atLeast(0))
    checks.bound(\.batchSize, .within(1...1_000_000))
    checks.bound(\.decodeLimit, .atLeast(0))
  }
}

/// Which reports are written during the run, and how often.
public struct LogConfiguration: Options {
  public var everySteps = 10
  public var tensorboard = true
  /// Held-out examples whose outputs are kept at each evaluation; 0: neither these nor distributions of the weights.
  public var samples = 3

  public init() {}

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.everySteps, .atLeast(1))
    checks.bound(\.samples, .within(0...100))
  }
}

/// When the run is saved, and how many savings stay.
public struct CheckpointConfiguration: Options {
  public var everySteps = 1000
  /// The largest age of the newest checkpoint in seconds; 0: any.
  public var everySeconds = 0
  /// Whether a thread writes the checkpoints, from a copy, while training goes on.
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
  /// The tasks that have it, with an output that they can have.
  public func belongs(to task: TaskKind) -> Bool {
    task.outputs.contains { belongs(to: task, $0) }
  }

  /// Whether a model of a task with such an output has it. For metrics of spans the tags must mark spans as well.
  public func belongs(to task: TaskKind, _ output: OutputShape.Kind) -> Bool {
    switch measure {
    case .loss: true
    case .probabilities: output.hasPerplexity
    case .numbers: output == .linear
    case .labels: output.hasPerplexity && task.comparisons.contains(.labels)
    case .spans: output.hasPerplexity && task.comparisons.contains(.spans)
    case .texts: task.comparisons.contains(.texts)
    }
  }
}

extension BLEUTokenizer: OptionChoice {}
