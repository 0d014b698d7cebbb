import Datasets
import NumericKernels
import Parameters
import RecurrentNN

/// A model together with what it takes to feed it from a corpus of sequences and to score its outputs.
///
/// One for each task; what they share (batches, shards, epochs, evaluation passes) is ``SupervisedTask``'s work.
package protocol SequenceLearner: AnyObject {
  var parameters: ParameterBuffer<Float> { get }
  /// Weights multiplied for every token, for figures of speed.
  var multipliedWeights: Int { get }

  /// The summed loss of some entries of a split; adds the gradient of that SUM if asked for.
  ///
  /// - Parameters:
  ///   - entries: numbers of entries.
  ///   - masks: coordinates of dropout and of the coins of scheduled sampling; nil when scoring.
  ///   - teacherForcing: probability that a decoder reads the true token.
  func loss(
    _ entries: [Int32], of split: ExampleSet, masks: SampleMasks?, teacherForcing: Double,
    into gradients: ParameterBuffer<Float>?, _ workspace: Workspace<Float>
  ) throws -> LossSum

  /// The sums behind the metrics of some examples, beyond their loss; always of one length. Examples of a group have
  /// the same source: one output is compared with the targets of all of them.
  func tally(
    _ groups: [ArraySlice<Int32>], of split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [Double]
  /// Whether outputs are texts that are compared with references, which takes a search.
  var comparesTexts: Bool { get }
  /// The metrics of the sums of all shards.
  func result(of sums: ScoreSums) -> EvaluationResult

  /// The outputs for some entries: for each a line, or several of models that rank if several were asked for.
  func predict(_ entries: [Int32], of split: ExampleSet, _ workspace: Workspace<Float>) throws
    -> [Prediction]

  /// Throws ``TrainingFailure/unfittingData(_:)`` if a split does not fit the model (widths, fixed lengths).
  func check(_ split: ExampleSet) throws
}

/// What a model says of one entry.
package struct Prediction {
  /// Best first; one unless several were asked for.
  package var lines: [[UInt8]]
  /// Score of each line, where the model has one.
  package var scores: [Double] = []
  /// Weights over the source's steps for every step of the first line, one matrix for each source.
  package var attention: [AttentionMatrix] = []
}

/// The attention of one output: row i belongs to output step i.
public struct AttentionMatrix: Sendable, Equatable {
  public var sourceLabels: [String]
  public var outputLabels: [String]
  /// [output step][source step].
  public var weights: [[Double]]
}

extension Arena where Element == Float {
  /// Room for the ids of some sequences, filled by the split.
  package func ids(
    _ entries: [Int32], of tokens: RaggedTokens, begin: Int32? = nil, end: Int32? = nil
  ) -> (lengths: [Int], ids: UnsafeMutableBufferPointer<Int32>) {
    let marks = (begin == nil ? 0 : 1) + (end == nil ? 0 : 1)
    let lengths = entries.map { tokens.length(Int($0)) + marks }
    let buffer = words(max(1, lengths.reduce(0, +)), of: Int32.self)
    _ = tokens.gather(entries[...], begin: begin, end: end, into: buffer)
    return (lengths, buffer)
  }

  /// Room for the vectors of some sequences, filled by the split.
  package func vectors(
    _ entries: [Int32], of vectors: RaggedVectors
  ) -> (lengths: [Int], values: MatrixView<Float>) {
    let lengths = entries.map { vectors.length(Int($0)) }
    let matrix = self.matrix(max(1, lengths.reduce(0, +)), vectors.width)
    _ = vectors.gather(
      entries[...], into: UnsafeMutableBufferPointer(start: matrix.base, count: matrix.count))
    return (lengths, matrix)
  }
}

/// The input side of some entries as a model reads it.
package func inputSequences(
  _ entries: [Int32], of field: ExampleField?, forms: SurfaceForms? = nil, reversed: Bool = false,
  _ arena: Arena<Float>
) -> InputSequences<Float> {
  switch field {
  case .tokens(let tokens):
    let (lengths, ids) = arena.ids(entries, of: tokens)
    if reversed { reverseEach(ids, lengths) }
    let characters = forms.map { wordForms($0, entries, reversed: reversed, arena) }
    return InputSequences(
      lengths: lengths,
      content: .tokens(UnsafePointer(ids.baseAddress!), characters: characters))
  case .vectors(let vectors):
    let (lengths, values) = arena.vectors(entries, of: vectors)
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

/// The distinct words of some entries in arena memory.
private func wordForms(
  _ forms: SurfaceForms, _ entries: [Int32], reversed: Bool, _ arena: Arena<Float>
) -> InputSequences<Float>.WordForms {
  var (index, lengths, characters) = forms.gather(entries[...])
  if reversed {
    let words = entries.map { forms.forms.length(Int($0)) }
    index.withUnsafeMutableBufferPointer { reverseEach($0, words) }
  }
  func stored(_ values: [Int32]) -> UnsafePointer<Int32> {
    let words = arena.words(max(1, values.count), of: Int32.self)
    _ = words.update(fromContentsOf: values)
    return UnsafePointer(words.baseAddress!)
  }
  return .init(index: stored(index), lengths: lengths, characters: stored(characters))
}
