import Datasets
import NumericKernels
import Parameters
import RecurrentNN
import RunLog

/// A model with everything that is needed to train, score and use it. There is one learner per task, listed in
/// ``TaskKind/learners``.
///
/// Code shared by the learners is elsewhere: batches, shards and epochs in ``LearningTask``, the evaluation pass in
/// ``LearnerEvaluation``.
package protocol Learner: AnyObject, SendableMetatype {
  /// The kind of data: a stream of tokens, or examples.
  associatedtype Data: TaskData
  /// The task under the name that configurations and messages use.
  static var kind: TaskKind { get }

  /// Builds the model described by a configuration, for the vocabularies and widths of its data.
  ///
  /// - Parameter values: the source of the model's parameters.
  /// - Throws: ``TrainingFailure/unfittingData(_:)`` if the settings do not fit the data, and the errors of `values`.
  init(_ configuration: RunConfiguration, _ encoding: DataEncoding, _ values: ParameterSource) throws

  var parameters: ParameterBuffer<Float> { get }
  /// The numbers in each part of the state that a stream carries from batch to batch; empty for models whose state is
  /// reset for every example.
  var stateParts: [Int] { get }
  /// The uses of the model.
  var abilities: ModelAbilities { get }
  /// The sizes and options of the model; nil if models of this task can't be exported.
  var shape: ModelShape? { get }

  /// Throws ``TrainingFailure/unfittingData(_:)`` if the data do not fit the model (widths, fixed lengths).
  func check(_ data: Data) throws

  /// The summed loss of a shard of a batch. Adds the gradient of that SUM if the context has a buffer for gradients.
  func loss(of batch: Data.Batches.Batch, _ context: LossContext) throws -> LossSum

  // MARK: Scoring

  /// Whether outputs are texts that are compared with references. This takes a search.
  var comparesTexts: Bool { get }
  /// Returns the sums behind the metrics of some examples, other than their loss. All results have the same length. The
  /// examples of a group share a source: one output is compared with the targets of all of them.
  func tally(_ groups: [ArraySlice<Int32>], of data: Data, _ workspace: Workspace<Float>) throws -> ScoreSums
  /// Returns the metrics that follow from the sums of all shards.
  func result(of sums: ScoreSums) -> EvaluationResult

  // MARK: Use

  /// Returns the outputs for some examples: one line for each, or several if the options ask for them and the model
  /// ranks its outputs.
  func predict(
    _ examples: [Int32], of set: ExampleSet, _ options: PredictionOptions, _ workspace: Workspace<Float>
  ) throws -> [Prediction]
  /// Returns the log-probability of the target of each example.
  func scores(
    of examples: [Int32], in set: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [TargetScore]
  /// Returns the log-probability of each text on its own.
  func scores(ofTexts texts: [[Int32]], _ workspace: Workspace<Float>) throws -> [TargetScore]
  /// Returns a writer that continues the beginning of a text.
  func writer(of beginning: TextBeginning, _ workspace: Workspace<Float>) throws -> TextWriter
  /// Adds another model to the ensemble of this one. Everything that is scored or written afterwards uses both.
  ///
  /// - Parameters:
  ///   - other: the configuration of its run, with the vocabularies and the parameters.
  ///   - path: the run, for messages.
  func join(
    _ other: RunConfiguration, _ encoding: DataEncoding, _ parameters: ParameterSource, path: String
  ) throws
  /// The parameters of all members of the ensemble.
  var allParameters: [ParameterBuffer<Float>] { get }
}

extension Learner {
  /// The vocabularies and the shape of the data that a run has saved. Throws `DataError`.
  package static func encoding(of run: RunPaths, _ configuration: RunConfiguration) throws -> DataEncoding {
    try Data.encoding(of: run, configuration)
  }

  package var stateParts: [Int] { [] }
  package var shape: ModelShape? { nil }
  package var comparesTexts: Bool { false }
  package var allParameters: [ParameterBuffer<Float>] { [parameters] }

  package func check(_ data: Data) throws {}

  package func tally(
    _ groups: [ArraySlice<Int32>], of data: Data, _ workspace: Workspace<Float>
  ) throws -> ScoreSums { ScoreSums() }

  package func predict(
    _ examples: [Int32], of set: ExampleSet, _ options: PredictionOptions, _ workspace: Workspace<Float>
  ) throws -> [Prediction] {
    throw TrainingFailure.unfittingData("this model makes no predictions for lines: use rnn-dist generate")
  }

  package func scores(
    of examples: [Int32], in set: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [TargetScore] {
    throw TrainingFailure.unfittingData("this model scores texts, not examples")
  }

  package func scores(ofTexts texts: [[Int32]], _ workspace: Workspace<Float>) throws -> [TargetScore] {
    throw TrainingFailure.unfittingData("this model scores examples, not texts")
  }

  package func writer(of beginning: TextBeginning, _ workspace: Workspace<Float>) throws -> TextWriter {
    throw TrainingFailure.unfittingData("this model does not write by itself: use rnn-dist predict")
  }

  package func join(
    _ other: RunConfiguration, _ encoding: DataEncoding, _ parameters: ParameterSource, path: String
  ) throws { throw TrainingFailure.notInEnsemble(path) }
}

extension TrainingFailure {
  /// The failure to join a run with another one.
  static func notInEnsemble(_ path: String) -> TrainingFailure {
    .unusableRun(path: path, problem: "can't be a member of an ensemble: only encoder-decoders can")
  }
}

extension Learner where Data == ExampleSet {
  /// Uses only the loss of each example, which is the negative log-probability of its target.
  package func scores(
    of examples: [Int32], in set: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [TargetScore] {
    try check(set)
    return try examples.map { example in
      workspace.arena.reset()
      let loss = try loss(of: ExampleBatches.Batch(of: example, in: set), LossContext(workspace))
      return TargetScore(logProbability: -loss.total)
    }
  }
}

/// The inputs of the loss, other than the batch.
package struct LossContext {
  package let workspace: Workspace<Float>
  /// The buffer to which the gradient is added. nil: only the loss is computed, without smoothing and other changes for
  /// training.
  package var gradients: ParameterBuffer<Float>?
  /// The state of the shard's streams before the batch, one matrix for each part. It is overwritten with the state
  /// after the batch.
  package var state: [MatrixView<Float>] = []
  /// The probability that a decoder reads the true token instead of its own output.
  package var teacherForcing = 1.0
  /// Seed and step of all random numbers; nil: the computation is deterministic.
  package var random: (seed: UInt64, step: UInt64)?

  package init(
    _ workspace: Workspace<Float>, gradients: ParameterBuffer<Float>? = nil, state: [MatrixView<Float>] = []
  ) {
    (self.workspace, self.gradients, self.state) = (workspace, gradients, state)
  }

  /// Returns the coordinates of the random numbers for examples at these positions of the global batch.
  func masks(_ places: [UInt32]) -> SampleMasks? {
    random.map { SampleMasks(seed: $0.seed, step: $0.step, samples: places) }
  }

  /// Returns a ratio in training and 0 in an evaluation.
  func inTraining(_ ratio: Double) -> Double { gradients == nil ? 0 : ratio }

  func layers(_ parameters: ParameterBuffer<Float>, dropout: DropoutContext? = nil) -> LayerContext<Float> {
    LayerContext(parameters: parameters, workspace: workspace, dropout: dropout)
  }
}

// MARK: - Examples in arena memory

extension Arena where Element == Float {
  /// Allocates memory for the ids of some sequences and lets the split fill it.
  package func ids(
    _ examples: [Int32], of tokens: RaggedTokens, begin: Int32? = nil, end: Int32? = nil
  ) -> (lengths: [Int], ids: UnsafeMutableBufferPointer<Int32>) {
    let marks = (begin == nil ? 0 : 1) + (end == nil ? 0 : 1)
    let lengths = examples.map { tokens.length(Int($0)) + marks }
    let ids = buffer(max(1, lengths.reduce(0, +)), of: Int32.self)
    _ = tokens.gather(examples[...], begin: begin, end: end, into: ids)
    return (lengths, ids)
  }

  /// Allocates memory for the vectors of some sequences and lets the split fill it.
  package func vectors(
    _ examples: [Int32], of vectors: RaggedVectors
  ) -> (lengths: [Int], values: MatrixView<Float>) {
    let lengths = examples.map { vectors.length(Int($0)) }
    let matrix = self.matrix(max(1, lengths.reduce(0, +)), vectors.width)
    _ = vectors.gather(
      examples[...], into: UnsafeMutableBufferPointer(start: matrix.base, count: matrix.count))
    return (lengths, matrix)
  }
}

/// Returns the source side of some examples in the form that a model reads.
package func inputSequences(
  _ examples: [Int32], of field: ExampleField?, forms: SurfaceForms? = nil, reversed: Bool = false,
  _ arena: Arena<Float>
) -> InputSequences<Float> {
  switch field {
  case .tokens(let tokens):
    let (lengths, ids) = arena.ids(examples, of: tokens)
    if reversed { reverseEach(ids, lengths) }
    let characters = forms.map { wordForms($0, examples, reversed: reversed, arena) }
    return InputSequences(
      lengths: lengths,
      content: .tokens(UnsafePointer(ids.baseAddress!), characters: characters))
  case .vectors(let vectors):
    let (lengths, values) = arena.vectors(examples, of: vectors)
    return InputSequences(lengths: lengths, content: .vectors(values.base, width: values.columns))
  case .labels, .none:
    preconditionFailure("a model of sequences without sequences to read")
  }
}

/// Reverses each sequence.
private func reverseEach(_ ids: UnsafeMutableBufferPointer<Int32>, _ lengths: [Int]) {
  var first = 0
  for length in lengths {
    var sequence = UnsafeMutableBufferPointer(rebasing: ids[first..<first + length])
    sequence.reverse()
    first += length
  }
}

/// The distinct words of some examples in arena memory.
private func wordForms(
  _ forms: SurfaceForms, _ examples: [Int32], reversed: Bool, _ arena: Arena<Float>
) -> InputSequences<Float>.WordForms {
  var (index, lengths, characters) = forms.gather(examples[...])
  if reversed {
    let words = examples.map { forms.forms.length(Int($0)) }
    index.withUnsafeMutableBufferPointer { reverseEach($0, words) }
  }
  func stored(_ values: [Int32]) -> UnsafePointer<Int32> {
    let words = arena.buffer(max(1, values.count), of: Int32.self)
    _ = words.update(fromContentsOf: values)
    return UnsafePointer(words.baseAddress!)
  }
  return .init(index: stored(index), lengths: lengths, characters: stored(characters))
}
