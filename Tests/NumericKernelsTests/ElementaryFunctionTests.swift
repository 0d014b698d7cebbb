import CKernels
import Foundation
import NumericKernels
import Testing

/// The bounds stated in Sources/CKernels/vector_math.h, over floats of every magnitude.
@Suite struct ElementaryFunctionTests {
  /// Every 20011th finite float of both signs, and the numbers around the points where formulas change.
  private static let floats: [Float] = {
    let dense = stride(from: UInt32(0), to: Float.infinity.bitPattern, by: 20_011).map(
      Float.init(bitPattern:))
    let special: [Float] = [0, 0.5, 1, 9.02, 87.3, 88, 89, 103, 104, .greatestFiniteMagnitude, .infinity]
    let around = special.flatMap { [$0.nextDown, $0, $0.nextUp] }.filter { !$0.isNaN }
    return (dense + around).flatMap { [$0, -$0] }
  }()

  private enum Function: CaseIterable { case exponential, sigmoid, tanh }

  private static func map<Element: Scalar>(_ function: Function, _ x: [Element]) -> [Element] {
    let y = Block(x)
    let code =
      switch function {
      case .exponential: rnd_exponential
      case .sigmoid: rnd_sigmoid
      case .tanh: rnd_tanh
      }
    rnd_activate(
      Element.kernelType,
      rnd_activation(
        rows: 1, columns: x.count, y: y.base, stride: x.count, bias: nil, activation: Int32(code)))
    return y.values
  }

  /// The largest error of a result together with its argument.
  private static func worst(
    _ x: [Float], _ y: [Float], _ error: (_ x: Double, _ y: Double) -> Double
  ) -> (error: Double, at: Float) {
    var worst = (error: 0.0, at: Float.nan)
    for (x, y) in zip(x, y) {
      let error = error(Double(x), Double(y))
      if !(error <= worst.error) { worst = (error, x) }
    }
    return worst
  }

  @Test func exponential() {
    let x = Self.floats.filter { (-87.3...88).contains($0) }
    #expect(x.count > 50_000)
    let worst = Self.worst(x, Self.map(.exponential, x)) { abs($1 / Foundation.exp($0) - 1) }
    #expect(worst.error < 2e-7, "at \(worst.at)")
  }

  @Test func exponentialIsClampedOutside() {
    let outside: [Float] = [-87.4, -104, -1e30, -.infinity, 88.1, 1e30, .infinity]
    let bounds: [Float] = Self.map(.exponential, [-87.3, 88])
    #expect(Self.map(.exponential, outside) == outside.map { $0 < 0 ? bounds[0] : bounds[1] })
    #expect(bounds[0] > 0 && bounds[1].isFinite)
  }

  @Test func sigmoid() {
    let worst = Self.worst(Self.floats, Self.map(.sigmoid, Self.floats)) {
      abs($1 - 1 / (1 + Foundation.exp(-$0)))
    }
    #expect(worst.error < 1.2e-7, "at \(worst.at)")
  }

  @Test func hyperbolicTangent() {
    let y = Self.map(.tanh, Self.floats)
    let worst = Self.worst(Self.floats, y) { $0 == 0 ? abs($1) : abs($1 / Foundation.tanh($0) - 1) }
    #expect(worst.error < 3e-7, "at \(worst.at)")
    #expect(zip(Self.floats, y).allSatisfy { $0.sign == $1.sign && abs($1) <= 1 })
  }

  @Test func doubleFormsAreThoseOfTheMathematicsLibrary() {
    let x: [Double] = [-.infinity, -800, -37.5, -1, -1e-9, 0, 1e-300, 0.3, 1, 37.5, 700, .infinity]
    #expect(Self.map(.exponential, x) == x.map(Foundation.exp))
    #expect(Self.map(.tanh, x) == x.map(Foundation.tanh))
    #expect(Self.map(.sigmoid, x) == x.map { 1 / (1 + Foundation.exp(-$0)) })
  }

  @Test(arguments: [1, 3, 15, 16, 17, 33])
  func everyLength(count: Int) {
    let x = (0..<count).map { Float($0) / 7 - 2 }
    for function in Function.allCases {
      // Single numbers use only the remainder of the vector loop.
      #expect(Self.map(function, x) == x.flatMap { Self.map(function, [$0]) })
    }
  }
}
