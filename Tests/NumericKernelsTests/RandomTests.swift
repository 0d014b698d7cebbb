import Foundation
import NumericKernels
import Testing

@Suite struct RandomTests {
  private let key = RandomKey(seed: 0x1234_5678_9abc_def0, purpose: .sampling, step: 7)

  /// The known-answer vectors published with Random123 (Salmon et al. 2011).
  @Test(arguments: [
    (
      SIMD4<UInt32>(repeating: 0), SIMD2<UInt32>(repeating: 0),
      SIMD4<UInt32>(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)
    ),
    (
      SIMD4<UInt32>(repeating: .max), SIMD2<UInt32>(repeating: .max),
      SIMD4<UInt32>(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)
    ),
    (
      SIMD4<UInt32>(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
      SIMD2<UInt32>(0xa409_3822, 0x299f_31d0),
      SIMD4<UInt32>(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
    ),
  ])
  func philoxGivesThePublishedAnswers(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, answer: SIMD4<UInt32>) {
    #expect(philox4x32(counter: counter, key: key) == answer)
  }

  @Test func counterLayoutIsTheDocumentedOne() {
    let sample: UInt64 = 0x0000_0009_0000_0005
    let derived = philox4x32(
      counter: SIMD4(7, 0, 3, RandomPurpose.sampling.rawValue), key: SIMD2(0x9abc_def0, 0x1234_5678))
    let block = philox4x32(counter: SIMD4(1, 0, 5, 9), key: SIMD2(derived[0], derived[1]))
    var random = CounterRandom(key: key, sample: sample, stream: 3)
    random.position = 4
    #expect(random.next() == UInt64(block[1]) << 32 | UInt64(block[0]))
    #expect(random.next() == UInt64(block[3]) << 32 | UInt64(block[2]))
  }

  @Test func everyCoordinateMatters() {
    func draw(_ seed: UInt64, _ purpose: RandomPurpose, _ step: UInt64, _ sample: UInt64, _ stream: UInt32)
      -> UInt64
    {
      var random = CounterRandom(
        key: RandomKey(seed: seed, purpose: purpose, step: step), sample: sample, stream: stream)
      return random.next()
    }
    var draws = RandomPurpose.allCases.map { draw(1, $0, 2, 3, 4) }
    draws += [draw(2, .shuffle, 2, 3, 4), draw(1 << 32 | 1, .shuffle, 2, 3, 4)]
    draws += [draw(1, .shuffle, 3, 3, 4), draw(1, .shuffle, 1 << 32 | 2, 3, 4)]
    draws += [draw(1, .shuffle, 2, 4, 4), draw(1, .shuffle, 2, 1 << 32 | 3, 4), draw(1, .shuffle, 2, 3, 5)]
    #expect(Set(draws).count == draws.count)
  }

  @Test func randomAccessEqualsTheSequence() {
    var random = CounterRandom(key: key, sample: 3)
    let sequence = (0..<9).map { _ in random.nextUniform() }
    #expect(sequence == (0..<9).map { random.uniform(at: UInt64($0)) })
    #expect(random.position == 18)
  }

  @Test func uniformNumbersHaveTheRightMoments() {
    let count = 100_000
    var values = [Double](repeating: -1, count: count)
    values.withUnsafeMutableBufferPointer { Double.fillUniform($0, low: 0, high: 1, key: key) }
    #expect(values.allSatisfy { 0 <= $0 && $0 < 1 })
    let mean = values.reduce(0, +) / Double(count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    // Five standard errors: 5·√(1/12/n) and 5·√(1/180/n).
    #expect(abs(mean - 0.5) < 0.0046)
    #expect(abs(variance - 1.0 / 12) < 0.0012)
    // χ² over 100 cells, 99 degrees of freedom: mean 99, deviation 14.
    var cells = [Int](repeating: 0, count: 100)
    for value in values { cells[Int(value * 100)] += 1 }
    let chiSquared = cells.reduce(0.0) { $0 + (Double($1) - 1000) * (Double($1) - 1000) / 1000 }
    #expect(chiSquared > 50 && chiSquared < 170)
  }

  @Test func normalNumbersHaveTheRightMoments() {
    let count = 100_000
    var values = [Double](repeating: 0, count: count)
    values.withUnsafeMutableBufferPointer { Double.fillNormal($0, mean: 3, standardDeviation: 2, key: key) }
    let z = values.map { ($0 - 3) / 2 }
    func moment(_ order: Int) -> Double {
      z.reduce(0) { sum, z in sum + (0..<order).reduce(1) { power, _ in power * z } } / Double(count)
    }
    #expect(abs(moment(1)) < 0.016)
    #expect(abs(moment(2) - 1) < 0.023)
    #expect(abs(moment(3)) < 0.062)
    #expect(abs(moment(4) - 3) < 0.16)
    let neighbors = zip(z, z.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / Double(count)
    #expect(abs(neighbors) < 0.016)
  }

  @Test(arguments: [0, 1, 2, 63, 64, 65, 127, 1001])
  func fillsEqualTheScalarGenerator(count: Int) {
    let random = CounterRandom(key: key, sample: 1 << 40, stream: 9)
    let expected = (0..<count).map { -0.1 + (0.3 - -0.1) * random.uniform(at: UInt64($0)) }
    let normals = (0..<count).map { index in
      let (u, v) = (random.uniform(at: UInt64(index / 2 * 2)), random.uniform(at: UInt64(index / 2 * 2 + 1)))
      let (radius, angle) = ((-2 * log1p(-u)).squareRoot(), 6.283185307179586 * v)
      return radius * (index % 2 == 0 ? cos(angle) : sin(angle))
    }
    var (doubles, floats) = ([Double](repeating: 9, count: count), [Float](repeating: 9, count: count))
    doubles.withUnsafeMutableBufferPointer {
      Double.fillUniform($0, low: -0.1, high: 0.3, key: key, sample: 1 << 40, stream: 9)
    }
    floats.withUnsafeMutableBufferPointer {
      Float.fillUniform($0, low: -0.1, high: 0.3, key: key, sample: 1 << 40, stream: 9)
    }
    #expect(doubles == expected)
    #expect(floats == expected.map { Float($0) })
    doubles.withUnsafeMutableBufferPointer {
      Double.fillNormal($0, mean: 0, standardDeviation: 1, key: key, sample: 1 << 40, stream: 9)
    }
    floats.withUnsafeMutableBufferPointer {
      Float.fillNormal($0, mean: 0, standardDeviation: 1, key: key, sample: 1 << 40, stream: 9)
    }
    #expect(doubles == normals)
    #expect(floats == doubles.map { Float($0) })
  }

  @Test(arguments: [1, 2, 3, 7, 10, 1 << 40, Int.max])
  func indexesStayBelowTheirBound(bound: Int) {
    var random = CounterRandom(key: key)
    let draws = (0..<1000).map { _ in random.nextIndex(below: bound) }
    #expect(draws.allSatisfy { (0..<bound).contains($0) })
    if bound <= 10 { #expect(Set(draws).count == bound) }
  }

  @Test func indexesAreNotBiased() {
    // The bound is 3/8 of 2⁶⁴. A simple remainder would favor the lower thirds, and a simple product the residues 0 and 1.
    var random = CounterRandom(key: key)
    let bound = 3 << 61
    var (thirds, residues) = ([0, 0, 0], [0, 0, 0])
    for _ in 0..<9000 {
      let index = random.nextIndex(below: bound)
      thirds[index / (1 << 61)] += 1
      residues[index % 3] += 1
    }
    #expect(thirds.allSatisfy { abs($0 - 3000) < 230 })
    #expect(residues.allSatisfy { abs($0 - 3000) < 230 })
  }

  @Test(arguments: [0, 1, 2, 100])
  func permutationsHoldEachIndexOnce(count: Int) {
    let order = permutation(count: count, key: RandomKey(seed: 5, purpose: .shuffle, step: 1))
    #expect(order.sorted() == Array(0..<count))
  }

  @Test func permutationsAreReproducibleAndDifferByEpoch() {
    let first = permutation(count: 50, key: RandomKey(seed: 5, purpose: .shuffle, step: 0))
    #expect(first == permutation(count: 50, key: RandomKey(seed: 5, purpose: .shuffle, step: 0)))
    #expect(first != permutation(count: 50, key: RandomKey(seed: 5, purpose: .shuffle, step: 1)))
    #expect(first != permutation(count: 50, key: RandomKey(seed: 6, purpose: .shuffle, step: 0)))
  }

  @Test func permutationsAreEquallyProbable() {
    var counts: [[Int]: Int] = [:]
    for epoch in 0..<6000 {
      counts[
        permutation(count: 3, key: RandomKey(seed: 1, purpose: .shuffle, step: UInt64(epoch))), default: 0] +=
        1
    }
    #expect(counts.count == 6)
    #expect(counts.values.allSatisfy { abs($0 - 1000) < 150 })
  }

  @Test func standardLibraryShufflesWithIt() {
    var (one, two) = (CounterRandom(key: key), CounterRandom(key: key))
    #expect((0..<30).shuffled(using: &one) == (0..<30).shuffled(using: &two))
    #expect(one == two)
  }
}
