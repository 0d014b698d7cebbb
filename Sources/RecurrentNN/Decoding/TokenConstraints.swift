import NumericKernels

/// A length that is linear in the source length: a |X| + b tokens.
public struct LinearLength: Sendable, Hashable {
  /// a, tokens for each position of the source.
  public var factor: Double
  /// b, tokens.
  public var offset: Double

  /// Requires finite numbers.
  public init(factor: Double, offset: Double = 0) {
    precondition(factor.isFinite && offset.isFinite, "a length of \(factor) |X| + \(offset)")
    self.factor = factor
    self.offset = offset
  }

  func tokens(sourceLength: Int) -> Double { factor * Double(sourceLength) + offset }
}

/// The allowed number of tokens of a text, not counting its end mark.
public struct LengthBounds: Sendable, Hashable {
  /// The smallest number of tokens of a text.
  public var minimum: Int
  /// The largest number of tokens of a text.
  public var maximum: Int
  /// A maximum that depends on the length of the source, rounded down; the smaller of both maximums applies.
  public var maximumPerSource: LinearLength?

  /// Requires 0 <= minimum and 0 <= maximum.
  public init(minimum: Int = 0, maximum: Int, maximumPerSource: LinearLength? = nil) {
    precondition(minimum >= 0 && maximum >= 0, "lengths of \(minimum) to \(maximum) tokens")
    self.minimum = minimum
    self.maximum = maximum
    self.maximumPerSource = maximumPerSource
  }

  /// The allowed numbers of tokens of a text whose source has `sourceLength` positions. If the bounds contradict each
  /// other, the maximum wins. A bound per source requires a length.
  func range(sourceLength: Int?) -> ClosedRange<Int> {
    guard let bound = maximumPerSource else { return min(minimum, maximum)...maximum }
    guard let sourceLength else {
      preconditionFailure("a length that depends on that of the source, and no length of the source")
    }
    let tokens = bound.tokens(sourceLength: sourceLength).rounded(.down)
    let longest = min(maximum, Int(min(max(0, tokens), Double(Int32.max))))
    return min(minimum, longest)...longest
  }
}

/// Constraints on a text, independent of the model's probabilities.
public struct TokenConstraints: Sendable, Hashable {
  /// The id that ends a text and is not part of it; nil: texts run to their maximum length.
  public var endToken: Int32?
  /// Ids that never occur, such as a start mark, padding or the mark of unknown words.
  public var excludedTokens: [Int32]
  /// The allowed number of tokens.
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
        id >= 0 && id < vocabularySize, "token id \(id) is out of range for a vocabulary of \(vocabularySize)"
      )
    }
  }

  /// Excludes the tokens that may not follow a text: overwrites their logits with -inf.
  ///
  /// - Parameters:
  ///   - logits: [vocabularySize] of one row.
  ///   - length: tokens the text has so far.
  ///   - shortest: tokens it must have before it may end.
  ///   - text: returns the tokens themselves; called only if repetitions are blocked.
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
