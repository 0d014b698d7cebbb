import Foundation
import NumericKernels
import RecurrentNN
import Testing

/// The end of a search, and its behavior with a broken model.
@Suite struct DecodingTerminationTests {
  /// Scores whose softmax is these probabilities.
  private func logs(_ probabilities: [Double]) -> [Double] { probabilities.map { log($0) } }

  /// Ends at once with 0.5, or writes four certain tokens after a first one of probability 0.4.
  private func shortOrLong(_ sequence: Int, _ text: [Int32]) -> [Double] {
    switch text.count {
    case 1: logs([0.5, 0.4, 0.1])
    case 2...5: logs([0.0001, 0.9998, 0.0001])
    default: logs([0.9998, 0.0001, 0.0001])
    }
  }

  /// The long text wins by normalization long after the best hypothesis has ended.
  @Test(arguments: [(0, []), (1, [1, 1, 1, 1, 1])] as [(Double, [Int32])])
  func aTextThatEndsLaterMayBeBetter(lengthPenalty: Double, best: [Int32]) {
    let model = PrefixModel<Double>(vocabularySize: 3, scores: shortOrLong)
    let found = beamSearch(
      model, startTokens: [2], options(width: 2, results: 1, maximum: 20, lengthPenalty: lengthPenalty))[0]
    #expect(found.map(\.tokens) == [best])
    // Without normalization, no text can overtake an ended one, so one step is enough.
    #expect(model.rowCounts.count == (best.isEmpty ? 1 : 6))
  }

  /// Two hypotheses end early, at steps 1 and 2; without the limit of patience, the long text is found after them.
  @Test(arguments: [(0.5, 1, 0), (1, 2, 0), (nil, 6, 5)] as [(Double?, Int, Int)])
  func patience(patience: Double?, steps: Int, length: Int) {
    let model = PrefixModel<Double>(vocabularySize: 3, scores: shortOrLong)
    let found = beamSearch(
      model, startTokens: [2],
      options(width: 2, results: 1, maximum: 20, lengthPenalty: 1, patience: patience))[0]
    #expect(found[0].tokens.count == length)
    #expect(model.rowCounts.count == steps)
  }

  /// With two results, the search for the second continues after the first has ended.
  @Test func theSearchGoesOnForTheSecondBest() {
    let model = PrefixModel<Double>(vocabularySize: 3, scores: shortOrLong)
    let found = beamSearch(model, startTokens: [2], options(width: 2, maximum: 20))[0]
    #expect(found.map(\.tokens) == [[], [1, 1, 1, 1, 1]])
    #expect(found.allSatisfy { $0.endedByItself })
  }

  @Test(arguments: [1, 3])
  func aModelThatNeverEnds(width: Int) {
    let model = PrefixModel<Double>(vocabularySize: 3) { _, _ in [-.infinity, 1, 0] }
    let found = beamSearch(model, startTokens: [2], options(width: width, maximum: 6))[0]
    #expect(found.count == width && found[0].tokens == [1, 1, 1, 1, 1, 1])
    #expect(found.allSatisfy { !$0.endedByItself && $0.tokens.count == 6 })
    #expect(abs(found[0].logProbability - 6 * log(1 / (1 + exp(-1)))) < 1e-12)
    #expect(model.rowCounts.count == 7)
  }

  /// Without an end mark the last tokens need no further step.
  @Test func withoutAnEndMarkTextsAreFull() {
    let model = PrefixModel<Double>(vocabularySize: 2) { _, _ in [0, 1] }
    let found = beamSearch(model, startTokens: [0], options(width: 2, end: nil, maximum: 3))[0]
    #expect(found.map(\.tokens.count) == [3, 3] && found[0].tokens == [1, 1, 1])
    #expect(model.rowCounts.count == 3 && found.allSatisfy { !$0.endedByItself })
  }

  @Test func whatEndedComesBeforeWhatWasCutOff() {
    // The end is improbable at first and impossible later; continuing costs almost no probability.
    let model = PrefixModel<Double>(vocabularySize: 3) { _, text in [text.count < 2 ? -6 : -.infinity, 5, -9]
    }
    let found = beamSearch(model, startTokens: [2], options(width: 2, maximum: 4))[0]
    #expect(found.map(\.tokens) == [[], [1, 1, 1, 1]] && found.map(\.endedByItself) == [true, false])
    #expect(found[0].score < -10 && found[1].score > -1)
  }

  // MARK: Scores that are not numbers

  @Test(arguments: Precision.allCases)
  func notANumberIsImpossible(precision: Precision) {
    checkNotANumber(precision.type)
  }

  private func checkNotANumber<Element: Scalar>(_ type: Element.Type) {
    let model = PrefixModel<Element>(vocabularySize: 4) { _, text in
      [text.count > 2 ? 3 : -.infinity, .nan, 1, -.infinity]
    }
    let found = beamSearch(model, startTokens: [2], options(width: 4, maximum: 5))[0]
    #expect(found.count == 4)
    #expect(found.allSatisfy { $0.tokens.allSatisfy { $0 == 2 } })
    #expect(found[0].tokens == [2, 2] && found[0].endedByItself)
    #expect(found.allSatisfy { $0.logProbability.isFinite && $0.score.isFinite })
    #expect(abs(found[0].logProbability - log(1 / (1 + exp(-2)))) < 1e-6)
  }

  @Test(arguments: [Double.nan, -.infinity])
  func nothingIsPossible(score: Double) {
    for width in [1, 3] {
      let model = PrefixModel<Double>(vocabularySize: 3, sequences: [0, 1]) { sequence, text in
        sequence == 0 || text.count == 3 ? [score, score, score] : [-9, 5, 0]
      }
      let found = beamSearch(model, startTokens: [2, 2], options(width: width, results: 1, maximum: 9))
      #expect(
        found[0] == [
          Hypothesis(tokens: [], logProbability: 0, score: 0, tokenLogProbabilities: [], endedByItself: false)
        ])
      // The text is cut off where no token can follow; a wider beam has worse texts that ended before.
      #expect(found[1][0].endedByItself == (width > 1))
      #expect(width > 1 || found[1][0].tokens == [1, 1])
    }
  }

  @Test func infiniteScoresWin() {
    let model = PrefixModel<Double>(vocabularySize: 3) { _, text in
      text.count < 3 ? [0, .infinity, 0] : [.infinity, 0, 0]
    }
    let found = beamSearch(model, startTokens: [2], options(width: 2, results: 1, maximum: 9))[0]
    #expect(found[0].tokens == [1, 1] && found[0].endedByItself && found[0].logProbability == 0)
  }

  // MARK: Small vocabularies

  @Test func aVocabularySmallerThanTheBeam() {
    let model = PrefixModel<Double>(vocabularySize: 2) { _, _ in [0, 0] }
    let found = beamSearch(model, startTokens: [1], options(width: 10, maximum: 3))[0]
    // [], [1], [1, 1], [1, 1, 1] are the only texts that end by themselves.
    #expect(found.map(\.tokens) == [[], [1], [1, 1], [1, 1, 1]])
    #expect(found.allSatisfy { $0.endedByItself })
  }

  @Test func aVocabularyOfOne() {
    let ends = PrefixModel<Double>(vocabularySize: 1) { _, _ in [3] }
    let found = beamSearch(ends, startTokens: [0], options(width: 3, maximum: 4))[0]
    #expect(found.count == 1 && found[0].tokens.isEmpty && found[0].endedByItself)
    #expect(found[0].logProbability == 0)
    let writes = PrefixModel<Double>(vocabularySize: 1) { _, _ in [3] }
    let texts = beamSearch(writes, startTokens: [0], options(width: 3, end: nil, maximum: 4))[0]
    #expect(texts.map(\.tokens) == [[0, 0, 0, 0]] && !texts[0].endedByItself)
  }

  @Test func everythingExcluded() {
    let model = PrefixModel<Double>(vocabularySize: 2) { _, _ in [0, 0] }
    let found = beamSearch(model, startTokens: [1], options(width: 2, maximum: 3, excluded: [0, 1]))[0]
    #expect(found.map(\.tokens) == [[]] && !found[0].endedByItself)
  }

  /// With equal scores, the better hypothesis comes first, then the lower id.
  @Test func tiesGoToTheLowerId() {
    let model = PrefixModel<Double>(vocabularySize: 4) { _, text in
      text.count < 3 ? [-9, 0, 0, 0] : [9, 0, 0, 0]
    }
    let found = beamSearch(model, startTokens: [0], options(width: 4, maximum: 5))[0]
    #expect(found.map(\.tokens) == [[1, 1], [1, 2], [1, 3], [2, 1]])
    let greedy = greedySearch(
      PrefixModel<Double>(vocabularySize: 3) { _, _ in [0, 1, 1] }, startTokens: [0],
      constraints: TokenConstraints(endToken: 0, length: LengthBounds(maximum: 2)))
    #expect(greedy[0].tokens == [1, 1])
  }
}
