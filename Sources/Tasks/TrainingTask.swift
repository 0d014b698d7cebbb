import Checkpoints
import Communication
import Parameters
import RecurrentNN
import RunLog

/// A part of the data.
public enum DataSplit: String, Sendable, CaseIterable {
  case train, valid, test
}

/// The sizes of the data of a task, for the summary at the start.
package struct TaskSize: Sendable {
  /// The name of ``vocabulary`` in messages: `vocabulary`, `target vocabulary`, `source vocabulary`, `set of labels`.
  package var vocabularyName = "vocabulary"
  /// The size of the vocabulary, of the target if there are two; 0 without a vocabulary.
  package var vocabulary: Int
  package var trainTokens: Int
  package var validTokens: Int
  /// Examples; 1 for a text.
  package var trainExamples: Int
  package var validExamples: Int
  /// The first example as it was read; nil for a text.
  package var firstExample: String?
}

/// A batch of an epoch. A training step takes one or, accumulating, several.
package struct Microbatch: Sendable, Equatable {
  /// Position within the epoch.
  package var index: Int
  /// Number in the whole run: the step of its random numbers.
  package var serial: Int
  /// Number of the update that it is a part of, for what changes from update to update.
  package var update: Int

  package init(index: Int, serial: Int, update: Int) {
    (self.index, self.serial, self.update) = (index, serial, update)
  }
}

/// The part of a model and its data that a training step needs: gradients of shards.
package protocol GradientSource: AnyObject {
  var parameters: ParameterBuffer<Float> { get }
  /// Scratch memory and packed weights.
  var workspace: Workspace<Float> { get }
  /// Microbatches of the epoch that was begun last.
  var microbatchesPerEpoch: Int { get }

  /// Called before the first microbatch of every epoch, and when a run is resumed within one.
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

/// Something that can be trained: a model with its data, cut into microbatches and shards.
///
/// The trainer knows steps, ranks, optimizers and checkpoints; a task knows what a batch is.
package protocol TrainingTask: GradientSource {
  /// The sizes of the data, for the summary at the start.
  var size: TaskSize { get }
  /// A hash of all data. It must be equal on all ranks, and when a run is resumed.
  var dataDigest: UInt64 { get }

  /// Notes for the user on the data, before training.
  var warnings: [String] { get }

  /// Remarks for the user about how the model was made.
  var notes: [String] { get }

  /// Takes what the model has in common with another one, and describes it, one line each. Throws ``TrainingFailure`` if they
  /// have nothing in common.
  func start(from weights: StartingWeights) throws -> [String]

  /// Writes the vocabularies and the shape of the data, which the model needs besides its weights.
  func writeInputs(to run: RunPaths) throws

  /// Runs the forward and backward pass of the largest batch of an epoch, so that the workspace has its size before the first
  /// step. The caller discards what it adds to `gradients`. Carried states do not change.
  func rehearse(into gradients: ParameterBuffer<Float>) throws

  /// Prepares an evaluation of a split; nil if there is no such data.
  func evaluationPass(_ split: DataSplit) -> (any EvaluationPass)?

  /// The metrics of the sums of all shards.
  func result(of sums: ScoreSums) -> EvaluationResult

  /// Outputs of the model as it is, for at most `count` held-out examples. One rank may call it alone.
  func samples(_ count: Int) throws -> [RunSamples.Sample]

  /// The state of streams, which a checkpoint keeps besides the parameters.
  var carriedState: CarriedState { get }
}

extension TrainingTask {
  package func result(of sums: ScoreSums) -> EvaluationResult {
    EvaluationResult(loss: sums.loss, examples: sums.examples)
  }

  package var warnings: [String] { [] }
  package func samples(_ count: Int) throws -> [RunSamples.Sample] { [] }
  package var notes: [String] { [] }

  package func start(from weights: StartingWeights) throws -> [String] { [] }
}

extension GradientSource {
  package func dropNonFiniteState() {}
}
