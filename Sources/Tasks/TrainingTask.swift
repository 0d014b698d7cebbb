import Checkpoints
import Communication
import Datasets
import Parameters
import RecurrentNN
import RunLog

/// A split of the data.
public enum DataSplit: String, Sendable, CaseIterable {
  case train, valid, test
}

/// The sizes of the data of a task, for the summary at the start.
public struct TaskSize: Sendable {
  /// The name of the entries of ``vocabulary`` in messages: `tokens`, `target tokens`, `labels`.
  public var vocabularyName = "tokens"
  /// The size of the vocabulary, of the target vocabulary if there are two; 0 without a vocabulary.
  public var vocabulary: Int
  public var trainTokens: Int
  public var validTokens: Int
  /// The number of examples; 1 for a text.
  public var trainExamples: Int
  public var validExamples: Int
  /// The first example as it was read; nil for a text.
  public var firstExample: String?
  /// The shape of inputs that are numbers; nil for other inputs.
  public var inputs: NumericInputs?
}

/// The shape of the sequences of numbers that a model reads.
public struct NumericInputs: Sendable, Equatable {
  /// The numbers per step, without the marks of missing ones.
  public var width: Int
  /// Whether each number has a mark that says whether it is missing.
  public var isMasked: Bool
  /// The smallest and the largest number of steps.
  public var steps: ClosedRange<Int>

  init(of sequences: RaggedVectors, isMasked: Bool) {
    self.isMasked = isMasked
    width = isMasked ? sequences.width / 2 : sequences.width
    let lengths = (0..<sequences.count).lazy.map(sequences.length)
    steps = (lengths.min() ?? 0)...(lengths.max() ?? 0)
  }
}

/// A batch of an epoch. A training step uses one batch, or several if it accumulates gradients.
package struct Microbatch: Sendable, Equatable {
  /// The position within the epoch.
  package var index: Int
  /// The number within the whole run, which is the step of its random numbers.
  package var serial: Int
  /// The number of the update that it is a part of, for schedules that change with every update.
  package var update: Int

  package init(index: Int, serial: Int, update: Int) {
    (self.index, self.serial, self.update) = (index, serial, update)
  }
}

/// The part of a model and its data that a training step needs: the gradients of shards.
package protocol GradientSource: AnyObject {
  var parameters: ParameterBuffer<Float> { get }
  /// Scratch memory and packed weights.
  var workspace: Workspace<Float> { get }
  /// The number of microbatches in the epoch that was started last.
  var microbatchesPerEpoch: Int { get }

  /// Called before the first microbatch of every epoch, and when a run resumes within an epoch.
  func beginEpoch(_ epoch: Int, isResumed: Bool)

  /// Adds the gradient of the SUMMED loss of a shard.
  ///
  /// The result for a shard depends only on the global batch and the shard, never on the rank.
  func addGradient(
    of microbatch: Microbatch, shard: Int, into gradients: ParameterBuffer<Float>
  ) throws -> LossSum

  /// Sets carried states that are not finite to zero; called after a step whose gradient was not finite.
  func dropNonFiniteState()
}

/// A model with its data, cut into microbatches and shards, that can be trained.
///
/// The trainer knows steps, ranks, optimizers and checkpoints; a task knows batches and their examples.
package protocol TrainingTask: GradientSource {
  /// The sizes of the data, for the summary at the start.
  var size: TaskSize { get }
  /// A hash of all data. It must be equal on all ranks, and equal to that of the first start when a run resumes.
  var dataDigest: UInt64 { get }

  /// Warnings about the data, shown before training.
  var warnings: [String] { get }

  /// Notes for the user on how the model was built.
  var notes: [String] { get }

  /// Copies the parameters that the model has in common with another one, and describes them, one line each. Throws
  /// ``TrainingFailure`` if there are none.
  func start(from weights: StartingWeights) throws -> [String]

  /// Writes the vocabularies and the shape of the data, which the model needs besides its weights.
  func writeInputs(to run: RunPaths) throws

  /// Runs the forward and backward pass of the largest batch of an epoch, so that the workspace reaches its full size
  /// before the first step. The caller discards the values added to `gradients`. Carried states do not change.
  func rehearse(into gradients: ParameterBuffer<Float>) throws

  /// Prepares an evaluation of a split; returns nil if the data do not have this split.
  func evaluationPass(_ split: DataSplit) -> (any EvaluationPass)?

  /// Returns the metrics that follow from the sums of all shards.
  func result(of sums: ScoreSums) -> EvaluationResult

  /// Returns outputs of the current model for at most `count` held-out examples. One rank may call it alone.
  func samples(_ count: Int) throws -> [RunSamples.Sample]

  /// The state of the streams, which a checkpoint contains besides the parameters.
  var carriedState: CarriedState { get }
}

extension GradientSource {
  package func dropNonFiniteState() {}
}
