import Foundation
import CKernels
import NumericKernels
import Testing

/// Compares the decoding kernels with their definitions, which sort lists.
@Suite struct SelectionTests {
  /// Numbers that look random, some of them equal.
  private func block<Element: Scalar>(
    rows: Int, columns: Int, salt: Int = 0, _ type: Element.Type = Element.self
  ) -> Block<Element> {
    var random = CounterRandom(key: RandomKey(seed: UInt64(salt), purpose: .generatedData))
    return Block(rows: rows, columns: columns, gap: 3) { _, _ in
      // Nearly normal numbers with a standard deviation of 2, in steps of 1/8.
      Element(((0..<12).reduce(-6.0) { sum, _ in sum + random.nextUniform() } * 16).rounded() / 8)
    }
  }

  private func logSoftmax(_ row: some Collection<Double>) -> [Double] {
    let best = row.max() ?? 0
    let sum = row.reduce(0) { $0 + exp($1 - best) }
    return row.map { $0 - best - log(sum) }
  }

  @Test(arguments: Precision.allCases, [1, 2, 63, 64, 65, 200])
  func normalizers(precision: Precision, columns: Int) {
    checkNormalizers(precision.type, columns, precision == .double ? 1e-14 : 2e-6)
  }

  private func checkNormalizers<Element: Scalar>(
    _ type: Element.Type, _ columns: Int, _ tolerance: Double
  ) {
    let x = block(rows: 3, columns: columns, type)
    var result = [Double](repeating: .nan, count: 3)
    x.view.logNormalizers(into: &result)
    for row in 0..<3 {
      let values = (0..<columns).map { Double(x.view[row, $0]) }
      #expect(abs(result[row] - (values[0] - logSoftmax(values)[0])) < tolerance)
    }
    #expect(x.gapsAreUntouched)
  }

  @Test func normalizersOfStrangeRows() {
    let rows: [[Float]] = [
      [.nan, 1, .nan, 1], [-.infinity, .nan, -.infinity, .nan], [.infinity, 0, 0, 0],
      [-.infinity, -3e38, -.infinity, -.infinity], [1e30, -1e30, 0, 1e30],
    ]
    let x = Block<Float>(rows: 5, columns: 4, rows.flatMap { $0 })
    var result = [Double](repeating: .nan, count: 5)
    x.view.logNormalizers(into: &result)
    #expect(abs(result[0] - 1 - log(2)) < 1e-6 && result[1] == -.infinity)
    #expect(result[2] == Double(Float.greatestFiniteMagnitude) && result[3] == Double(Float(-3e38)))
    #expect(result[4] == Double(Float(1e30)))
  }

  // MARK: Best continuations

  /// The entries that the kernel wrote, and the number that it returned; other entries are -9.
  private func best<Element: Scalar>(
    _ x: MatrixView<Element>, base: [Double], normalizers: [Double], limit: Int
  ) -> (count: Int, scores: [Double], sources: [Int32], tokens: [Int32]) {
    var scores = [Double](repeating: .nan, count: limit)
    var (sources, tokens) = ([Int32](repeating: -9, count: limit), [Int32](repeating: -9, count: limit))
    let count = base.withUnsafeBufferPointer { base in
      normalizers.withUnsafeBufferPointer { normalizers in
        scores.withUnsafeMutableBufferPointer { scores in
          sources.withUnsafeMutableBufferPointer { sources in
            tokens.withUnsafeMutableBufferPointer { tokens in
              rnd_best_continuations(
                Element.kernelType,
                rnd_continuations(
                  logits: x.logits, base: base.baseAddress, normalizer: normalizers.baseAddress, limit: limit,
                  score: scores.baseAddress, row: sources.baseAddress, token: tokens.baseAddress))
            }
          }
        }
      }
    }
    return (count, scores, sources, tokens)
  }

  @Test(arguments: Precision.allCases, [(1, 1), (1, 64), (3, 7), (3, 64), (4, 65), (5, 200)])
  func bestContinuationsAreThoseOfAFullSort(precision: Precision, shape: (Int, Int)) {
    for limit in [1, 2, 5, 10, shape.0 * shape.1, 1200] {
      checkBest(precision.type, rows: shape.0, columns: shape.1, limit: limit)
    }
  }

  /// Logits, bases and normalizers are multiples of 1/8: sums are exact, and ties are frequent.
  private func checkBest<Element: Scalar>(_ type: Element.Type, rows: Int, columns: Int, limit: Int) {
    let x = block(rows: rows, columns: columns, salt: limit, type)
    x.view[rows - 1, columns - 1] = .nan
    x.view[rows / 2, columns / 2] = -.infinity
    let base = (0..<rows).map { -Double($0 * $0) / 4 }
    let normalizers = (0..<rows).map { 3 + Double($0) / 8 }
    var all: [(score: Double, row: Int32, token: Int32)] = []
    for row in 0..<rows {
      for token in 0..<columns where x.view[row, token] > -.infinity {
        let score = base[row] + (Double(x.view[row, token]) - normalizers[row])
        all.append((score, Int32(row), Int32(token)))
      }
    }
    all.sort { ($0.score, $1.row, $1.token) > ($1.score, $0.row, $0.token) }
    let (count, scores, sources, tokens) = best(x.view, base: base, normalizers: normalizers, limit: limit)
    #expect(count == min(limit, all.count))
    #expect(Array(scores[..<count]) == all.prefix(count).map(\.score))
    #expect(Array(sources[..<count]) == all.prefix(count).map(\.row))
    #expect(Array(tokens[..<count]) == all.prefix(count).map(\.token))
    #expect(sources[count...].allSatisfy { $0 == -9 })
  }

  /// Scores that differ by less than the resolution of the element type are still distinguished.
  @Test func theBoundOfABlockIsNotTooHigh() {
    let x = Block<Float>(rows: 2, columns: 64) { row, column in column == 40 ? 1 : -1 }
    for difference in [1e-12, 0, -1e-12] {
      let found = best(x.view, base: [-1000, -1000 + difference], normalizers: [1, 1], limit: 1)
      #expect(found.sources == [difference > 0 ? 1 : 0] && found.tokens == [40])
    }
  }

  @Test func rowsWithoutAPossibleTokenHaveNoContinuation() {
    let x = Block<Float>(rows: 2, columns: 3, [.nan, -.infinity, .nan, 0, 0, .infinity])
    let largest = Double(Float.greatestFiniteMagnitude)
    let found = best(x.view, base: [0, 0], normalizers: [-.infinity, largest], limit: 4)
    #expect(found.count == 3 && found.tokens[..<3] == [2, 0, 1] && found.sources[..<3] == [1, 1, 1])
    #expect(found.scores[0] == 0)
    #expect(best(x.view, base: [0, 0], normalizers: [0, 0], limit: 0).count == 0)
  }

  // MARK: Sampling

  private func sample<Element: Scalar>(
    _ x: MatrixView<Element>, inverseTemperature: Double, k: Int, p: Double, _ uniforms: [Double]
  ) -> [Int32] {
    let scratch = Block<Element>(rows: 1, columns: 3 * x.columns) { _, _ in .nan }
    var tokens = [Int32](repeating: -7, count: x.rows)
    uniforms.withUnsafeBufferPointer { uniforms in
      tokens.withUnsafeMutableBufferPointer { tokens in
        rnd_sample_tokens(
          Element.kernelType,
          rnd_sampling(
            logits: x.logits, inverse_temperature: inverseTemperature, k: k, p: p,
            uniform: uniforms.baseAddress, weights: scratch.base, token: tokens.baseAddress))
      }
    }
    return tokens
  }

  /// The weights that a sample is drawn from: sorted, cut after k, then where the sum reaches p.
  private func kept(_ probabilities: [Double], k: Int, p: Double) -> [Double] {
    let order = probabilities.indices.sorted { (probabilities[$0], $1) > (probabilities[$1], $0) }.prefix(k)
    let whole = order.reduce(0) { $0 + probabilities[$1] }
    var (result, sum) = ([Double](repeating: 0, count: probabilities.count), 0.0)
    for id in order where sum < p * whole {
      sum += probabilities[id]
      result[id] = probabilities[id]
    }
    return result
  }

  @Test(
    arguments: Precision.allCases,
    [(7, 3, 1), (64, 10, 0.8), (65, 99, 0.5), (300, 40, 0.9), (400, 400, 0.97), (300, 299, 0.3)]
      as [(Int, Int, Double)])
  func samplesHaveTheWeightsThatAreKept(precision: Precision, testCase: (V: Int, k: Int, p: Double)) {
    checkSamples(precision.type, testCase.V, testCase.k, testCase.p)
  }

  private func checkSamples<Element: Scalar>(_ type: Element.Type, _ columns: Int, _ k: Int, _ p: Double) {
    let x = block(rows: 1, columns: columns, salt: k, type)
    let before = x.values
    let weights = kept(logSoftmax(before.map { Double($0) * 0.5 }).map { exp($0) }, k: k, p: p)
    let whole = weights.reduce(0, +)
    var tried = 0
    for (id, weight) in weights.enumerated() where weight > 1e-5 * whole {
      // Just within the share of this token at both ends, and in the middle.
      let start = weights[..<id].reduce(0, +)
      tried += 1
      for place in [0.01, 0.5, 0.99] {
        let tokens = sample(
          x.view, inverseTemperature: 0.5, k: k, p: p, [(start + place * weight) / whole])
        #expect(tokens == [Int32(id)], "uniform in the share of \(id) at \(place)")
      }
    }
    #expect(x.values == before && tried > 1)
    for uniform in [0, 1.0.nextDown] {
      #expect(weights[Int(sample(x.view, inverseTemperature: 0.5, k: k, p: p, [uniform])[0])] > 0)
    }
  }

  @Test func rowsAreSampledByThemselves() {
    let x = block(rows: 6, columns: 130, Float.self)
    let uniforms = (0..<6).map { Double($0) / 6 + 0.01 }
    for (k, p) in [(Int.max, 1.0), (20, 1), (Int.max, 0.7), (1, 1)] {
      let together = sample(x.view, inverseTemperature: 1, k: k, p: p, uniforms)
      for row in 0..<6 {
        let alone = sample(x.view.rows(row..<row + 1), inverseTemperature: 1, k: k, p: p, [uniforms[row]])
        #expect(alone == [together[row]])
      }
    }
    #expect(x.gapsAreUntouched)
  }

  // MARK: Mixtures

  private func mix<Element: Scalar>(
    _ x: Block<Element>, weight: Double, into y: Block<Element>, isFirst: Bool = false
  ) {
    rnd_mix_log_probabilities(
      Element.kernelType,
      rnd_mixture(
        logits: x.view.logits, log_weight: log(weight), is_first: isFirst, y: y.base, y_stride: y.view.stride)
    )
  }

  @Test(arguments: Precision.allCases, [1, 5, 64, 130])
  func mixtures(precision: Precision, columns: Int) {
    checkMixture(precision.type, columns, precision == .double ? 1e-13 : 3e-6)
  }

  private func checkMixture<Element: Scalar>(_ type: Element.Type, _ columns: Int, _ tolerance: Double) {
    let members = (1...3).map { block(rows: 2, columns: columns, salt: $0, type) }
    let shares = [0.5, 0.3, 0.2]
    let y = Block<Element>(rows: 2, columns: columns, gap: 2) { _, _ in .nan }
    for (index, member) in members.enumerated() {
      mix(member, weight: shares[index], into: y, isFirst: index == 0)
    }
    for row in 0..<2 {
      var sum = [Double](repeating: 0, count: columns)
      for (share, member) in zip(shares, members) {
        let values = member.values[row * columns..<(row + 1) * columns].map { Double($0) }
        for (column, value) in logSoftmax(values).enumerated() { sum[column] += share * exp(value) }
      }
      for column in 0..<columns {
        #expect(abs(Double(y.view[row, column]) - log(sum[column])) < tolerance)
      }
    }
    #expect(y.gapsAreUntouched && members.allSatisfy { $0.gapsAreUntouched })
  }

  /// The logarithm inside over its whole range: equal terms, terms that vanish, and none at all.
  @Test func mixturesOfTwoTerms() {
    let differences: [Float] = [0, 1e-3, 0.3, 0.87, 0.89, 1, 5, 12, 30, 80, 100, 1e30, .infinity]
    for difference in differences {
      let y = Block<Float>(rows: 1, columns: 2, [0, -.infinity])
      // Two tokens whose log-probabilities are 0 and -difference, up to an invisible difference.
      let x = Block<Float>(rows: 1, columns: 2, [-difference, -.infinity])
      mix(x, weight: 1, into: y)
      // A row's only token has probability 1, or is impossible.
      #expect(abs(y.view[0, 0] - (difference == .infinity ? 0 : Float(log(2.0)))) < 2e-7)
      #expect(y.view[0, 1] == -.infinity)
      let pair = Block<Float>(rows: 1, columns: 2, [-difference, 0])
      let z = Block<Float>(rows: 1, columns: 2, [0, 0])
      mix(pair, weight: 1, into: z)
      let low = exp(-Double(difference)) / (1 + exp(-Double(difference)))
      #expect(
        abs(Double(z.view[0, 0]) - log1p(low)) < 2e-7 && abs(Double(z.view[0, 1]) - log(2 - low)) < 2e-7)
    }
  }

  // MARK: Numbers

  @Test func coverage() {
    let floor = log(Double(Float.leastNormalMagnitude))
    func logCoverage<Element: Scalar>(_ x: [Element]) -> Double {
      let block = Block(x)
      return rnd_log_coverage(Element.kernelType, rnd_numbers(count: x.count, x: block.base))
    }
    #expect(abs(logCoverage([0.5, 1, 3, 0.25] as [Float]) + log(8)) < 1e-7)
    #expect(logCoverage([0, .nan, -1, 1e-300] as [Double]) == 4 * floor)
    #expect(logCoverage([] as [Float]) == 0 && logCoverage([.infinity, 1] as [Double]) == 0)
  }

  @Test func realFunctions() {
    #expect(RealFunctions.log(2) == log(2.0) && RealFunctions.log(0) == -.infinity)
    #expect(RealFunctions.exp(1.5) == exp(1.5))
    #expect(RealFunctions.log(-1).isNaN && RealFunctions.power(2, 0.5) == pow(2.0, 0.5))
  }
}
