import Foundation
import NumericKernels
import RecurrentNN
import Testing

@Suite struct SamplingTests {
  private func sample(
    _ logits: [Double], _ options: SamplingOptions, uniform: Double, excluding excluded: [Int] = []
  ) -> Int {
    var logits = logits
    for id in excluded { logits[id] = -.infinity }
    return Int(sampleToken(from: logits, options, uniform: uniform))
  }

  /// The share of a fine grid of uniform numbers for which each token is sampled.
  private func shares(
    _ logits: [Double], _ options: SamplingOptions, excluding excluded: [Int] = [], count: Int = gridSize
  ) -> [Double] {
    var counts = [Double](repeating: 0, count: logits.count)
    for index in 0..<count {
      let uniform = (Double(index) + 0.5) / Double(count)
      counts[sample(logits, options, uniform: uniform, excluding: excluded)] += 1 / Double(count)
    }
    return counts
  }

  /// The number of points of the grid. Every share is accurate to one point at both ends.
  private static let gridSize = 2000

  private func expectShares(_ shares: [Double], _ weights: [Double]) {
    let sum = weights.reduce(0, +)
    for (token, (share, weight)) in zip(shares, weights).enumerated() {
      #expect(abs(share - weight / sum) < 3 / Double(Self.gridSize), "token \(token)")
      if weight == 0 { #expect(share == 0, "token \(token)") }
    }
  }

  /// Logits of the probabilities 0.1, 0.4, 0.2, 0.3.
  private static let logits = [0.1, 0.4, 0.2, 0.3].map { log($0) + 5 }

  @Test(arguments: [0, .leastNonzeroMagnitude], [0, 0.5, 0.999])
  func zeroTemperatureTakesTheMostProbable(temperature: Double, uniform: Double) {
    #expect(sample(Self.logits, SamplingOptions(temperature: temperature), uniform: uniform) == 1)
    #expect(
      sample(Self.logits, SamplingOptions(temperature: temperature), uniform: uniform, excluding: [1]) == 3)
    let floats = Self.logits.map { Float($0) }
    #expect(sampleToken(from: floats, SamplingOptions(temperature: temperature), uniform: uniform) == 1)
  }

  @Test func equalLogitsGiveTheLowestId() {
    #expect(sample([1, 3, 3, 3], SamplingOptions(temperature: 0), uniform: 0.9) == 1)
    #expect(sample([3, 3, 3], SamplingOptions(topK: 1), uniform: 0.9) == 0)
  }

  @Test(arguments: [0.5, 1, 2])
  func sharesAreTheSoftmax(temperature: Double) {
    expectShares(
      shares(Self.logits, SamplingOptions(temperature: temperature)),
      Self.logits.map { exp($0 / temperature) })
  }

  @Test func seededDrawsFollowTheSoftmax() {
    var random = CounterRandom(key: RandomKey(seed: 3, purpose: .sampling))
    var counts = [Double](repeating: 0, count: 4)
    let draws = 20_000
    for _ in 0..<draws { counts[sample(Self.logits, SamplingOptions(), uniform: random.nextUniform())] += 1 }
    for (count, probability) in zip(counts, [0.1, 0.4, 0.2, 0.3]) {
      let deviation = (probability * (1 - probability) * Double(draws)).squareRoot()
      #expect(abs(count - probability * Double(draws)) < 6 * deviation)
    }
  }

  @Test(
    arguments: [
      (1, [0, 1, 0, 0]), (2, [0, 4, 0, 3]), (3, [0, 4, 2, 3]), (4, [1, 4, 2, 3]), (99, [1, 4, 2, 3]),
    ] as [(Int, [Double])])
  func onlyTheKMostProbable(k: Int, weights: [Double]) {
    expectShares(shares(Self.logits, SamplingOptions(topK: k)), weights)
  }

  @Test(
    arguments: [
      (0, [0, 1, 0, 0]), (0.39, [0, 1, 0, 0]), (0.41, [0, 4, 0, 3]), (0.69, [0, 4, 0, 3]),
      (0.71, [0, 4, 2, 3]),
      (0.89, [0, 4, 2, 3]), (0.91, [1, 4, 2, 3]), (1, [1, 4, 2, 3]),
    ] as [(Double, [Double])])
  func onlyTheMostProbableThatReachP(p: Double, weights: [Double]) {
    expectShares(shares(Self.logits, SamplingOptions(topP: p)), weights)
  }

  @Test func bothBoundsTogether() {
    expectShares(shares(Self.logits, SamplingOptions(topK: 2, topP: 0.95)), [0, 4, 0, 3])
    expectShares(shares(Self.logits, SamplingOptions(topK: 3, topP: 0.3)), [0, 1, 0, 0])
  }

  /// The most probable two of 0.1, 0.4, 0.2, 0.3 have 4/7 and 3/7 among themselves: the first alone reaches 0.57, unlike
  /// in the whole distribution.
  @Test func topPActsOnWhatTopKLeft() {
    expectShares(shares(Self.logits, SamplingOptions(topK: 2, topP: 0.57)), [0, 1, 0, 0])
    expectShares(shares(Self.logits, SamplingOptions(topK: 2, topP: 0.58)), [0, 4, 0, 3])
    expectShares(shares(Self.logits, SamplingOptions(topP: 0.57)), [0, 4, 0, 3])
    expectShares(shares(Self.logits, SamplingOptions(topK: 3, topP: 0.77)), [0, 4, 0, 3])
    expectShares(shares(Self.logits, SamplingOptions(topK: 3, topP: 0.78)), [0, 4, 2, 3])
  }

  /// Both act on the distribution that temperature left: at 1/2, the probabilities are 1, 16, 4, 9 thirtieths.
  @Test func boundsActOnWhatTemperatureLeft() {
    expectShares(shares(Self.logits, SamplingOptions(temperature: 0.5, topP: 0.53)), [0, 1, 0, 0])
    expectShares(shares(Self.logits, SamplingOptions(temperature: 0.5, topP: 0.54)), [0, 16, 0, 9])
    expectShares(shares(Self.logits, SamplingOptions(temperature: 0.5, topK: 3)), [0, 16, 4, 9])
  }

  /// Among equal probabilities, those with lower ids are kept.
  @Test func equalProbabilitiesAtABound() {
    let equal = [2.0, 2, 2, 2, 2]
    expectShares(shares(equal, SamplingOptions(topK: 3)), [1, 1, 1, 0, 0])
    expectShares(shares(equal, SamplingOptions(topP: 0.59)), [1, 1, 1, 0, 0])
    expectShares(shares(equal, SamplingOptions(topP: 0.61)), [1, 1, 1, 1, 0])
    let mixed = [1.0, 3, 1, 1, 0].map { log(1 + $0) }
    expectShares(shares(mixed, SamplingOptions(topK: 2)), [2, 4, 0, 0, 0])
    expectShares(shares(mixed, SamplingOptions(topK: 3)), [2, 4, 2, 0, 0])
  }

  @Test(arguments: [
    SamplingOptions(), SamplingOptions(temperature: 0), SamplingOptions(topK: 2), SamplingOptions(topP: 0.9),
    SamplingOptions(topK: 3, topP: 0.5),
  ])
  func impossibleTokens(options: SamplingOptions) {
    for uniform in [0, 0.5, 1.0.nextDown] {
      #expect(sample([-.infinity, .nan, 1, -.infinity], options, uniform: uniform) == 2)
      #expect(sample([0, .nan, .infinity, 5], options, uniform: uniform) == 2)
      #expect(sample([-.infinity, .nan], options, uniform: uniform) == -1)
      #expect(sample([1, 2], options, uniform: uniform, excluding: [0, 1]) == -1)
      #expect(sample([], options, uniform: uniform) == -1)
      #expect(sample([-4], options, uniform: uniform) == 0)
    }
  }

  @Test(arguments: [
    SamplingOptions(), SamplingOptions(temperature: 0), SamplingOptions(topK: 2), SamplingOptions(topP: 0.99),
    SamplingOptions(topK: 4, topP: 1),
  ])
  func excludedIdsAreNeverDrawn(options: SamplingOptions) {
    let shares = shares(Self.logits, options, excluding: [1, 0], count: 1000)
    #expect(shares[1] == 0 && shares[0] == 0)
    for uniform in [0, 1.0.nextDown] {
      #expect([2, 3].contains(sample(Self.logits, options, uniform: uniform, excluding: [1, 0])))
    }
  }

  @Test func excludedProbabilityGoesToTheOthersInProportion() {
    expectShares(shares(Self.logits, SamplingOptions(), excluding: [1]), [1, 0, 2, 3])
  }

  @Test func largeLogitsDoNotOverflow() {
    expectShares(shares(Self.logits.map { $0 + 1e6 }, SamplingOptions()), [1, 4, 2, 3])
  }
}
