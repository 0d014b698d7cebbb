import Foundation
import CKernels
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

  private typealias Loss = (rnd_element, rnd_output_loss) -> Double

  /// Calls a loss on rows of y without gaps; returns the loss and the new y.
  private func apply<Element: Scalar>(
    _ loss: Loss, _ y: [Element], bias: [Element], targets: [Element], targetStride: Int? = nil,
    withGradient: Bool
  ) -> (loss: Double, y: [Element]) {
    let (block, bias, targets, columns) = (Block(y), Block(bias), Block(targets), bias.count)
    let total = loss(
      Element.kernelType,
      rnd_output_loss(
        rows: y.count / columns, columns: columns, y: block.base, stride: columns, bias: bias.base,
        target: targets.base, target_stride: targetStride ?? columns, with_gradient: withGradient))
    return (total, block.values)
  }

  private func check<Element: Scalar>(
    _ type: Element.Type, _ bits: Int, _ logits: [Double], _ targets: [Double], _ expected: Double,
    _ gradient: [Double], within tolerance: Double
  ) {
    let (z, t) = (logits.map { Element($0) }, targets.map { Element($0) })
    let bias = [Element](repeating: 0, count: bits)
    let (total, dz) = apply(rnd_sigmoid_cross_entropy, z, bias: bias, targets: t, withGradient: true)
    #expect(abs(total - expected) < tolerance * expected)
    #expect(zip(dz, gradient).allSatisfy { abs(Double($0) - $1) < max(tolerance, 1e-15) })
    #expect(apply(rnd_sigmoid_cross_entropy, z, bias: bias, targets: t, withGradient: false).loss == total)
  }

  @Test func rowsWithoutBitsAreSkipped() {
    let (bias, targets): ([Float], [Float]) = ([1, -1], [0, 1, -1, 0, 1, 1])
    func loss(_ logits: [Float], _ targets: [Float], withGradient: Bool = false) -> (loss: Double, y: [Float])
    {
      apply(rnd_sigmoid_cross_entropy, logits, bias: bias, targets: targets, withGradient: withGradient)
    }
    let (all, gradient) = loss([1, 2, 3, 4, 5, 6], targets, withGradient: true)
    #expect(gradient[2...3] == [0, 0] && gradient[0] > 0 && gradient[1] < 0)
    #expect(all == loss([1, 2], [0, 1]).loss + loss([5, 6], [1, 1]).loss)
  }

  @Test func notANumberStaysVisible() {
    var logits = [Float](repeating: 0.5, count: 20)
    logits[18] = .nan
    let zeros = [Float](repeating: 0, count: 20)
    let bits = apply(rnd_sigmoid_cross_entropy, logits, bias: zeros, targets: zeros, withGradient: true)
    #expect(bits.loss.isNaN && bits.y[18].isNaN)
    let numbers = apply(
      rnd_squared_error, [1, .nan], bias: [0, 0], targets: [0, 0] as [Float], withGradient: true)
    #expect(numbers.loss.isNaN && numbers.y[1].isNaN)
  }

  @Test func squaredErrors() {
    let (loss, gradient) = apply(
      rnd_squared_error, [1, 2, 3, 4], bias: [0.5, -1], targets: [0, 0, 9, 1, 1, 9], targetStride: 3,
      withGradient: true)
    #expect(loss == 1.5 * 1.5 + 1 + 2.5 * 2.5 + 4)
    #expect(gradient == [3, 2, 5, 4])
    let plain = apply(rnd_squared_error, [1, 2], bias: [0.5, -1], targets: [0, 0], withGradient: false)
    #expect(plain.loss == 1.5 * 1.5 + 1 && plain.y == [1.5, 1])
  }

  @Test func theFirstOfEqualsWins() {
    var index: [Int32] = [9, 9, 9]
    // A temporary would be released before its view is read.
    let block = Block<Double>(rows: 3, columns: 3, gap: 1, [1, 3, 3, -2, -1, -1, 5, 5, 5])
    block.view.argmaxRows(into: &index)
    #expect(index == [1, 1, 0])
  }
}
