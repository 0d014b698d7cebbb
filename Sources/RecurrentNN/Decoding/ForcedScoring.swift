import NumericKernels

/// The log-probabilities a model gives to texts that are known: for rescoring, and for perplexities.
///
/// - Parameters:
///   - decoder: the model with its batch, before its first step.
///   - startTokens: for each sequence the token that the text begins after.
///   - targets: token ids of each text, without start and end marks.
///   - sequences: for each text the sequence it belongs to, in ascending order; nil if there is one a sequence.
///   - endToken: the end mark, which is scored after the last token; nil: it is not scored.
/// - Returns: for each text the log-probability of each token, and of the end mark if there is one, nats; -inf
///   where the model holds a token to be impossible.
public func forcedLogProbabilities<Element: Scalar>(
  _ decoder: any StepwiseDecoder<Element>, startTokens: [Int32], targets: [[Int32]], sequences: [Int]? = nil,
  endToken: Int32?
) -> [[Double]] {
  let sequences = sequences ?? Array(targets.indices)
  precondition(
    startTokens.count == decoder.sequenceCount && sequences.count == targets.count
      && zip(sequences, sequences.dropFirst()).allSatisfy { $0 <= $1 },
    "\(targets.count) texts of sequences \(sequences), with \(startTokens.count) start tokens for "
      + "\(decoder.sequenceCount) sequences")
  let texts = targets.map { $0 + (endToken.map { [$0] } ?? []) }
  requireInVocabulary(texts, decoder.vocabularySize)
  var block = LogitsBlock<Element>(vocabularySize: decoder.vocabularySize)
  var result = texts.map { _ in [Double]() }
  // The texts that go on; texts that have ended leave the batch.
  var rows = texts.indices.filter { !texts[$0].isEmpty }
  var parents = rows.map { Int32(sequences[$0]) }
  var step = 0
  while !rows.isEmpty {
    let tokens = rows.map { step == 0 ? startTokens[sequences[$0]] : texts[$0][step - 1] }
    let logits = block.rows(rows.count)
    tokens.withUnsafeBufferPointer { tokens in
      parents.withUnsafeBufferPointer { decoder.advance(tokens: tokens, parents: $0, logits: logits) }
    }
    let normalizers = logNormalizers(logits)
    for (row, text) in rows.enumerated() {
      let logit = Double(logits[row, Int(texts[text][step])])
      result[text].append(logit > -.infinity ? min(0, logit - normalizers[row]) : -.infinity)
    }
    step += 1
    parents = rows.indices.filter { texts[rows[$0]].count > step }.map { Int32($0) }
    rows = parents.map { rows[Int($0)] }
  }
  return result
}

/// log Σ exp of every row.
func logNormalizers<Element: Scalar>(_ logits: MatrixView<Element>) -> [Double] {
  [Double](unsafeUninitializedCapacity: logits.rows) { buffer, count in
    count = logits.rows
    guard let base = buffer.baseAddress else { return }
    Element.logNormalizers(logits.base, logits.stride, logits.rows, logits.columns, base)
  }
}

private func requireInVocabulary(_ texts: [[Int32]], _ vocabularySize: Int) {
  for (text, ids) in texts.enumerated() {
    for id in ids {
      precondition(
        id >= 0 && id < vocabularySize, "id \(id) in text \(text) for a vocabulary of \(vocabularySize)")
    }
  }
}
