import Foundation
import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Texts sampled from a model.
@Suite struct DecodingSamplingTests {
  private func constraints(
    end: Int32? = 0, minimum: Int = 0, maximum: Int, excluded: [Int32] = [], noRepeat: Int? = nil
  ) -> TokenConstraints {
    TokenConstraints(
      endToken: end, length: LengthBounds(minimum: minimum, maximum: maximum), excludedTokens: excluded,
      noRepeatedNgram: noRepeat)
  }

  /// Pearson's statistic of counts against probabilities, and the 99.9 % quantile for its degrees of freedom
  /// (Wilson and Hilferty's approximation).
  private func chiSquare(_ counts: [Int], _ probabilities: [Double]) -> (statistic: Double, bound: Double) {
    let draws = Double(counts.reduce(0, +))
    let statistic = zip(counts, probabilities).reduce(0.0) {
      $0 + (Double($1.0) - draws * $1.1) * (Double($1.0) - draws * $1.1) / (draws * $1.1)
    }
    let freedom = Double(counts.count - 1)
    return (statistic, freedom * pow(1 - 2 / (9 * freedom) + 3.09 * sqrt(2 / (9 * freedom)), 3))
  }

  /// The frequency of whole texts agrees with the product of their conditional probabilities.
  @Test(arguments: [1.0, 0.6])
  func textsFollowTheModel(temperature: Double) {
    let scores = RandomScores(vocabularySize: 4, seed: 2, spread: 1.5, end: 0)
    let options = options(width: 99, maximum: 2)
    let texts = ReferenceSearch(
      scores: { scores(0, $0).map { $0 / temperature } }, start: 1, options: options, bounds: 0...2)
    var expected: [[Int32]: Double] = [:]
    for text in texts.exhaustive() where text.tokens.count < 2 {
      expected[text.tokens] = exp(text.logProbability)
    }
    // A text of two tokens has ended or was cut off: its probability is that of the two tokens.
    for text in texts.exhaustive() where text.tokens.count == 2 {
      expected[text.tokens] = exp(text.steps[0] + text.steps[1])
    }
    #expect(abs(expected.values.reduce(0, +) - 1) < 1e-12 && expected.count == 13)
    let drawn = sampleSequences(
      scores.model(), startTokens: [1], textsPerSequence: 20_000,
      options: SamplingOptions(temperature: temperature), constraints: constraints(maximum: 2), seed: 5)[0]
    let keys = expected.keys.sorted { $0.lexicographicallyPrecedes($1) }
    var counts: [[Int32]: Int] = [:]
    for text in drawn { counts[text.tokens, default: 0] += 1 }
    #expect(Set(counts.keys) == Set(keys))
    let (statistic, bound) = chiSquare(keys.map { counts[$0] ?? 0 }, keys.compactMap { expected[$0] })
    #expect(statistic < bound, "\(statistic) is above \(bound)")
    // The test can fail: the samples do not fit the reversed probabilities.
    let reversed = chiSquare(keys.map { counts[$0] ?? 0 }, keys.reversed().compactMap { expected[$0] })
    #expect(reversed.statistic > 10 * bound)
  }

  @Test func numbersOfTheModel() {
    let scores = RandomScores(vocabularySize: 5, seed: 9, end: 0, endBias: 1)
    let texts = sampleSequences(
      scores.model(sequences: [3, 8]), startTokens: [1, 2], textsPerSequence: 3,
      options: SamplingOptions(temperature: 0.7, topK: 3),
      constraints: constraints(maximum: 6, excluded: [4]), seed: 1)
    #expect(texts.count == 2 && texts.allSatisfy { $0.count == 3 })
    for (index, group) in texts.enumerated() {
      let forced = forcedLogProbabilities(
        scores.model(sequences: [3, 8]), startTokens: [1, 2], targets: group.map(\.tokens),
        sequences: group.map { _ in index }, endToken: 0)
      for (text, numbers) in zip(group, forced) {
        let own = text.endedByItself ? numbers : Array(numbers.dropLast())
        #expect(text.tokenLogProbabilities.count == own.count)
        #expect(zip(text.tokenLogProbabilities, own).allSatisfy { abs($0 - $1) < 1e-12 })
        #expect(abs(text.logProbability - own.reduce(0, +)) < 1e-12 && text.score == text.logProbability)
        #expect(!text.tokens.contains(4) && (text.endedByItself || text.tokens.count == 6))
      }
    }
  }

  /// A text depends on seed, number and position, not on other texts or its place in the batch.
  @Test(arguments: Precision.allCases)
  func textsDoNotDependOnTheBatch(precision: Precision) {
    checkBatch(precision.type)
  }

  private func checkBatch<Element: Scalar>(_ type: Element.Type) {
    let scores = RandomScores(vocabularySize: 8, seed: 3, end: 0, endBias: 0.5)
    func draw(_ sequences: [Int], _ numbers: [UInt64]?, seed: UInt64 = 7) -> [Hypothesis<Element>] {
      sampleSequences(
        scores.model(sequences: sequences, type), startTokens: sequences.map { _ in 1 },
        options: SamplingOptions(topP: 0.95), constraints: constraints(maximum: 12), seed: seed,
        textNumbers: numbers
      ).flatMap { $0 }
    }
    let sequences = [2, 5, 11, 3, 4]
    let together = draw(sequences, nil)
    #expect(together == draw(sequences, nil) && together == draw(sequences, [0, 1, 2, 3, 4]))
    for (number, sequence) in sequences.enumerated() {
      #expect(draw([sequence], [UInt64(number)]) == [together[number]])
    }
    #expect(draw(sequences.reversed(), [4, 3, 2, 1, 0]) == together.reversed())
    #expect(together != draw(sequences, nil, seed: 8))
    #expect(draw([2], [0]) != draw([2], [1]))
    #expect(Set(together.map(\.tokens.count)).count > 2)
  }

  @Test func lengthsAndEnds() {
    func draw(_ constraints: TokenConstraints, end: Double) -> (Hypothesis<Double>, rows: [Int]) {
      let model = PrefixModel<Double>(vocabularySize: 3) { _, _ in [end, 0, 0] }
      let text = sampleSequences(
        model, startTokens: [1], options: SamplingOptions(), constraints: constraints, seed: 1)[0][0]
      return (text, model.rowCounts)
    }
    let never = draw(constraints(maximum: 4), end: -.infinity)
    #expect(never.0.tokens.count == 4 && !never.0.endedByItself && never.rows.count == 5)
    let soon = draw(constraints(minimum: 2, maximum: 4), end: 50)
    #expect(soon.0.tokens.count == 2 && soon.0.endedByItself && soon.0.tokenLogProbabilities.count == 3)
    let endless = draw(constraints(end: nil, maximum: 4), end: 0)
    #expect(endless.0.tokens.count == 4 && endless.rows.count == 4)
    let stuck = draw(constraints(maximum: 9, excluded: [0], noRepeat: 1), end: 0)
    #expect(stuck.0.tokens.sorted() == [1, 2] && !stuck.0.endedByItself)
    let full = draw(constraints(maximum: 2), end: 50)
    #expect(full.0.tokens.isEmpty && full.0.endedByItself)
    let nothing = draw(constraints(end: nil, maximum: 0), end: 0)
    #expect(nothing.0.tokens.isEmpty && nothing.rows.isEmpty)
  }

  /// Finished texts leave the batch.
  @Test func rowsOfFinishedTextsAreNotComputed() {
    let model = PrefixModel<Double>(vocabularySize: 2, sequences: [3, 1, 2]) { sequence, text in
      text.count > sequence ? [0, -.infinity] : [-.infinity, 0]
    }
    let texts = sampleSequences(
      model, startTokens: [1, 1, 1], options: SamplingOptions(), constraints: constraints(maximum: 9), seed: 1
    )
    #expect(texts.map { $0[0].tokens.count } == [3, 1, 2])
    #expect(model.rowCounts == [3, 3, 2, 1])
  }

  /// Every token that Hugging Face can sample is sampled by the numbers of its share, and no other token.
  @Test(arguments: Precision.allCases)
  func distributionsOfHuggingFace(precision: Precision) throws {
    try checkDistributions(precision.type)
  }

  private func checkDistributions<Element: Scalar>(_ type: Element.Type) throws {
    let golden = try GoldenFile("sampling-huggingface")
    let (size, rows) = (try golden.size("vocabulary_size"), try golden.size("rows"))
    let (logits, options) = (try golden.doubles("logits"), try golden.doubles("options"))
    let probabilities = try golden.doubles("probabilities")
    for testCase in 0..<options.count / 3 {
      let (k, p) = (Int(options[3 * testCase + 1]), options[3 * testCase + 2])
      let sampling = SamplingOptions(
        temperature: options[3 * testCase], topK: k == 0 ? nil : k, topP: p == 1 ? nil : p)
      for row in 0..<rows {
        let first = (testCase * rows + row) * size
        var start = 0.0
        for id in 0..<size {
          let share = probabilities[first + id]
          defer { start += share }
          guard share > 1e-4 else { continue }
          for place in [0.01, 0.99] {
            let values = logits[row * size..<(row + 1) * size].map { Element($0) }
            let token = sampleToken(from: values, sampling, uniform: start + place * share)
            #expect(token == Int32(id), "case \(testCase), row \(row), share of \(id) at \(place)")
          }
        }
        #expect(abs(start - 1) < 1e-12)
      }
    }
  }

  @Test func temperatureZeroIsGreedy() {
    let scores = RandomScores(vocabularySize: 6, seed: 12, end: 0, endBias: 0.5)
    let constraints = constraints(maximum: 8, noRepeat: 2)
    let sequences = [0, 1, 2, 3]
    let starts: [Int32] = [1, 1, 1, 1]
    let drawn = sampleSequences(
      scores.model(sequences: sequences), startTokens: starts, options: SamplingOptions(temperature: 0),
      constraints: constraints, seed: 3
    ).map { $0[0] }
    let greedy = greedySearch(
      scores.model(sequences: sequences), startTokens: starts, constraints: constraints)
    #expect(drawn.map(\.tokens) == greedy.map(\.tokens))
    #expect(drawn.map(\.endedByItself) == greedy.map(\.endedByItself))
  }
}
