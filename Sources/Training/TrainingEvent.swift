import RecurrentNN
import RunLog
import Tasks

/// An event of a run, for its observers: the console, the metrics file, a test.
public enum TrainingEvent: Sendable {
  case started(RunSummary)
  /// Training goes on from a checkpoint. `rejected` names newer ones that did not verify.
  case resumed(step: Int, path: String, rejected: [String])
  /// The memory that this rank will need.
  case planned(MemoryPlan)
  /// The choices of how products are computed, if they were measured.
  case choseProducts(ProductChoices)
  case step(StepReport)
  /// The gradient of a step was not finite: all ranks skip the update.
  case skippedStep(step: Int, inARow: Int, parameters: [String])
  /// A part of an evaluation is done.
  case evaluating(done: Int, of: Int)
  case evaluated(EvaluationReport)
  /// Samples of the evaluated model and the distribution of its weights, for a person to look at.
  case observed(ModelObservation)
  case saved(step: Int, path: String, seconds: Double)
  /// A checkpoint could not be written. The run goes on and tries again.
  case saveFailed(step: Int, reason: String)
  /// How the model was made.
  case note(String)
  /// A problem that does not stop the run.
  case warning(String)
  case finished(RunOutcome)
}

/// Facts that are known before the first step.
public struct RunSummary: Sendable {
  public var parameters: Int
  /// The kind of entries that ``vocabularySize`` counts.
  public var vocabularyName: String
  public var vocabularySize: Int
  public var task: TaskKind
  public var trainTokens: Int
  public var validTokens: Int
  /// The numbers of examples to train on and to evaluate on.
  public var trainExamples: Int
  public var validExamples: Int
  /// The first training example as it was read; nil for a text.
  public var firstExample: String?
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
  /// The distribution of each parameter, by its name.
  public var weights: [(name: String, histogram: ValueHistogram)]
}

/// One line of progress: sums and means since the last report.
public struct StepReport: Sendable {
  public var step: Int
  public var totalSteps: Int
  /// Epochs done, with the fraction of the current one.
  public var epoch: Double
  /// Mean over the tokens since the last report, nats (models of numbers: squared error).
  public var loss: Double
  /// e^loss; nil if that is not a perplexity.
  public var perplexity: Double?
  /// Global norm before clipping, at this step.
  public var gradientNorm: Double
  public var learningRate: Double
  /// Target tokens per second over all ranks since the last report.
  public var tokensPerSecond: Double
  /// Share of the time of its steps that each rank spent in reductions, including waiting; empty for a single rank.
  public var communicationShares: [Double]
  /// Seconds of training in this process so far.
  public var elapsed: Double
  /// Estimated seconds to the end.
  public var remaining: Double

  package init(
    step: Int, totalSteps: Int, epoch: Double, loss: Double, perplexity: Double?, gradientNorm: Double,
    learningRate: Double, tokensPerSecond: Double, communicationShares: [Double], elapsed: Double,
    remaining: Double
  ) {
    (self.step, self.totalSteps, self.epoch) = (step, totalSteps, epoch)
    (self.loss, self.perplexity, self.gradientNorm) = (loss, perplexity, gradientNorm)
    self.learningRate = learningRate
    self.tokensPerSecond = tokensPerSecond
    self.communicationShares = communicationShares
    (self.elapsed, self.remaining) = (elapsed, remaining)
  }
}

/// Result of scoring a split.
public struct EvaluationReport: Sendable {
  public var split: DataSplit
  public var step: Int
  public var epoch: Double
  public var result: EvaluationResult
  public var seconds: Double
  /// True if it is the best so far (validation only).
  public var isBest: Bool

  public var loss: LossSum { result.loss }

  public init(
    split: DataSplit, step: Int, epoch: Double, result: EvaluationResult, seconds: Double, isBest: Bool
  ) {
    self.split = split
    self.step = step
    self.epoch = epoch
    self.result = result
    self.seconds = seconds
    self.isBest = isBest
  }
}

/// A metric with the name that it has in files.
public struct NamedMetric: Sendable, Codable, Equatable {
  public var name: String
  public var value: Double
}

/// How a run ended.
public struct RunOutcome: Sendable, Equatable {
  public enum Ending: String, Sendable, Equatable {
    /// All steps or epochs done.
    case completed
    /// The validation metric stopped improving (`evaluation.patience`).
    case earlyStopped = "early-stopped"
    /// By a signal; it can be resumed.
    case signalled
  }

  public var ending: Ending
  public var step: Int
  /// Loss of the best evaluation, nats per token.
  public var bestLoss: Double?
  public var bestStep: Int?
  /// The other metrics of that evaluation.
  public var bestMetrics: [NamedMetric] = []
  public var seconds: Double
  /// Peak of the resident memory of this process in MiB, including data, program and libraries.
  public var peakResidentMiB = 0
}

/// Receives the events of a run, on rank 0.
public protocol TrainingObserver: AnyObject {
  func handle(_ event: TrainingEvent)
}
