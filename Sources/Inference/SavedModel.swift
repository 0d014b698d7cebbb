import Checkpoints
import Communication
import Configuration
import Datasets
import NumericKernels
import Parameters
import RecurrentNN
import RunLog
import Tasks

/// The model of a finished (or running) run: its weights, its vocabulary and its settings, ready to score or
/// to generate.
public final class SavedModel {
  public let configuration: RunConfiguration
  public let vocabulary: Vocabulary
  public let model: LanguageModel<Float>
  public let parameters: ParameterBuffer<Float>
  /// Updates done when the checkpoint was written.
  public let step: Int
  /// Directory of the checkpoint.
  public let checkpointPath: String
  /// Newer checkpoints that were passed over because they don't verify.
  public let rejected: [RejectedCheckpoint]
  /// The steps of the checkpoints whose mean the weights are, rising; none where they are those of one checkpoint.
  public let averagedSteps: [Int]

  /// Loads a model from a run directory.
  ///
  /// - Parameters:
  ///   - run: the run directory.
  ///   - configuration: what its `config.yaml` says.
  /// Throws the errors of Checkpoints and Datasets, or ``TrainingFailure`` if weights and settings do not
  /// belong together.
  public init(run: RunPaths, configuration: RunConfiguration, choice: CheckpointChoice = .best) throws {
    self.configuration = configuration
    // First what says whether there is anything to load at all.
    let checkpoint = try SavedWeights(of: run, choice)
    (step, checkpointPath, rejected) = (checkpoint.step, checkpoint.path, checkpoint.rejected)
    averagedSteps = checkpoint.averagedSteps
    vocabulary = try Vocabulary.load(
      path: run.vocabulary(), tokenization: Corpora.tokenization(configuration.data),
      lowercase: configuration.data.lowercase)
    let shape = LanguageModelShape(configuration.model, vocabularySize: vocabulary.count)
    try shape.requireFittingCutoffs()
    model = try LanguageModel(shape)
    parameters = try checkpoint.parameters(of: model.layout)
  }

  /// A hash of the step and the weights.
  public var digest: UInt64 {
    let weights = Digest.digest64(of: UnsafeRawBufferPointer(parameters.elements))
    return [UInt64(step), weights].withUnsafeBytes { Digest.digest64(of: $0) }
  }

  // MARK: Scoring

  /// Scores a text on all ranks together, each token once. Collective.
  ///
  /// - Parameter streams: parallel streams the text is cut into; nil: as configured. More are faster, fewer lose
  ///   less context.
  public func score(
    _ tokens: TokenStream, communicator: any Communicator, streams: Int? = nil
  ) throws -> EvaluationResult {
    let plan = try ShardPlan(rank: communicator.rank, worldSize: communicator.worldSize, reproducible: false)
    let pass = LanguageModelEvaluation(
      model: model, parameters: parameters,
      workspace: Workspace(precision: configuration.training.precision), tokens: tokens,
      plan: plan,
      streams: streams ?? configuration.evaluation.batchSize, steps: configuration.training.bptt)
    let sums = try EvaluationSums.of(pass, plan: plan, communicator: communicator)
    return EvaluationResult(loss: sums.loss, examples: sums.examples)
  }

  /// The tokens of a configured split: read again, or generated again. Throws `DataError`; nil if the run has
  /// no such split.
  public func tokens(of split: DataSplit) throws -> TokenStream? {
    // A text in a file of its own needs no look at the others, which may be elsewhere by now.
    switch split {
    case .train:
      return try Corpora.load(configuration, vocabulary: vocabulary).train
    case .valid:
      if let path = configuration.data.valid?.file { return try tokens(ofFile: path) }
      return try Corpora.load(configuration, vocabulary: vocabulary).valid
    case .test:
      return try configuration.data.test?.file.map { try tokens(ofFile: $0) }
    }
  }

  /// The tokens of a file. Throws `DataError`.
  public func tokens(ofFile path: String) throws -> TokenStream {
    try TextCorpus.encode(.file(path), vocabulary: vocabulary)
  }
}
