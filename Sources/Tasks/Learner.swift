import Datasets
import NumericKernels
import Parameters
import RecurrentNN
import RunLog

/// A model with what it takes to train it on data, to score it and to use it. There is one learner for each task, listed in
/// ``TaskKind/learners``.
///
/// Code that learners share is elsewhere: batches, shards and epochs in ``LearningTask``, the evaluation pass in
/// ``LearnerEvaluation``.
package protocol Learner: AnyObject, SendableMetatype {
  /// The kind of its data: a stream of tokens, or examples.
  associatedtype Data: TaskData
  /// The task, as configurations and messages know it.
  static var kind: TaskKind { get }

  /// Builds the model that a configuration describes, for the vocabularies and widths of its data.
  ///
  /// - Parameter values: where the parameters of the model come from.
  /// - Throws: ``TrainingFailure/unfittingData(_:)`` if settings and data do not go together, and what `values` throws.
  init(_ configuration: RunConfiguration, _ encoding: DataEncoding, _ values: ParameterSource) throws

  var parameters: ParameterBuffer<Float> { get }
  /// The numbers in each part of the state that a stream carries from batch to batch; empty for models that begin every
  /// example anew.
  var stateParts: [Int] { get }
  /// The uses of the model.
  var abilities: ModelAbilities { get }
  /// The sizes and options of the model; nil for a task whose models can't be exported.
  var shape: ModelShape? { get }

  /// Throws ``TrainingFailure/unfittingData(_:)`` if data do not fit the model (widths, fixed lengths).
  func check(_ data: Data) throws

  /// The summed loss of a shard of a batch. Adds the gradient of that SUM where the context asks for it.
  func loss(of batch: Data.Batches.Batch, _ context: LossContext) throws -> LossSum

  // MARK: Scoring

  /// Whether outputs are texts that are compared with references, which takes a search.
  var comparesTexts: Bool { get }
  /// The sums behind the metrics of some examples, beyond their loss; always of one length. Examples of a group have
  /// the same source: one output is compared with the targets of all of them.
  func tally(_ groups: [ArraySlice<Int32>], of data: Data, _ workspace: Workspace<Float>) throws -> ScoreSums
  /// The metrics of the sums of all shards.
  func result(of sums: ScoreSums) -> EvaluationResult

  // MARK: Use

  /// The outputs for some examples: for each a line, or several of models that rank if several are asked for.
  func predict(
    _ examples: [Int32], of set: ExampleSet, _ options: PredictionOptions, _ workspace: Workspace<Float>
  ) throws -> [Prediction]
  /// The log-probability of the target of each of some examples.
  func scores(
    of examples: [Int32], in set: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [TargetScore]
  /// The log-probability of texts, each on its own.
  func scores(ofTexts texts: [[Int32]], _ workspace: Workspace<Float>) throws -> [TargetScore]
  /// Returns a writer of texts after a beginning.
  func writer(of beginning: TextBeginning, _ workspace: Workspace<Float>) throws -> TextWriter
  /// Lets another model decide together with this one, in everything that is scored or written from now on.
  func join(_ other: any Learner, path: String) throws
  /// The parameters of all models that decide together.
  var allParameters: [ParameterBuffer<Float>] { get }
}

extension Learner {
  /// The vocabularies and the shape of the data that a run has kept. Throws `DataError`.
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

  package func join(_ other: any Learner, path: String) throws {
    throw TrainingFailure.unusableRun(
      path: path, problem: "can't be a member of an ensemble: only encoder-decoders can")
  }
}

extension Learner where Data == ExampleSet {
  /// By the loss of each example alone, which is the negative log-probability of its target.
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

/// The inputs of the loss of a batch besides the batch.
package struct LossContext {
  package let workspace: Workspace<Float>
  /// Where to add the gradient; nil: only the loss is wanted, without anything that only training has, such as smoothing.
  package var gradients: ParameterBuffer<Float>?
  /// The state of the shard's streams before the batch, overwritten with that after it: a matrix for each part.
  package var state: [MatrixView<Float>] = []
  /// The probability that a decoder reads the true token instead of its own.
  package var teacherForcing = 1.0
  /// Seed and step of all random numbers; nil: nothing is random.
  package var random: (seed: UInt64, step: UInt64)?

  package init(
    _ workspace: Workspace<Float>, gradients: ParameterBuffer<Float>? = nil, state: [MatrixView<Float>] = []
  ) {
    (self.workspace, self.gradients, self.state) = (workspace, gradients, state)
  }

  /// The coordinates of random numbers for examples at these places of the global batch.
  func masks(_ places: [UInt32]) -> SampleMasks? {
    random.map { SampleMasks(seed: $0.seed, step: $0.step, samples: places) }
  }

  /// A ratio for training; 0 in an evaluation.
  func inTraining(_ ratio: Double) -> Double { gradients == nil ? 0 : ratio }

  func layers(_ parameters: ParameterBuffer<Float>, dropout: DropoutContext? = nil) -> LayerContext<Float> {
    LayerContext(parameters: parameters, workspace: workspace, dropout: dropout)
  }
}

// MARK: - Examples in arena memory

extension Arena where Element == Float {
  /// Room for the ids of some sequences, filled by the split.
  package func ids(
    _ examples: [Int32], of tokens: RaggedTokens, begin: Int32? = nil, end: Int32? = nil
  ) -> (lengths: [Int], ids: UnsafeMutableBufferPointer<Int32>) {
    let marks = (begin == nil ? 0 : 1) + (end == nil ? 0 : 1)
    let lengths = examples.map { tokens.length(Int($0)) + marks }
    let buffer = words(max(1, lengths.reduce(0, +)), of: Int32.self)
    _ = tokens.gather(examples[...], begin: begin, end: end, into: buffer)
    return (lengths, buffer)
  }

  /// Room for the vectors of some sequences, filled by the split.
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

/// The input side of some examples as a model reads it.
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

/// Turns every sequence round.
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
    let words = arena.words(max(1, values.count), of: Int32.self)
    _ = words.update(fromContentsOf: values)
    return UnsafePointer(words.baseAddress!)
  }
  return .init(index: stored(index), lengths: lengths, characters: stored(characters))
}
