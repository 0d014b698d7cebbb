import Foundation
import NumericKernels
import RecurrentNN
import Testing

/// Penalties, lengths, blocking and attention compared with values calculated by hand.
@Suite struct DecodingPenaltyTests {
  @Test func lengthPenaltyOfWu() {
    let none = options(width: 1, maximum: 1)
    #expect([0, 1, 7, 100].allSatisfy { none.lengthPenalty(predictions: $0) == 1 })
    let some = options(width: 1, maximum: 1, lengthPenalty: 0.6)
    #expect(some.lengthPenalty(predictions: 1) == 1)
    #expect(abs(some.lengthPenalty(predictions: 7) - 1.515_716_566_510_398) < 1e-14)  // 2^0.6
    let whole = options(width: 1, maximum: 1, lengthPenalty: 2)
    #expect(abs(whole.lengthPenalty(predictions: 4) - 2.25) < 1e-14)  // (9 / 6)^2
  }

  /// Two tokens of probability 1/2 each and an end of 1/2; attention as in the table below.
  private func model(_ attention: PrefixModel<Double>.Scores?) -> PrefixModel<Double> {
    PrefixModel(vocabularySize: 4, attention: attention) { _, text in
      (text.count < 3 ? [0, 0.5, 0.25, 0.25] : [0.5, 0.5, 0, 0]).map { log($0) }
    }
  }

  @Test func scoreOfEquation14() throws {
    let table = [[0.5, 0.25, 0.25], [0.75, 0.25, 0], [0, 0.25, 0.75]]
    let options = options(
      width: 1, minimum: 2, maximum: 2, lengthPenalty: 1, coveragePenalty: 0.5, keepsAttention: true)
    let found = try #require(
      beamSearch(model { _, text in table[text.count - 1] }, startTokens: [3], options)[0].first)
    #expect(found.tokens == [1, 1] && found.endedByItself)
    // log P = 3 log 1/2; lp = 8 / 6; coverage 1.25, 0.75, 1.0.
    #expect(abs(found.logProbability + 3 * log(2)) < 1e-14)
    #expect(abs(found.score - (-3 * log(2) / (8.0 / 6) + 0.5 * log(0.75))) < 1e-14)
    // The end mark has attention as well.
    #expect(found.attention == table)
    #expect(found.attendedPositions == [0, 0])
  }

  /// A position without attention leads to a very bad score, but not an infinite one.
  @Test func positionsWithoutAttention() throws {
    var options = options(width: 2, results: 1, minimum: 2, maximum: 2, coveragePenalty: 1)
    let found = try #require(beamSearch(model { _, _ in [1, 0] }, startTokens: [3], options)[0].first)
    #expect(abs(found.score - found.logProbability - log(Double(Float.leastNormalMagnitude))) < 1e-9)
    #expect(found.attention == nil)
    // NaN counts as zero.
    let strange = beamSearch(model { _, _ in [1, .nan] }, startTokens: [3], options)[0][0]
    #expect(strange.score == found.score)
    // Without attention there is no coverage.
    options.keepsAttention = true
    let plain = beamSearch(model(nil), startTokens: [3], options)[0][0]
    #expect(plain.score == plain.logProbability && plain.attention == nil && plain.attendedPositions == nil)
  }

  @Test func anEmptySource() {
    let options = options(
      width: 2, results: 1, minimum: 2, maximum: 2, coveragePenalty: 1, keepsAttention: true)
    let found = beamSearch(model { _, _ in [] }, startTokens: [3], options)[0][0]
    #expect(found.score == found.logProbability && found.attention == [[], [], []])
    #expect(found.attendedPositions == [nil, nil])
  }

  /// Attention belongs to the text, not to the row in which it was computed.
  @Test(arguments: Precision.allCases)
  func attentionIsThatOfTheText(precision: Precision) {
    checkAttention(precision.type)
  }

  private func checkAttention<Element: Scalar>(_ type: Element.Type) {
    let scores = RandomScores(vocabularySize: 5, seed: 3, end: 0)
    let options = options(width: 6, maximum: 7, lengthPenalty: 1, keepsAttention: true)
    let found = beamSearch(
      scores.model(sequences: [4, 3], withAttention: true, type), startTokens: [1, 2], options)
    for (sequence, start, texts) in [(4, Int32(1), found[0]), (3, Int32(2), found[1])] {
      for text in texts {
        let expected = text.tokens.indices.map { index in
          scores.attention(sequence, [start] + text.tokens.prefix(index)).map { Element($0) }
        }
        let end = scores.attention(sequence, [start] + text.tokens).map { Element($0) }
        #expect(text.attention == expected + (text.endedByItself ? [end] : []))
        #expect(
          text.attendedPositions == expected.map { row in row.max().flatMap { row.firstIndex(of: $0) } })
      }
    }
  }

  @Test func attendedPositionsAreThoseOfTheLargestWeights() {
    let text = Hypothesis<Float>(
      tokens: [7, 2, 2, 9], logProbability: 0, score: 0, tokenLogProbabilities: [],
      attention: [[1, 0, 0], [0.2, 0.4, 0.4], [0, 0.1, 0.9], [1, 0, 0], [0, 1, 0]], endedByItself: true)
    #expect(text.attendedPositions == [0, 1, 2, 0])
    var plain = text
    plain.attention = nil
    #expect(plain.attendedPositions == nil)
    plain.attention = [[], [], [], []]
    #expect(plain.attendedPositions == [nil, nil, nil, nil])
  }

  // MARK: Lengths

  @Test func lengthsBySource() {
    func texts(_ length: LengthBounds, _ sources: [Int], end: Double) -> [Int] {
      let model = PrefixModel<Double>(vocabularySize: 2, sequences: sources) { _, _ in [end, 0] }
      return greedySearch(
        model, startTokens: sources.map { _ in 1 }, sourceLengths: sources,
        constraints: TokenConstraints(endToken: 0, length: length)
      ).map(\.tokens.count)
    }
    let half = LinearLength(factor: 0.5, offset: 1)
    // 0.5 |X| + 1 = 1, 1.5, 2, 6: rounded down.
    let sources = [0, 1, 2, 10]
    #expect(texts(LengthBounds(maximum: 50, maximumPerSource: half), sources, end: -9) == [1, 1, 2, 6])
    #expect(texts(LengthBounds(maximum: 4, maximumPerSource: half), sources, end: -9) == [1, 1, 2, 4])
    #expect(
      texts(LengthBounds(minimum: 2, maximum: 50, maximumPerSource: half), sources, end: 9) == [1, 1, 2, 2])
    // Contradictions: the maximum wins.
    #expect(
      texts(LengthBounds(minimum: 5, maximum: 50, maximumPerSource: half), sources, end: 9) == [1, 1, 2, 5])
    let wild = LinearLength(factor: 1e300, offset: -1)
    #expect(texts(LengthBounds(maximum: 3, maximumPerSource: wild), sources, end: -9) == [0, 3, 3, 3])
  }

  // MARK: Repetition

  /// The model prefers to write 1 2 3 1 2 3 … forever.
  @Test(
    arguments: [
      (1, [1, 2, 3]), (2, [1, 2, 3, 1, 3, 2, 1]), (3, [1, 2, 3, 1, 2, 1]), (99, [1, 2, 3, 1, 2, 3, 1, 2, 3]),
    ] as [(Int, [Int32])])
  func repetitionsAreBlocked(size: Int, beginning: [Int32]) {
    let model = PrefixModel<Double>(vocabularySize: 4) { _, text in
      var scores = [-20.0, 0, 0, 0]
      let last = Int(text[text.count - 1])
      scores[last % 3 + 1] = 5
      scores[(last + 1) % 3 + 1] += last == 2 ? 1 : 2
      return scores
    }
    let found = greedySearch(
      model, startTokens: [3],
      constraints: TokenConstraints(endToken: 0, length: LengthBounds(maximum: 9), noRepeatedNgram: size))[0]
    #expect(found.tokens.starts(with: beginning), "\(found.tokens)")
    #expect(size > 1 || found.endedByItself)
    let ngrams = (0..<max(0, found.tokens.count - size + 1)).map {
      Array(found.tokens[$0..<$0 + min(size, found.tokens.count - $0)])
    }
    #expect(Set(ngrams).count == ngrams.count)
  }
}
