import NumericKernels

/// What a text may consist of, whatever the model thinks of it.
public struct TokenConstraints: Sendable, Hashable {
  /// The id that ends a text and is not part of it; nil: texts run to their maximum length.
  public var endToken: Int32?
  /// Ids that never occur, such as a start mark, padding or the mark of unknown words.
  public var excludedTokens: [Int32]
  /// How many tokens.
  public var length: LengthBounds
  /// No n tokens in a row occur twice (Paulus et al. 2017, section 2.5, with n = 3); nil: no such bound.
  public var noRepeatedNgram: Int?

  /// Requires noRepeatedNgram >= 1.
  public init(
    endToken: Int32?, length: LengthBounds, excludedTokens: [Int32] = [], noRepeatedNgram: Int? = nil
  ) {
    precondition(noRepeatedNgram ?? 1 >= 1, "blocking repetitions of \(noRepeatedNgram ?? 0) tokens")
    self.endToken = endToken
    self.length = length
    self.excludedTokens = excludedTokens
    self.noRepeatedNgram = noRepeatedNgram
  }

  func requireInVocabulary(_ vocabularySize: Int) {
    for id in excludedTokens + (endToken.map { [$0] } ?? []) {
      precondition(
        id >= 0 && id < vocabularySize, "token id \(id) for a vocabulary of \(vocabularySize)")
    }
  }

  /// Makes impossible what may not follow a text: overwrites logits with -inf.
  ///
  /// - Parameters:
  ///   - logits: [vocabularySize] of one row.
  ///   - length: tokens the text has so far.
  ///   - shortest: tokens it must have before it may end.
  ///   - text: gives the tokens themselves; asked only if repetitions are blocked.
  func mask<Element: Scalar>(
    _ logits: UnsafeMutablePointer<Element>, length: Int, shortest: Int, text: () -> [Int32]
  ) {
    let impossible = -Element.infinity
    for id in excludedTokens { logits[Int(id)] = impossible }
    if let endToken, length < shortest { logits[Int(endToken)] = impossible }
    guard let size = noRepeatedNgram, length >= size else { return }
    text().withUnsafeBufferPointer { text in
      let suffix = text.count - (size - 1)
      for start in 0...(text.count - size)
      where (0..<size - 1).allSatisfy({ text[start + $0] == text[suffix + $0] }) {
        logits[Int(text[start + size - 1])] = impossible
      }
    }
  }
}
