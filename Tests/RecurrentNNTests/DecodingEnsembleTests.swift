import Foundation
import NumericKernels
import RecurrentNN
import Testing

/// Ensembles of models, and forced texts.
@Suite struct DecodingEnsembleTests {
  private let constraints = TokenConstraints(endToken: 0, length: LengthBounds(maximum: 6))

  @Test func anEnsembleOfOneIsTheModel() {
    let scores = RandomScores(vocabularySize: 7, seed: 1, end: 0, endBias: 1)
    let options = options(width: 4, maximum: 6, lengthPenalty: 1, coveragePenalty: 0.1, keepsAttention: true)
    func model() -> PrefixModel<Double> { scores.model(sequences: [3, 5], withAttention: true) }
    let alone = beamSearch(model(), startTokens: [1, 1], options)
    let ensemble = EnsembleDecoder<Double>([model()], weights: [3])
    #expect(ensemble.vocabularySize == 7 && ensemble.sequenceCount == 2)
    let together = beamSearch(ensemble, startTokens: [1, 1], options)
    for (ours, theirs) in zip(together.flatMap { $0 }, alone.flatMap { $0 }) {
      #expect(ours.tokens == theirs.tokens && ours.attention == theirs.attention)
      #expect(abs(ours.score - theirs.score) < 1e-12)
    }
    #expect(together.map(\.count) == alone.map(\.count))
  }

  /// Probabilities are averaged, not logits.
  @Test(arguments: [nil, [1, 2, 1]] as [[Double]?])
  func probabilitiesAreAveraged(weights: [Double]?) {
    let models = (1...3).map { RandomScores(vocabularySize: 5, seed: $0, end: 0) }
    let whole = weights ?? [1, 1, 1]
    let shares = whole.map { $0 / whole.reduce(0, +) }
    // The mean as the scores of one model.
    let mean = PrefixModel<Double>(vocabularySize: 5, sequences: [2, 6]) { sequence, text in
      var sum = [Double](repeating: 0, count: 5)
      for (share, model) in zip(shares, models) {
        for (token, score) in logProbabilities(model(sequence, text)).enumerated() {
          sum[token] += share * exp(score)
        }
      }
      return sum.map { log($0) }
    }
    let options = options(width: 3, maximum: 5)
    let ensemble = EnsembleDecoder<Double>(models.map { $0.model(sequences: [2, 6]) }, weights: weights)
    let (found, expected) = (
      beamSearch(ensemble, startTokens: [1, 1], options), beamSearch(mean, startTokens: [1, 1], options)
    )
    for (ours, theirs) in zip(found.flatMap { $0 }, expected.flatMap { $0 }) {
      #expect(ours.tokens == theirs.tokens && abs(ours.logProbability - theirs.logProbability) < 1e-12)
    }
    #expect(found.map(\.count) == expected.map(\.count))
  }

  /// A token with probability 0 in one model may be written if another model allows it; a token with a NaN is never written.
  @Test(arguments: Precision.allCases)
  func impossibleForSome(precision: Precision) {
    checkImpossible(precision.type, precision == .double ? 1e-14 : 1e-6)
  }

  private func checkImpossible<Element: Scalar>(_ type: Element.Type, _ tolerance: Double) {
    let rows: [[Double]] = [[0, -.infinity, -.infinity, 0, 1e9], [.nan, 5, -.infinity, .nan, -.infinity]]
    let ensemble = EnsembleDecoder<Element>(
      rows.map { row in PrefixModel<Element>(vocabularySize: 5) { _, _ in row } }, weights: [1, 3])
    let scores = (0..<5).map { token in
      forcedLogProbabilities(ensemble, startTokens: [0], targets: [[Int32(token)]], endToken: nil)[0][0]
    }
    #expect(abs(scores[1] - log(0.75)) < tolerance && abs(scores[4] - log(0.25)) < tolerance)
    #expect(scores[2] == -.infinity && scores[0] < -80 && scores[3] < -80)
  }

  @Test func attentionIsAveraged() {
    func model(_ weights: [Double]?) -> PrefixModel<Double> {
      PrefixModel(vocabularySize: 2, attention: weights.map { weights in { _, _ in weights } }) { _, text in
        text.count < 2 ? [0, 9] : [9, 0]
      }
    }
    func attention(_ members: [PrefixModel<Double>]) -> [[Double]]? {
      greedySearch(
        EnsembleDecoder<Double>(members, weights: [1, 3]), startTokens: [1], constraints: constraints,
        keepsAttention: true)[0].attention
    }
    // One token and the end mark.
    let average = [0.3125, 0.6875]
    #expect(attention([model([0.5, 0.5]), model([0.25, 0.75])]) == [average, average])
    #expect(attention([model([0.5, 0.5]), model(nil)]) == nil)
    #expect(attention([model([0.5, 0.5]), model([0.25, 0.25, 0.5])]) == nil)
    #expect(attention([model([]), model([])]) == [[], []])
  }

  // MARK: Given texts

  @Test func forcedTextsGetTheSumsOfTheModel() {
    let scores = RandomScores(vocabularySize: 6, seed: 4, end: 0)
    let targets: [[Int32]] = [[1, 2, 3], [], [5], [4, 4, 4, 4, 4]]
    let sequences = [2, 9, 7, 1]
    let starts: [Int32] = [1, 2, 3, 1]
    for end in [0, nil] as [Int32?] {
      let model = scores.model(sequences: sequences)
      let found = forcedLogProbabilities(model, startTokens: starts, targets: targets, endToken: end)
      for (index, target) in targets.enumerated() {
        let full = target + (end.map { [$0] } ?? [])
        let expected = full.indices.map { step in
          logProbabilities(scores(sequences[index], [starts[index]] + target.prefix(step)))[Int(full[step])]
        }
        #expect(found[index].count == expected.count)
        #expect(zip(found[index], expected).allSatisfy { abs($0 - $1) < 1e-12 })
      }
      #expect(model.rowCounts == (end == nil ? [3, 2, 2, 1, 1] : [4, 3, 2, 2, 1, 1]))
    }
  }

  @Test func severalTextsOfASequence() {
    let scores = RandomScores(vocabularySize: 6, seed: 4, end: 0)
    let targets: [[Int32]] = [[1], [2, 2], [3], [4, 1, 1]]
    let together = forcedLogProbabilities(
      scores.model(sequences: [3, 5]), startTokens: [1, 1], targets: targets, sequences: [0, 0, 0, 1],
      endToken: 0)
    for (index, target) in targets.enumerated() {
      let alone = forcedLogProbabilities(
        scores.model(sequences: [index < 3 ? 3 : 5]), startTokens: [1], targets: [target], endToken: 0)
      #expect(alone == [together[index]])
    }
  }

  @Test func impossibleTargets() {
    let model = PrefixModel<Double>(vocabularySize: 3) { _, _ in [-.infinity, .nan, 2] }
    let found = forcedLogProbabilities(model, startTokens: [0], targets: [[0, 1, 2]], endToken: nil)
    #expect(found == [[-.infinity, -.infinity, 0]])
  }
}
