import Foundation
import NumericKernels
import RecurrentNN
import Testing

/// Beam search compared with slow searches that keep lists of whole texts.
@Suite struct DecodingBeamSearchTests {
  /// The search of one sequence by its definition.
  private func reference(
    _ scores: RandomScores, sequence: Int, start: Int32 = 1, _ options: SearchOptions,
    sourceLength: Int? = nil
  ) -> ReferenceSearch {
    let length = options.constraints.length
    let bounds = min(length.minimum, length.maximum)...length.maximum
    return ReferenceSearch(
      scores: { scores(sequence, $0) }, start: start, options: options, bounds: bounds,
      attention: { scores.attention(sequence, $0) })
  }

  @Test(arguments: [0, 0.7, 2, -1.5], [0, 3])
  func widthOneIsGreedy(lengthPenalty: Double, minimum: Int) {
    for seed in UInt64(0)..<25 {
      let scores = RandomScores(vocabularySize: 5, seed: seed, end: 0, endBias: 0.5)
      let options = options(width: 1, minimum: minimum, maximum: 8, lengthPenalty: lengthPenalty)
      let sequences = [3, 9, 4]
      let found = beamSearch(scores.model(sequences: sequences), startTokens: [1, 1, 1], options)
      for (sequence, texts) in zip(sequences, found) {
        expectEqual(texts, [reference(scores, sequence: sequence, options).greedy()], "seed \(seed)")
      }
      let greedy = greedySearch(
        scores.model(sequences: sequences), startTokens: [1, 1, 1], constraints: options.constraints)
      #expect(zip(greedy, found).allSatisfy { $0.tokens == $1[0].tokens })
    }
  }

  /// A beam with room for every possible text finds the best one.
  @Test(arguments: [0, 0.6, 1.5, -1], [0, 0.4])
  func aBeamWideEnoughIsExhaustive(lengthPenalty: Double, coveragePenalty: Double) {
    for seed in UInt64(0)..<6 {
      let scores = RandomScores(vocabularySize: 4, seed: seed, end: 2, endBias: 1)
      // 4 symbols, at most 3 tokens and an end: 4^4 candidates in the last step.
      var options = options(
        width: 256, results: 40, end: 2, minimum: Int(seed % 2), maximum: 3, lengthPenalty: lengthPenalty,
        coveragePenalty: coveragePenalty)
      let search = reference(scores, sequence: 5, options)
      let all = search.exhaustive()
      #expect(all.count == 40 - Int(seed % 2))
      let found = beamSearch(scores.model(sequences: [5], withAttention: true), startTokens: [1], options)[0]
      expectEqual(Array(found.prefix(all.count)), all, "seed \(seed)")
      options.resultCount = 1
      let best = beamSearch(scores.model(sequences: [5], withAttention: true), startTokens: [1], options)[0]
      expectEqual(best, Array(all.prefix(1)), "seed \(seed)")
    }
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let options: SearchOptions
    var testDescription: String { "\(options)" }
  }

  static let cases = [
    options(width: 2, maximum: 6), options(width: 3, results: 1, maximum: 9),
    options(width: 4, results: 2, minimum: 3, maximum: 9, lengthPenalty: 1),
    options(width: 5, maximum: 7, lengthPenalty: 0.6, coveragePenalty: 0.3),
    options(width: 6, results: 3, maximum: 6, lengthPenalty: -2),
    options(width: 7, results: 2, maximum: 10, lengthPenalty: 1, noRepeat: 2),
    options(width: 3, maximum: 5, noRepeat: 1),
    options(width: 3, maximum: 12, excluded: [1, 3], noRepeat: 3),
    options(width: 3, end: nil, maximum: 4), options(width: 2, end: nil, maximum: 0),
    options(width: 2, maximum: 0), options(width: 4, results: 2, maximum: 9, lengthPenalty: 1, patience: 1),
    options(width: 3, results: 1, maximum: 9, lengthPenalty: 2, patience: 0.5),
    options(width: 30, results: 5, maximum: 3),
    options(width: 3, minimum: 9, maximum: 4), options(width: 2, maximum: 4, excluded: [0]),
  ].map(Case.init)

  @Test(arguments: cases)
  func equalsTheSearchByDefinition(testCase: Case) {
    for seed in UInt64(0)..<8 {
      let scores = RandomScores(
        vocabularySize: 6, seed: seed, spread: 2, end: testCase.options.constraints.endToken, endBias: 0.7)
      let sequences = [4, 2, 7]
      let found = beamSearch(
        scores.model(sequences: sequences, withAttention: true), startTokens: [1, 2, 1], testCase.options)
      for (index, sequence) in sequences.enumerated() {
        let expected = reference(
          scores, sequence: sequence, start: index == 1 ? 2 : 1, testCase.options
        ).beam()
        expectEqual(found[index], expected, "seed \(seed), sequence \(sequence)")
        #expect(!expected.isEmpty)
      }
    }
  }

  /// The tests above would fail if states were not reordered.
  @Test func forgottenStatesShow() {
    let scores = RandomScores(vocabularySize: 6, seed: 1, end: 0)
    let options = options(width: 4, maximum: 6)
    let broken = scores.model()
    broken.forgetsToReorder = true
    let (found, right) = (
      beamSearch(broken, startTokens: [1], options)[0], reference(scores, sequence: 0, options).beam()
    )
    #expect(found.map(\.tokens) != right.map(\.tokens))
  }

  @Test(arguments: Precision.allCases)
  func aBatchEqualsItsSequencesOneByOne(precision: Precision) {
    checkBatch(precision.type)
  }

  private func checkBatch<Element: Scalar>(_ type: Element.Type) {
    let scores = RandomScores(vocabularySize: 9, seed: 4, end: 0, endBias: 1)
    let options = options(
      width: 4, results: 3, maximum: 10, lengthPenalty: 0.8, coveragePenalty: 0.2, keepsAttention: true)
    func search(_ sequences: [Int]) -> [[Hypothesis<Element>]] {
      beamSearch(
        scores.model(sequences: sequences, withAttention: true, type),
        startTokens: sequences.map { _ in 1 }, options)
    }
    let sequences = [6, 2, 11, 4, 3]
    let together = search(sequences)
    #expect(together == sequences.map { search([$0])[0] })
    #expect(search(sequences.reversed()) == together.reversed())
    #expect(Set(together.flatMap { $0 }.map(\.tokens.count)).count > 2)
  }

  @Test func resultsAreSortedAndDifferent() {
    for seed in UInt64(0)..<10 {
      let scores = RandomScores(vocabularySize: 7, seed: seed, spread: 1, end: 0)
      let texts = beamSearch(scores.model(), startTokens: [1], options(width: 8, maximum: 5))[0]
      #expect(texts.count == 8 && Set(texts.map(\.tokens)).count == 8)
      #expect(zip(texts, texts.dropFirst()).allSatisfy { $0.score >= $1.score || !$1.endedByItself })
    }
  }

  /// Rows of finished sequences are no longer computed.
  @Test func finishedSequencesLeaveTheBatch() {
    let model = PrefixModel<Double>(vocabularySize: 3, sequences: [1, 4, 0]) { sequence, text in
      text.count > sequence ? [9, 0, 0] : [-9, 1, 0]
    }
    let found = beamSearch(model, startTokens: [2, 2, 2], options(width: 2, results: 1, maximum: 8))
    #expect(found.map { $0[0].tokens.count } == [1, 4, 0])
    #expect(model.rowCounts == [3, 4, 2, 2, 2])
  }

  @Test func noSequences() {
    let model = PrefixModel<Double>(vocabularySize: 3, sequences: []) { _, _ in [] }
    #expect(beamSearch(model, startTokens: [], options(width: 2, maximum: 8)).isEmpty)
    #expect(model.rowCounts.isEmpty)
  }

  /// The scores of forced texts equal those of the search.
  @Test func rescoringGivesTheSameNumbers() {
    let scores = RandomScores(vocabularySize: 6, seed: 8, end: 0, endBias: 1)
    let sequences = [3, 5]
    let found = beamSearch(
      scores.model(sequences: sequences), startTokens: [1, 2], options(width: 4, maximum: 5, excluded: [4]))
    let ended = found.map { $0.filter(\.endedByItself) }
    let texts = ended.flatMap { $0 }
    #expect(texts.count > 4)
    let rescored = forcedLogProbabilities(
      scores.model(sequences: sequences), startTokens: [1, 2], targets: texts.map(\.tokens),
      sequences: ended.indices.flatMap { index in ended[index].map { _ in index } }, endToken: 0)
    for (text, numbers) in zip(texts, rescored) {
      #expect(text.tokenLogProbabilities.count == numbers.count)
      #expect(zip(text.tokenLogProbabilities, numbers).allSatisfy { abs($0 - $1) < 1e-12 })
    }
  }
}
