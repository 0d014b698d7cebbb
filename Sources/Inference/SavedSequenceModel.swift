import Checkpoints
import Communication
import Configuration
import Datasets
import NumericKernels
import Parameters
import RecurrentNN
import RunLog
import Tasks

/// A trained tagger, classifier, generator or encoder-decoder: its weights, its vocabularies and its settings.
public final class SavedSequenceModel {
  public let configuration: RunConfiguration
  public let encoding: DataEncoding
  let learner: any SequenceLearner
  /// Updates done when the checkpoint was written.
  public let step: Int
  /// Directory of the checkpoint.
  public let checkpointPath: String
  /// Newer checkpoints that were passed over because they don't verify.
  public let rejected: [RejectedCheckpoint]
  /// The steps of the checkpoints whose mean the weights are, rising; none where they are those of one checkpoint.
  public let averagedSteps: [Int]
  private let workspace: Workspace<Float>

  /// Loads a model from a run directory; see ``SavedModel/init(run:configuration:choice:)``.
  public init(
    run: RunPaths, configuration: RunConfiguration, choice: CheckpointChoice = .best
  ) throws {
    self.configuration = configuration
    workspace = Workspace(precision: configuration.training.precision)
    let weights = try SavedWeights(of: run, choice)
    (step, checkpointPath, rejected) = (weights.step, weights.path, weights.rejected)
    averagedSteps = weights.averagedSteps
    let shape = try DataShape(of: run, weights.tensors, configuration)
    encoding = shape.applied(to: try Self.encoding(of: run, configuration), configuration)
    learner = try Learners.make(configuration, encoding: encoding, shape: shape, .saved(weights))
  }

  public var parameters: ParameterBuffer<Float> { learner.parameters }

  /// A hash of the step and the weights, those of partners included.
  public var digest: UInt64 {
    let partners = (learner as? TranslationLearner)?.partners ?? []
    let all = ([learner.parameters] + partners.map(\.parameters)).map {
      Digest.digest64(of: UnsafeRawBufferPointer($0.elements))
    }
    return ([UInt64(step)] + all).withUnsafeBytes { Digest.digest64(of: $0) }
  }

  /// The vocabularies of a run. Throws `DataError`.
  public static func encoding(of run: RunPaths, _ configuration: RunConfiguration) throws -> DataEncoding {
    try DataEncoding.load(
      from: run.root, options: SequenceData.options(configuration),
      like: SequenceData.trainingSource(configuration))
  }

  /// Lets another model decide together with this one, in everything that is written from now on.
  ///
  /// Throws ``TrainingFailure/unusableRun(path:problem:)`` if one of them does not write from a source, or they read or
  /// write something else: other vocabularies, vectors of another width, another number of sources, another direction.
  public func join(_ other: SavedSequenceModel, path: String) throws {
    guard let learner = learner as? TranslationLearner, let partner = other.learner as? TranslationLearner
    else {
      throw TrainingFailure.unusableRun(path: path, problem: "can't be joined: only encoder-decoders can")
    }
    if let difference = difference(from: other, learner, partner) {
      throw TrainingFailure.unusableRun(path: path, problem: "has \(difference): it can't be joined")
    }
    learner.partners.append(partner)
  }

  private func difference(
    from other: SavedSequenceModel, _ learner: TranslationLearner, _ partner: TranslationLearner
  ) -> String? {
    let (mine, theirs) = (learner.model.shape, partner.model.shape)
    guard mine.sources.count == theirs.sources.count else {
      return "\(theirs.sources.count) sources, not \(mine.sources.count)"
    }
    if encoding.sourceWidth != other.encoding.sourceWidth { return "vectors of another width as source" }
    guard encoding.digest == other.encoding.digest else { return "other vocabularies" }
    // A hypothesis is shown with the average of all models' attention.
    return configuration.data.reverseSource == other.configuration.data.reverseSource
      ? nil : "another data.reverse_source"
  }

  // MARK: Scoring

  /// A configured split; nil if the run has none. Throws `DataError`.
  public func split(_ split: DataSplit) throws -> ExampleSet? {
    try SequenceData.split(split, of: configuration, encoding)
  }

  /// A split that this run names, read with another model's vocabularies; nil if the run has none.
  public func heldOut(_ split: DataSplit, readBy other: SavedSequenceModel) throws -> ExampleSet? {
    try SequenceData.split(split, of: configuration, other.encoding)
  }

  /// A file of the user's. Throws `DataError`.
  public func split(ofFile path: String) throws -> ExampleSet {
    try SequenceData.file(path, of: configuration, encoding)
  }

  /// Scores a split on all ranks together, each entry once, its outputs included. Collective.
  ///
  /// - Parameter includes: which entries; nil: all.
  /// - Throws: ``TrainingFailure/nothingToPredict(_:)`` if no entry at all has a target that was learnt.
  public func score(
    _ split: ExampleSet, communicator: any Communicator,
    including includes: ((_ entry: Int32) -> Bool)? = nil
  ) throws -> EvaluationResult {
    try learner.check(split)
    let plan = try ShardPlan(rank: communicator.rank, worldSize: communicator.worldSize, reproducible: false)
    let pass = SupervisedEvaluation(
      learner, split, plan: plan, batchSize: configuration.evaluation.batchSize, workspace: workspace,
      comparesOutputs: true, groupsReferences: configuration.evaluation.groupReferences,
      including: includes ?? { _ in true })
    let sums = try EvaluationSums.of(pass, plan: plan, communicator: communicator)
    guard sums.loss.tokens > 0 || includes != nil else { throw TrainingFailure.nothingToPredict(split.name) }
    return learner.result(of: sums)
  }

  // MARK: Predicting

  /// What a model says of a line.
  public struct Output: Sendable {
    /// Best first; one unless several were asked for.
    public var lines: [[UInt8]]
    /// The score of each line: a probability (classifier), a log-probability (tagger, if asked for) or a normalised one
    /// (sequences).
    public var scores: [Double]
    /// Where the model looked, if that was asked for: one matrix for each source.
    public var attention: [AttentionMatrix]
  }

  /// Reads input lines and writes output lines, many at a time.
  public final class Predictor {
    private let model: SavedSequenceModel
    private var inputs: PredictionInputs
    private var drawing: Drawing?
    /// The numbers of the lines that wait.
    private var lines: [Int] = []

    /// - Parameters:
    ///   - count: outputs wanted for each line; fewer if there are not so many, one of models that don't rank.
    ///   - keepsAttention: also say where the model looked.
    ///   - keepsScores: also give taggers' outputs their score, which takes a second look at the line.
    ///   - drawing: how sequences are drawn; nil: searched for.
    init(
      _ model: SavedSequenceModel, count: Int, keepsAttention: Bool, keepsScores: Bool, drawing: Drawing?
    ) throws {
      self.model = model
      self.drawing = drawing
      inputs = try PredictionInputs(
        options: SequenceData.options(model.configuration), encoding: model.encoding,
        like: SequenceData.trainingSource(model.configuration))
      switch model.learner {
      case let learner as TranslationLearner:
        learner.resultCount = count
        learner.keepsAttention = keepsAttention
      case let learner as GeneratorLearner: learner.resultCount = count
      case let learner as ClassifierLearner: learner.resultCount = count
      case let learner as TaggerLearner: learner.keepsScores = keepsScores
      default: break
      }
    }

    /// Takes a line; throws `DataError` if it is no input.
    public func add(_ line: [UInt8], number: Int) throws {
      try inputs.append(line, name: "standard input", line: number)
      lines.append(number)
    }

    /// Lines waiting.
    public var count: Int { inputs.count }

    /// The outputs of the lines taken since the last call, in their order.
    public func run() throws -> [Output] {
      let split = inputs.take()
      guard split.count > 0 else { return [] }
      try model.learner.check(split)
      drawing?.lines = lines
      lines.removeAll(keepingCapacity: true)
      (model.learner as? TranslationLearner)?.drawing = drawing
      (model.learner as? GeneratorLearner)?.drawing = drawing
      model.workspace.arena.reset()
      return try model.learner.predict((0..<Int32(split.count)).map { $0 }, of: split, model.workspace).map {
        Output(lines: $0.lines, scores: $0.scores, attention: $0.attention)
      }
    }
  }

  /// Whether several outputs can be had for a line: classes by probability, or sequences.
  public var ranksOutputs: Bool {
    configuration.task != .tagger && configuration.model.output == .softmax
  }

  /// Whether an output has a score: a probability or its logarithm.
  public var scoresOutputs: Bool { configuration.model.output.hasPerplexity }

  /// Whether it writes sequences, which can be drawn as well as searched for.
  public var writesSequences: Bool { configuration.task == .seq2seq || configuration.task == .generator }

  /// What a line of its data is: `a seq2seq of tsv`. Models with the same can be scored on the same file.
  public var dataForm: String {
    let parts = configuration.data.train?.parts.keys.map(\.rawValue).sorted() ?? []
    let second = encoding.hasSecondSource == true ? " with second sources" : ""
    let width = encoding.sourceWidth.map { ", vectors of \($0)" } ?? ""
    return "the \(configuration.data.format.rawValue) data of a \(configuration.task.rawValue)"
      + (configuration.model.output == .softmax ? "" : " with output \(configuration.model.output.rawValue)")
      + (parts.isEmpty ? "" : " in files \(parts.joined(separator: ", "))") + second + width
  }

  /// Whether it is a generator that writes for a vector.
  public var readsVector: Bool {
    configuration.task == .generator && configuration.model.condition != .none && encoding.labels == nil
  }

  /// Whether there is attention to be drawn.
  public var looksAtSource: Bool {
    configuration.task == .seq2seq && configuration.model.context == .attention
  }

  /// Something that turns lines into outputs.
  public func predictor(
    count: Int = 1, keepsAttention: Bool = false, keepsScores: Bool = false, drawing: Drawing? = nil
  ) throws -> Predictor {
    try Predictor(
      self, count: count, keepsAttention: keepsAttention, keepsScores: keepsScores, drawing: drawing)
  }

  /// The outputs for some entries of a split.
  public func predict(_ entries: [Int32], of split: ExampleSet, keepsAttention: Bool = false) throws
    -> [Output]
  {
    if let learner = learner as? TranslationLearner { learner.keepsAttention = keepsAttention }
    workspace.arena.reset()
    return try learner.predict(entries, of: split, workspace).map {
      Output(lines: $0.lines, scores: $0.scores, attention: $0.attention)
    }
  }
}

extension SavedSequenceModel {
  /// What lets this model write, if it is a generator.
  public var sequenceWriter: SequenceWriter? { SequenceWriter(self) }
}
