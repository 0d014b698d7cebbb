import NumericKernels

/// A text that a search found, with what the model thinks of it.
public struct Hypothesis<Element: Scalar>: Sendable, Equatable {
  /// Token ids, without start and end marks.
  public var tokens: [Int32]
  /// log P(Y|X): the sum of the log-probabilities, nats.
  public var logProbability: Double
  /// What hypotheses are compared by: the log-probability after length and coverage penalty.
  public var score: Double
  /// Log-probability of each token, and of the end mark if the text ended by itself, nats.
  public var tokenLogProbabilities: [Double]
  /// For each token the weights over the positions of the source it was predicted with, if they were kept.
  public var attention: [[Element]]?
  /// True if the model wrote the end mark; false if the text was cut off at its maximum length or where
  /// nothing could follow.
  public var endedByItself: Bool

  public init(
    tokens: [Int32], logProbability: Double, score: Double, tokenLogProbabilities: [Double],
    attention: [[Element]]? = nil, endedByItself: Bool
  ) {
    self.tokens = tokens
    self.logProbability = logProbability
    self.score = score
    self.tokenLogProbabilities = tokenLogProbabilities
    self.attention = attention
    self.endedByItself = endedByItself
  }

  /// For each token the position of the source with the largest attention weight, the first of equal ones:
  /// where to look up what stands for an unknown word (Luong et al. 2015, "Addressing the rare word problem";
  /// Jean et al. 2015, section 3.3). nil in place of a position if the source is empty; nil as a whole if no
  /// attention was kept.
  public var attendedPositions: [Int?]? {
    attention?.map { weights in
      weights.indices.max { (weights[$0], $1) < (weights[$1], $0) }
    }
  }

  /// The text with every unknown word replaced by what stands at the attended position of the source.
  ///
  /// - Parameters:
  ///   - words: the words of the text, one for each token.
  ///   - source: the words of the source, one for each of its positions.
  ///   - unknown: the token id that stands for unknown words.
  ///   - translate: what to write for a word of the source; by default the word itself.
  /// Words of a text without attention, or of an empty source, stay as they are.
  public func replacingUnknown<Word>(
    _ words: [Word], by source: [Word], unknown: Int32, translate: (Word) -> Word = { $0 }
  ) -> [Word] {
    precondition(words.count == tokens.count, "\(words.count) words for \(tokens.count) tokens")
    guard let positions = attendedPositions else { return words }
    var result = words
    for (index, token) in tokens.enumerated() where token == unknown {
      guard let position = positions[index] else { continue }
      precondition(
        position < source.count, "attention to position \(position) of a source of \(source.count) words")
      result[index] = translate(source[position])
    }
    return result
  }
}
