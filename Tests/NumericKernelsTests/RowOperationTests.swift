import Foundation
import NumericKernels
import Testing

@Suite struct RowOperationTests {
  @Test(arguments: [1, 2, 15, 16, 33], [0, 3])
  func columnSumsAreAdded(columns: Int, gap: Int) {
    let x = Block<Float>(rows: 6, columns: columns, gap: gap) { smallInteger($0, $1) }
    var sum = (0..<columns).map { Float($0) } + [99]
    x.view.addColumnSums(to: &sum)
    let expected = (0..<columns).map { column in (0..<6).reduce(Float(column)) { $0 + x.view[$1, column] } }
    #expect(sum == expected + [99])
  }

  @Test(arguments: [1, 7, 32], [0, 2])
  func gatherTakesTheNamedRows(columns: Int, gap: Int) {
    let table = Block<Double>(rows: 5, columns: columns, gap: gap) { Double(100 * $0 + $1) }
    let index: [Int32] = [4, 0, 0, 3]
    let y = Block<Double>(rows: 4, columns: columns, gap: 1) { _, _ in .nan }
    y.view.gatherRows(of: table.view, at: index)
    #expect(y.values == index.flatMap { row in (0..<columns).map { Double(100 * Int(row) + $0) } })
    #expect(y.gapsAreUntouched)
  }

  @Test(arguments: [1, 7, 32], [0, 2])
  func scatterAddsRepeatedRows(columns: Int, gap: Int) {
    let x = Block<Float>(rows: 4, columns: columns, gap: 1) { row, _ in [1, 10, 100, 1000][row] }
    let table = Block<Float>(rows: 5, columns: columns, gap: gap) { _, _ in 0.5 }
    table.view.scatterAddRows(x.view, at: [4, 0, 0, 3])
    #expect(
      table.values
        == [110.5, 0.5, 0.5, 1000.5, 1.5].flatMap { Array(repeating: Float($0), count: columns) })
    #expect(table.gapsAreUntouched)
  }

  @Test(arguments: [0, 1, 17], [0, 2])
  func addScaledAdds(columns: Int, gap: Int) {
    let x = Block<Double>(rows: 2, columns: columns, gap: gap) { Double(10 * $0 + $1) }
    let y = Block<Double>(rows: 2, columns: columns, gap: 2 * gap) { _, _ in 3 }
    y.view.addScaled(-2, x.view)
    #expect(y.values == x.values.map { 3 - 2 * $0 })
    #expect(y.gapsAreUntouched)
  }

  @Test(arguments: ElementwiseActivation.allCases, [true, false])
  func activationsAndTheirSlopes(activation: ElementwiseActivation, biased: Bool) {
    let columns = 19
    let x = Block<Double>(rows: 3, columns: columns, gap: 2) { 0.3 * smallInteger($0, $1) + 0.05 }
    let bias = (0..<columns).map { 0.1 * Double($0 % 4) }
    func pre(_ row: Int, _ column: Int) -> Double {
      0.3 * smallInteger(row, column) + 0.05 + (biased ? bias[column] : 0)
    }
    bias.withUnsafeBufferPointer { x.view.activate(activation, bias: biased ? $0.baseAddress : nil) }
    let dy = Block<Double>(rows: 3, columns: columns, gap: 1) { _, column in Double(column + 1) }
    dy.view.activateBackward(activation, x.view)
    for row in 0..<3 {
      for column in 0..<columns {
        let (value, slope) = reference(activation, pre(row, column))
        #expect(abs(x.view[row, column] - value) < 1e-14)
        #expect(abs(dy.view[row, column] - slope * Double(column + 1)) < 1e-12)
      }
    }
    #expect(x.gapsAreUntouched && dy.gapsAreUntouched)
  }

  /// f(x) and f'(x).
  private func reference(_ activation: ElementwiseActivation, _ x: Double) -> (Double, Double) {
    switch activation {
    case .identity: (x, 1)
    case .sigmoid: (1 / (1 + exp(-x)), exp(-x) / ((1 + exp(-x)) * (1 + exp(-x))))
    case .tanh: (tanh(x), 1 / (cosh(x) * cosh(x)))
    case .relu: x > 0 ? (x, 1) : (0, 0)
    }
  }
}
