import Configuration
import RecurrentNN
import Tasks

/// What happens during a run, told to whoever watches: the console, the metrics file, a test.
public enum TrainingEvent: Sendable {
  case started(RunSummary)
  /// Training goes on from a checkpoint. `rejected` names newer ones that did not verify.
  case resumed(step: Int, path: String, rejected: [String])
  /// What this rank will hold in memory.
  case planned(MemoryPlan)
  /// How products are computed, where that was measured.
  case choseProducts(ProductChoices)
  case step(StepReport)
  /// The gradient of a step was not finite: all ranks skip the update.
  case skippedStep(step: Int, inARow: Int, parameters: [String])
  case evaluated(EvaluationReport)
  case saved(step: Int, path: String, seconds: Double)
  /// A checkpoint could not be written; the run goes on and tries again.
  case saveFailed(step: Int, reason: String)
  /// Something that does not stop the run but should be known.
  case warning(String)
  case finished(RunOutcome)
}

/// What is known before the first step.
public struct RunSummary: Sendable {
  public var parameters: Int
  /// What ``vocabularySize`` counts.
  public var vocabularyName: String
  public var vocabularySize: Int
  public var task: RunConfiguration.Task
  public var trainTokens: Int
  public var validTokens: Int
  /// Sequences to learn from and to be scored on.
  public var trainExamples: Int
  public var validExamples: Int
  public var ranks: Int
  public var hosts: [String]
  public var threadsPerRank: Int
  public var batchSize: Int
  public var batchTokens: Int?
  public var bptt: Int
  public var stepsPerEpoch: Int
  public var totalSteps: Int
}

/// One line of progress: sums and means since the last report.
public struct StepReport: Sendable {
  public var step: Int
  public var totalSteps: Int
  /// Epochs done, with the fraction of the present one.
  public var epoch: Double
  /// Mean over the tokens since the last report, nats (models of numbers: squared error).
  public var loss: Double
  /// e^loss; nil where that is no perplexity.
  public var perplexity: Double?
  /// Global norm before clipping, at this step.
  public var gradientNorm: Double
  public var learningRate: Double
  /// Target tokens a second over all ranks since the last report.
  public var tokensPerSecond: Double
  /// Part of the time rank 0 spent in reductions, waiting included.
  public var communicationShare: Double?
  /// Seconds of training so far in this process.
  public var elapsed: Double
  /// Estimated seconds to the end.
  public var remaining: Double

  package init(
    step: Int, totalSteps: Int, epoch: Double, loss: Double, perplexity: Double?, gradientNorm: Double,
    learningRate: Double, tokensPerSecond: Double, communicationShare: Double?, elapsed: Double,
    remaining: Double
  ) {
    (self.step, self.totalSteps, self.epoch) = (step, totalSteps, epoch)
    (self.loss, self.perplexity, self.gradientNorm) = (loss, perplexity, gradientNorm)
    self.learningRate = learningRate
    self.tokensPerSecond = tokensPerSecond
    self.communicationShare = communicationShare
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

/// A figure with the name it has in files.
public struct NamedFigure: Sendable, Codable, Equatable {
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
  /// Further figures of that evaluation, by metric.
  public var bestFigures: [NamedFigure] = []
  public var seconds: Double
  /// Peak of this process's resident memory, MiB: data, program and libraries included.
  public var peakResidentMiB = 0
}

/// Is told what happens, on rank 0.
public protocol TrainingObserver: AnyObject {
  func handle(_ event: TrainingEvent)
}
