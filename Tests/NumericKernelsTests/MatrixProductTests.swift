import NumericKernels
import Testing

@Suite struct MatrixProductTests {
  static let shapes = [
    [1, 1, 1], [1, 7, 3], [5, 1, 9], [3, 4, 1], [17, 13, 31], [64, 3, 65], [2, 130, 63],
  ]

  @Test(arguments: shapes, Precision.allCases)
  func everyFormEqualsTheSum(shape: [Int], precision: Precision) {
    for transposition in [Transposition.none, .left, .right] {
      for gap in [0, 3] {
        check(shape[0], shape[1], shape[2], transposition, gap, precision.type)
      }
    }
  }

  private func check<Element: Scalar>(
    _ m: Int, _ k: Int, _ n: Int, _ transposition: Transposition, _ gap: Int, _ type: Element.Type
  ) {
    func left(_ i: Int, _ j: Int) -> Element { smallInteger(i, j, salt: 1) }
    func right(_ i: Int, _ j: Int) -> Element { smallInteger(i, j, salt: 2) }
    let a =
      transposition == .left
      ? Block(rows: k, columns: m, gap: gap) { left($1, $0) } : Block(rows: m, columns: k, gap: gap, left)
    let b =
      transposition == .right
      ? Block(rows: n, columns: k, gap: gap) { right($1, $0) } : Block(rows: k, columns: n, gap: gap, right)
    for accumulate in [false, true] {
      let c = Block<Element>(rows: m, columns: n, gap: gap) { smallInteger($0, $1, salt: 3) }
      let before = c.values
      multiply(a.view, b.view, transposition, into: c.view, accumulate: accumulate)
      let expected = (0..<m * n).map { index in
        (0..<k).reduce(accumulate ? before[index] : 0) { $0 + left(index / n, $1) * right($1, index % n) }
      }
      #expect(c.values == expected, "\(m) x \(k) x \(n) \(transposition) gap \(gap) accumulate \(accumulate)")
      #expect(c.gapsAreUntouched)
    }
  }

  @Test(arguments: [(0, 3, 2), (2, 3, 0), (2, 0, 3), (0, 0, 0)], [false, true])
  func emptyOperands(shape: (Int, Int, Int), accumulate: Bool) {
    let a = Block<Float>(rows: shape.0, columns: shape.1) { _, _ in 1 }
    let b = Block<Float>(rows: shape.1, columns: shape.2) { _, _ in 1 }
    let c = Block<Float>(rows: shape.0, columns: shape.2, gap: 2) { _, _ in 7 }
    multiply(a.view, b.view, into: c.view, accumulate: accumulate)
    #expect(c.values.allSatisfy { $0 == (accumulate ? 7 : 0) })
    #expect(c.gapsAreUntouched)
  }

  @Test func overwritingDoesNotReadTheOldValues() {
    let one = Block<Double>(rows: 2, columns: 2) { _, _ in 1 }
    let c = Block<Double>(rows: 2, columns: 2) { _, _ in .nan }
    multiply(one.view, one.view, into: c.view)
    #expect(c.values == [2, 2, 2, 2])
  }
}
