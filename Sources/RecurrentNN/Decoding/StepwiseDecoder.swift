import NumericKernels

/// A model that extends sequences by one token at a time, many rows at once.
///
/// A row is one unfinished text: a hypothesis of a beam search, a sample, or a target that is scored. An object belongs to
/// one batch that has been read (encoded sources, conditions, prompts) and serves one search: its states advance with
/// every call.
public protocol StepwiseDecoder<Element>: AnyObject {
  associatedtype Element: Scalar

  /// The number of scores per row; ids are 0..<vocabularySize.
  var vocabularySize: Int { get }

  /// The number of sequences (sources, conditions, streams) in the batch. Before the first
  /// ``advance(tokens:parents:logits:)`` row i is at the beginning of sequence i.
  var sequenceCount: Int { get }

  /// Extends rows by one token each.
  ///
  /// - Parameters:
  ///   - tokens: one id per row.
  ///   - parents: `parents[r]` is the row of the previous call, or the sequence at the first call, whose state
  ///     row r continues. Rows may be reordered, repeated and dropped, and their number may change: this applies the
  ///     choice of a search to the states. The rows of a sequence are adjacent, in the order of the sequences.
  ///   - logits: [rows, vocabularySize], overwritten with the scores of the next token. The caller may write into it
  ///     afterwards.
  func advance(
    tokens: UnsafeBufferPointer<Int32>, parents: UnsafeBufferPointer<Int32>, logits: MatrixView<Element>)

  /// The attention weights with which the last call computed the logits of row r. There is one per position of the row's
  /// source, without padding, and their sum is 1. Valid until the next call; nil for models without attention.
  func attention(ofRow row: Int) -> UnsafeBufferPointer<Element>?

  /// The rows of the last call, if they depend on nothing but their state; nil if they belong to the batch that was read.
  var independentRows: IndependentRows<Element>? { get }

  /// Appends the rows of another decoder of the same model to its own. The next ``advance(tokens:parents:logits:)``
  /// treats them as rows of the previous call. The other decoder must not be used afterwards.
  ///
  /// - Returns: the number of its own rows before the call; nil if this kind of decoder can't join rows, and nothing has
  ///   changed.
  func join(_ other: any StepwiseDecoder<Element>) -> Int?
}

extension StepwiseDecoder {
  /// Extends rows by one token each, given as arrays.
  func advance(_ tokens: [Int32], _ parents: [Int32], logits: MatrixView<Element>) {
    tokens.withUnsafeBufferPointer { tokens in
      parents.withUnsafeBufferPointer { advance(tokens: tokens, parents: $0, logits: logits) }
    }
  }

  /// nil, for models without attention.
  public func attention(ofRow row: Int) -> UnsafeBufferPointer<Element>? { nil }

  /// A decoder whose rows belong to the batch that was read.
  public var independentRows: IndependentRows<Element>? { nil }
  public func join(_ other: any StepwiseDecoder<Element>) -> Int? { nil }
}

/// The logits of all rows of a step. The block grows to the largest number of rows so far and is reused.
struct LogitsBlock<Element: Scalar> {
  private var buffer = AlignedBuffer<Element>(count: 0)
  let vocabularySize: Int

  init(vocabularySize: Int) { self.vocabularySize = vocabularySize }

  mutating func rows(_ count: Int) -> MatrixView<Element> {
    let needed = count * vocabularySize
    if buffer.count < needed { buffer = AlignedBuffer(count: needed) }
    return MatrixView(buffer.base, rows: count, columns: vocabularySize)
  }
}

/// Makes a model read existing texts token by token, all at once.
///
/// - Parameters:
///   - decoder: the model with its batch, before its first step.
///   - startTokens: for each sequence the token that its texts begin after.
///   - texts: token ids of each text; a text with nothing left to predict leaves the batch.
///   - sequences: for each text the sequence it belongs to, in ascending order; nil if there is one per sequence.
///   - body: called at each step with its number, the texts that have a token there, and for each of them a row of logits of
///     this token. The decoder's attention is then that of these rows.
public func forcedDecoding<Element: Scalar>(
  _ decoder: any StepwiseDecoder<Element>, startTokens: [Int32], texts: [[Int32]], sequences: [Int]? = nil,
  _ body: (_ step: Int, _ texts: [Int], _ logits: MatrixView<Element>) -> Void
) {
  let sequences = sequences ?? Array(texts.indices)
  precondition(
    startTokens.count == decoder.sequenceCount && sequences.count == texts.count
      && zip(sequences, sequences.dropFirst()).allSatisfy { $0 <= $1 },
    "\(texts.count) texts of sequences \(sequences), with \(startTokens.count) start tokens for "
      + "\(decoder.sequenceCount) sequences")
  for (text, ids) in texts.enumerated() {
    for id in ids {
      precondition(
        id >= 0 && id < decoder.vocabularySize,
        "id \(id) in text \(text) for a vocabulary of \(decoder.vocabularySize)")
    }
  }
  var block = LogitsBlock<Element>(vocabularySize: decoder.vocabularySize)
  var rows = texts.indices.filter { !texts[$0].isEmpty }
  var parents = rows.map { Int32(sequences[$0]) }
  var step = 0
  while !rows.isEmpty {
    let tokens = rows.map { step == 0 ? startTokens[sequences[$0]] : texts[$0][step - 1] }
    let logits = block.rows(rows.count)
    decoder.advance(tokens, parents, logits: logits)
    body(step, rows, logits)
    step += 1
    parents = rows.indices.filter { texts[rows[$0]].count > step }.map { Int32($0) }
    rows = parents.map { rows[Int($0)] }
  }
}

/// The log-probabilities that a model gives to existing texts: for rescoring and for perplexities. Parameters as in
/// ``forcedDecoding(_:startTokens:texts:sequences:_:)``.
///
/// - Parameters:
///   - targets: token ids of each text, without start and end marks.
///   - endToken: the end mark, which is scored after the last token; nil: it is not scored.
/// - Returns: for each text the log-probability of each token, and of the end mark if there is one, nats; -inf
///   for a token that the model excludes.
public func forcedLogProbabilities<Element: Scalar>(
  _ decoder: any StepwiseDecoder<Element>, startTokens: [Int32], targets: [[Int32]], sequences: [Int]? = nil,
  endToken: Int32?
) -> [[Double]] {
  let texts = targets.map { $0 + (endToken.map { [$0] } ?? []) }
  var result = texts.map { _ in [Double]() }
  forcedDecoding(decoder, startTokens: startTokens, texts: texts, sequences: sequences) {
    step, rows, logits in
    let normalizers = logNormalizers(logits)
    for (row, text) in rows.enumerated() {
      let logit = Double(logits[row, Int(texts[text][step])])
      result[text].append(logit > -.infinity ? min(0, logit - normalizers[row]) : -.infinity)
    }
  }
  return result
}

/// log Σ exp of every row.
func logNormalizers<Element: Scalar>(_ logits: MatrixView<Element>) -> [Double] {
  [Double](unsafeUninitializedCapacity: logits.rows) { buffer, count in
    count = logits.rows
    guard let base = buffer.baseAddress else { return }
    logits.logNormalizers(into: base)
  }
}
