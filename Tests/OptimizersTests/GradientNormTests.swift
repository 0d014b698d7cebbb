import Optimizers
import Testing

@Suite struct GradientNormTests {
  @Test(arguments: [0, 1, 15, 16, 17, 1023])
  func normEqualsAPlainLoop(count: Int) {
    let values = (0..<count).map { Float(($0 * 37) % 101 - 50) / 64 }
    let expected = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    // The squares are multiples of 2⁻¹², and their sum is far below 2⁵³ of these units. Both sums are exact, so the order
    // doesn't matter.
    #expect(values.withUnsafeBufferPointer { gradientNorm($0) } == expected)
    #expect(values.map(Double.init).withUnsafeBufferPointer { gradientNorm($0) } == expected)
  }

  @Test(arguments: [1, 15, 17, 1023])
  func sumFollowsTheDocumentedOrder(count: Int) {
    let values = (0..<count).map { 1 / Double($0 + 3) }
    var lanes = [Double](repeating: 0, count: 16)
    for (index, value) in values.enumerated() { lanes[index % 16] += value * value }
    while lanes.count > 1 {
      let half = lanes.count / 2
      lanes = (0..<half).map { lanes[$0] + lanes[$0 + half] }
    }
    #expect(values.withUnsafeBufferPointer { gradientNorm($0) } == lanes[0].squareRoot())
  }

  @Test func normOfLargeFloatsDoesNotOverflow() {
    let values = [Float](repeating: .greatestFiniteMagnitude, count: 4)
    #expect(values.withUnsafeBufferPointer { gradientNorm($0) } == 2 * Double(Float.greatestFiniteMagnitude))
  }

  @Test(arguments: [0, 1, 15, 16, 1022, 1023, 1024, 2047, 2999])
  func firstNonFiniteIsFound(index: Int) {
    for bad in [Double.nan, .infinity, -.infinity] {
      var values = [Double](repeating: 1e300, count: 3000)
      #expect(values.withUnsafeBufferPointer { firstNonFinite($0) } == nil)
      values[index] = bad
      values[2999] = bad
      #expect(values.withUnsafeBufferPointer { firstNonFinite($0) } == index)
      var floats = [Float](repeating: -.greatestFiniteMagnitude, count: 3000)
      #expect(floats.withUnsafeBufferPointer { firstNonFinite($0) } == nil)
      floats[index] = Float(bad)
      #expect(floats.withUnsafeBufferPointer { firstNonFinite($0) } == index)
      #expect(floats.withUnsafeBufferPointer { gradientNorm($0) }.isFinite == false)
    }
  }

  @Test func emptyBufferIsFinite() {
    #expect(firstNonFinite(UnsafeBufferPointer<Float>(start: nil, count: 0)) == nil)
    #expect(gradientNorm(UnsafeBufferPointer<Float>(start: nil, count: 0)) == 0)
  }

  @Test func clippingFollowsPyTorch() {
    #expect(clipFactor(norm: 10, maximum: 5) == 5 / (10 + 1e-6))
    #expect(clipFactor(norm: 4, maximum: 5) == 1)
    #expect(clipFactor(norm: 0, maximum: 5) == 1)
    #expect(clipFactor(norm: 1e9, maximum: 0) == 1)
    #expect(clipFactor(norm: .infinity, maximum: 5) == 0)
    #expect(clipFactor(norm: .nan, maximum: 5).isNaN)
  }
}
