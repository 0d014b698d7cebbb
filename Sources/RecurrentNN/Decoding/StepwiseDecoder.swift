import NumericKernels

/// A model that extends sequences by one token at a time, many rows at once.
///
/// A row is one unfinished text: a hypothesis of a beam search, a sample being drawn, a target being scored.
/// An object stands for one batch that has been read (encoded sources, conditions, prompts) and serves one
/// search: its states move with every call.
public protocol StepwiseDecoder<Element>: AnyObject {
  associatedtype Element: Scalar

  /// Number of scores of every row; ids are 0..<vocabularySize.
  var vocabularySize: Int { get }

  /// Sequences (sources, conditions, streams) of the batch. Before the first ``advance(tokens:parents:logits:)``
  /// row i stands at the beginning of sequence i.
  var sequenceCount: Int { get }

  /// Extends rows by one token each.
  ///
  /// - Parameters:
  ///   - tokens: one id a row.
  ///   - parents: `parents[r]` is the row of the previous call, or the sequence at the first call, whose state
  ///     row r continues. Rows may be reordered, repeated and dropped, and their number may change: this is how
  ///     a search carries its choice over to the states. The rows of a sequence lie together, in the order of
  ///     the sequences.
  ///   - logits: [rows, vocabularySize], overwritten with the scores of what may follow. The caller may write
  ///     into it afterwards.
  func advance(
    tokens: UnsafeBufferPointer<Int32>, parents: UnsafeBufferPointer<Int32>, logits: MatrixView<Element>)

  /// The weights over the positions of row r's source with which the last call computed the row's logits: as
  /// many as the source has positions, padding left out, their sum 1. Valid until the next call; nil for
  /// models without attention.
  func attention(ofRow row: Int) -> UnsafeBufferPointer<Element>?
}

extension StepwiseDecoder {
  /// A model without attention.
  public func attention(ofRow row: Int) -> UnsafeBufferPointer<Element>? { nil }
}
