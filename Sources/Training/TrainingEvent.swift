import RecurrentNN
import RunLog
import Tasks

/// An event of a run, for its observers: the console, the metrics file, a test.
public enum TrainingEvent: Sendable {
  case started(RunSummary)
  /// Training continues from a checkpoint. `rejected` names newer checkpoints that failed verification.
  case resumed(step: Int, path: String, rejected: [String])
  /// The memory that this rank will need.
  case planned(MemoryPlan)
  /// The chosen methods of matrix products, if they were measured.
  case choseProducts(ProductChoices)
  /// The method by which gradients are summed, if it was measured.
  case choseSums(SumChoice)
  case step(StepReport)
  /// The gradient of a step was not finite: all ranks skip the update.
  case skippedStep(step: Int, inARow: Int, parameters: [String])
  /// A part of an evaluation is finished.
  case evaluating(done: Int, of: Int)
  case evaluated(EvaluationReport)
  /// Samples of the evaluated model and the distribution of its weights, for the user.
  case observed(ModelObservation)
  case saved(step: Int, path: String, seconds: Double)
  /// A checkpoint could not be written. The run continues and will try again.
  case saveFailed(step: Int, reason: String)
  /// Information on how the model was built.
  case note(String)
  /// A problem that does not stop the run.
  case warning(String)
  case finished(RunOutcome)
}

/// Facts that are known before the first step.
public struct RunSummary: Sendable {
  public var parameters: Int
  public var task: TaskKind
  public var size: TaskSize
  public var ranks: Int
  public var hosts: [String]
  public var threadsPerRank: Int
  public var batchSize: Int
  public var batchTokens: Int?
  public var bptt: Int
  public var stepsPerEpoch: Int
  public var totalSteps: Int
}

/// The state of a model at an evaluation.
public struct ModelObservation: Sendable {
  public var samples: RunSamples
  /// The histogram of each parameter, by the name of the parameter.
  public var weights: [(name: String, histogram: ValueHistogram)]
}

/// One line of progress: sums and means since the last report.
public struct StepReport: Sendable {
  public var step: Int
  public var totalSteps: Int
  /// The number of finished epochs, including the fraction of the current one.
  public var epoch: Double
  /// The mean loss over the tokens since the last report, in nats (for numeric targets: squared error).
  public var loss: Double
  /// e^loss; nil if it is not a perplexity.
  public var perplexity: Double?
  /// The global gradient norm before clipping, at this step.
  public var gradientNorm: Double
  public var learningRate: Double
  /// Target tokens per second over all ranks since the last report.
  public var tokensPerSecond: Double
  /// The share of each rank's step time that it spent in reductions, including waiting; empty for a single rank.
  public var communicationShares: [Double]
  /// Seconds of training in this process so far.
  public var elapsed: Double
  /// The estimated seconds until the end.
  public var remaining: Double
}

/// The result of scoring a split.
public struct EvaluationReport: Sendable {
  public var split: DataSplit
  public var step: Int
  public var epoch: Double
  public var result: EvaluationResult
  public var seconds: Double
  /// Whether it is the best so far (validation only).
  public var isBest: Bool
  /// Whether a checkpoint of the evaluated model is saved next.
  public var isSaveDue: Bool
}

/// A metric under its name in files.
public struct NamedMetric: Sendable, Codable, Equatable {
  public var name: String
  public var value: Double
}

/// How a run ended.
public struct RunOutcome: Sendable, Equatable {
  public enum Ending: String, Sendable, Equatable {
    /// All steps or epochs are finished.
    case completed
    /// The validation metric stopped improving (`evaluation.patience`).
    case earlyStopped = "early-stopped"
    /// A signal stopped the run, which can be resumed.
    case signalled
  }

  public var ending: Ending
  public var step: Int
  /// The loss of the best evaluation, in nats per token.
  public var bestLoss: Double?
  public var bestStep: Int?
  /// The other metrics of that evaluation.
  public var bestMetrics: [NamedMetric] = []
  /// The number of sources whose outputs they compare, if there was a limit.
  public var bestDecoded: Int?
  public var seconds: Double
  /// The peak resident memory of this process in MiB, including data, program and libraries.
  public var peakResidentMiB = 0
}

/// Receives the events of a run, on rank 0.
public protocol TrainingObserver: AnyObject {
  func handle(_ event: TrainingEvent)
}
