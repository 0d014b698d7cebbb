import Foundation
import NumericKernels
import Testing

/// The kernels of decoding against their definitions, with lists that are sorted.
@Suite struct SelectionTests {
  /// Numbers that look random, some of them equal.
  private func block<Element: Scalar>(
    rows: Int, columns: Int, salt: Int = 0, _ type: Element.Type = Element.self
  ) -> Block<Element> {
    var random = CounterRandom(key: RandomKey(seed: UInt64(salt), purpose: .generatedData))
    return Block(rows: rows, columns: columns, gap: 3) { _, _ in
      Element((random.nextNormal() * 16).rounded() / 8)
    }
  }

  private func logSoftmax(_ row: some Collection<Double>) -> [Double] {
    let best = row.max() ?? 0
    let sum = row.reduce(0) { $0 + exp($1 - best) }
    return row.map { $0 - best - log(sum) }
  }

  @Test(arguments: Precision.allCases, [1, 2, 63, 64, 65, 200])
  func normalizers(precision: Precision, columns: Int) {
    switch precision {
    case .float: checkNormalizers(Float.self, columns, 2e-6)
    case .double: checkNormalizers(Double.self, columns, 1e-14)
    }
  }

  private func checkNormalizers<Element: Scalar>(
    _ type: Element.Type, _ columns: Int, _ tolerance: Double
  ) {
    let x = block(rows: 3, columns: columns, type)
    var result = [Double](repeating: .nan, count: 3)
    Element.logNormalizers(x.view.base, x.view.stride, 3, columns, &result)
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
    Float.logNormalizers(x.view.base, 4, 5, 4, &result)
    #expect(abs(result[0] - 1 - log(2)) < 1e-6 && result[1] == -.infinity)
    #expect(result[2] == Double(Float.greatestFiniteMagnitude) && result[3] == Double(Float(-3e38)))
    #expect(result[4] == Double(Float(1e30)))
  }

  // MARK: Best continuations

  @Test(arguments: Precision.allCases, [(1, 1), (1, 64), (3, 7), (3, 64), (4, 65), (5, 200)])
  func bestContinuationsAreThoseOfAFullSort(precision: Precision, shape: (Int, Int)) {
    for limit in [1, 2, 5, 10, shape.0 * shape.1, 1200] {
      switch precision {
      case .float: checkBest(Float.self, rows: shape.0, columns: shape.1, limit: limit)
      case .double: checkBest(Double.self, rows: shape.0, columns: shape.1, limit: limit)
      }
    }
  }

  /// Logits, bases and normalisers are multiples of 1/8: sums are exact, and ties are frequent.
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
    var scores = [Double](repeating: .nan, count: limit)
    var (sources, tokens) = (
      [Int32](repeating: -9, count: limit), [Int32](repeating: -9, count: limit)
    )
    let count = Element.bestContinuations(
      x.view.base, x.view.stride, rows, columns, base, normalizers, limit, &scores, &sources, &tokens)
    #expect(count == min(limit, all.count))
    #expect(Array(scores[..<count]) == all.prefix(count).map(\.score))
    #expect(Array(sources[..<count]) == all.prefix(count).map(\.row))
    #expect(Array(tokens[..<count]) == all.prefix(count).map(\.token))
    #expect(sources[count...].allSatisfy { $0 == -9 })
  }

  /// Scores that differ by less than the element type resolves are still told apart.
  @Test func theBoundOfABlockIsNotTooHigh() {
    let x = Block<Float>(rows: 2, columns: 64) { row, column in column == 40 ? 1 : -1 }
    for difference in [1e-12, 0, -1e-12] {
      var (scores, sources, tokens) = ([0.0], [Int32(9)], [Int32(9)])
      _ = Float.bestContinuations(
        x.view.base, 64, 2, 64, [-1000, -1000 + difference], [1, 1], 1, &scores, &sources, &tokens)
      #expect(sources == [difference > 0 ? 1 : 0] && tokens == [40])
    }
  }

  @Test func rowsWithoutAPossibleTokenHaveNoContinuation() {
    let x = Block<Float>(rows: 2, columns: 3, [.nan, -.infinity, .nan, 0, 0, .infinity])
    var (scores, sources, tokens) = (
      [Double](repeating: 0, count: 4), [Int32](repeating: 0, count: 4), [Int32](repeating: 0, count: 4)
    )
    let largest = Double(Float.greatestFiniteMagnitude)
    let count = Float.bestContinuations(
      x.view.base, 3, 2, 3, [0, 0], [-.infinity, largest], 4, &scores, &sources, &tokens)
    #expect(count == 3 && tokens[..<3] == [2, 0, 1] && sources[..<3] == [1, 1, 1] && scores[0] == 0)
    #expect(
      Float.bestContinuations(x.view.base, 3, 2, 3, [0, 0], [0, 0], 0, &scores, &sources, &tokens) == 0)
  }

  // MARK: Draws

  /// The weights a draw is made from: sorted, cut after k, then where the sum reaches p.
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
  func drawsAreMadeFromWhatIsKept(precision: Precision, testCase: (V: Int, k: Int, p: Double)) {
    switch precision {
    case .float: checkDraws(Float.self, testCase.V, testCase.k, testCase.p)
    case .double: checkDraws(Double.self, testCase.V, testCase.k, testCase.p)
    }
  }

  private func checkDraws<Element: Scalar>(_ type: Element.Type, _ columns: Int, _ k: Int, _ p: Double) {
    let x = block(rows: 1, columns: columns, salt: k, type)
    let before = x.values
    let weights = kept(logSoftmax(before.map { Double($0) * 0.5 }).map { exp($0) }, k: k, p: p)
    let whole = weights.reduce(0, +)
    var scratch = [Element](repeating: .nan, count: 3 * columns)
    var tried = 0
    for (id, weight) in weights.enumerated() where weight > 1e-5 * whole {
      // Just within the share of this token at both ends, and in the middle.
      let start = weights[..<id].reduce(0, +)
      tried += 1
      for place in [0.01, 0.5, 0.99] {
        var token = Int32(-7)
        Element.drawTokens(
          x.view.base, x.view.stride, 1, columns, 0.5, k, p, [(start + place * weight) / whole], &scratch,
          &token)
        #expect(Int(token) == id, "uniform in the share of \(id) at \(place)")
      }
    }
    #expect(x.values == before && tried > 1)
    for uniform in [0, 1.0.nextDown] {
      var token = Int32(-7)
      Element.drawTokens(x.view.base, x.view.stride, 1, columns, 0.5, k, p, [uniform], &scratch, &token)
      #expect(weights[Int(token)] > 0)
    }
  }

  @Test func rowsAreDrawnByThemselves() {
    let x = block(rows: 6, columns: 130, Float.self)
    let uniforms = (0..<6).map { Double($0) / 6 + 0.01 }
    var scratch = [Float](repeating: 0, count: 390)
    for (k, p) in [(Int.max, 1.0), (20, 1), (Int.max, 0.7), (1, 1)] {
      var together = [Int32](repeating: -7, count: 6)
      Float.drawTokens(x.view.base, x.view.stride, 6, 130, 1, k, p, uniforms, &scratch, &together)
      for row in 0..<6 {
        var alone = Int32(-7)
        Float.drawTokens(x.view.row(row), 133, 1, 130, 1, k, p, [uniforms[row]], &scratch, &alone)
        #expect(alone == together[row])
      }
    }
    #expect(x.gapsAreUntouched)
  }

  // MARK: Mixtures

  @Test(arguments: Precision.allCases, [1, 5, 64, 130])
  func mixtures(precision: Precision, columns: Int) {
    switch precision {
    case .float: checkMixture(Float.self, columns, 3e-6)
    case .double: checkMixture(Double.self, columns, 1e-13)
    }
  }

  private func checkMixture<Element: Scalar>(_ type: Element.Type, _ columns: Int, _ tolerance: Double) {
    let members = (1...3).map { block(rows: 2, columns: columns, salt: $0, type) }
    let shares = [0.5, 0.3, 0.2]
    let y = Block<Element>(rows: 2, columns: columns, gap: 2) { _, _ in .nan }
    for (index, member) in members.enumerated() {
      Element.mixLogProbabilities(
        member.view.base, member.view.stride, 2, columns, log(shares[index]), y.view.base, y.view.stride,
        index == 0)
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
      // Two tokens whose log-probabilities are 0 and -difference, up to what does not show.
      let x = Block<Float>(rows: 1, columns: 2, [-difference, -.infinity])
      Float.mixLogProbabilities(x.view.base, 2, 1, 2, 0, y.view.base, 2, false)
      // A row's only token has probability 1, or is impossible.
      #expect(abs(y.view[0, 0] - (difference == .infinity ? 0 : Float(log(2.0)))) < 2e-7)
      #expect(y.view[0, 1] == -.infinity)
      let pair = Block<Float>(rows: 1, columns: 2, [-difference, 0])
      let z = Block<Float>(rows: 1, columns: 2, [0, 0])
      Float.mixLogProbabilities(pair.view.base, 2, 1, 2, 0, z.view.base, 2, false)
      let low = exp(-Double(difference)) / (1 + exp(-Double(difference)))
      #expect(
        abs(Double(z.view[0, 0]) - log1p(low)) < 2e-7 && abs(Double(z.view[0, 1]) - log(2 - low)) < 2e-7)
    }
  }

  // MARK: Numbers

  @Test func coverage() {
    let floor = log(Double(Float.leastNormalMagnitude))
    #expect(abs(Float.logCoverage([0.5, 1, 3, 0.25], 4) + log(8)) < 1e-7)
    #expect(Double.logCoverage([0, .nan, -1, 1e-300], 4) == 4 * floor)
    #expect(Float.logCoverage([0], 0) == 0 && Double.logCoverage([.infinity, 1], 2) == 0)
  }

  @Test func realFunctions() {
    #expect(RealFunctions.log(2) == log(2.0) && RealFunctions.log(0) == -.infinity)
    #expect(RealFunctions.log(-1).isNaN && RealFunctions.power(2, 0.5) == pow(2.0, 0.5))
  }
}
