import Foundation
import NumericKernels
import Testing

@Suite struct OutputKernelTests {
  /// More bits than one run of the kernel, in both precisions, with logits whose exponentials overflow.
  @Test(arguments: [1, 5, 16, 88, 513, 1100])
  func bitsEqualTheirDefinition(bits: Int) {
    let logits = (0..<2 * bits).map { index -> Double in
      let value = Double((index * 37) % 101 - 50) / 8
      return index % 13 == 0 ? value * 200 : value
    }
    let targets = (0..<2 * bits).map { [0, 1, 0.25][($0 * 7 / 3) % 3] }
    var (expected, gradient) = (0.0, [Double]())
    for (z, t) in zip(logits, targets) {
      expected += max(z, 0) - z * t + log1p(exp(-abs(z)))
      gradient.append(1 / (1 + exp(-z)) - t)
    }
    check(Double.self, bits, logits, targets, expected, gradient, within: 1e-12)
    check(Float.self, bits, logits, targets, expected, gradient, within: 1e-6)
  }

  private func check<Element: Scalar>(
    _ type: Element.Type, _ bits: Int, _ logits: [Double], _ targets: [Double], _ expected: Double,
    _ gradient: [Double], within tolerance: Double
  ) {
    var z = logits.map { Element($0) }
    var plain = z
    let (t, bias) = (targets.map { Element($0) }, [Element](repeating: 0, count: bits))
    let total = Element.sigmoidCrossEntropy(&z, bits, bias, t, bits, 2, bits, true)
    #expect(abs(total - expected) < tolerance * expected)
    #expect(zip(z, gradient).allSatisfy { abs(Double($0) - $1) < max(tolerance, 1e-15) })
    #expect(Element.sigmoidCrossEntropy(&plain, bits, bias, t, bits, 2, bits, false) == total)
  }

  @Test func rowsWithoutBitsAreSkipped() {
    let (bias, targets): ([Float], [Float]) = ([1, -1], [0, 1, -1, 0, 1, 1])
    var logits: [Float] = [1, 2, 3, 4, 5, 6]
    let all = Float.sigmoidCrossEntropy(&logits, 2, bias, targets, 2, 3, 2, true)
    #expect(logits[2...3] == [0, 0] && logits[0] > 0 && logits[1] < 0)
    var first: [Float] = [1, 2]
    var last: [Float] = [5, 6]
    let sum =
      Float.sigmoidCrossEntropy(&first, 2, bias, [0, 1], 2, 1, 2, false)
      + Float.sigmoidCrossEntropy(&last, 2, bias, [1, 1], 2, 1, 2, false)
    #expect(all == sum)
  }

  @Test func notANumberStaysVisible() {
    var logits = [Float](repeating: 0.5, count: 20)
    logits[18] = .nan
    let zeros = [Float](repeating: 0, count: 20)
    #expect(Float.sigmoidCrossEntropy(&logits, 20, zeros, zeros, 20, 1, 20, true).isNaN && logits[18].isNaN)
    var numbers: [Float] = [1, .nan]
    #expect(Float.squaredError(&numbers, 2, zeros, zeros, 2, 1, 2, true).isNaN && numbers[1].isNaN)
  }

  @Test func squaredErrors() {
    var y: [Double] = [1, 2, 0, 3, 4, 0]
    let loss = Double.squaredError(&y, 3, [0.5, -1], [0, 0, 9, 1, 1, 9], 3, 2, 2, true)
    #expect(loss == 1.5 * 1.5 + 1 + 2.5 * 2.5 + 4)
    #expect(y == [3, 2, 0, 5, 4, 0])
    var plain: [Double] = [1, 2]
    #expect(Double.squaredError(&plain, 2, [0.5, -1], [0, 0], 2, 1, 2, false) == 1.5 * 1.5 + 1)
    #expect(plain == [1.5, 1])
  }

  @Test func theFirstOfEqualsWins() {
    var index: [Int32] = [9, 9, 9]
    Double.argmaxRows([1, 3, 3, 0, -2, -1, -1, 0, 5, 5, 5, 0], 4, 3, 3, &index)
    #expect(index == [1, 1, 0])
  }
}
