import Foundation
import NumericKernels
import Testing

@Suite struct RowOperationTests {
  @Test(arguments: [1, 2, 15, 16, 33], [0, 3])
  func columnSumsAreAdded(columns: Int, gap: Int) {
    let x = Block<Float>(rows: 6, columns: columns, gap: gap) { smallInteger($0, $1) }
    var sum = (0..<columns).map { Float($0) } + [99]
    Float.addColumnSums(x.view.base, x.view.stride, 6, columns, &sum)
    let expected = (0..<columns).map { column in (0..<6).reduce(Float(column)) { $0 + x.view[$1, column] } }
    #expect(sum == expected + [99])
  }

  @Test(arguments: [1, 7, 32], [0, 2])
  func gatherTakesTheNamedRows(columns: Int, gap: Int) {
    let table = Block<Double>(rows: 5, columns: columns, gap: gap) { Double(100 * $0 + $1) }
    let index: [Int32] = [4, 0, 0, 3]
    let y = Block<Double>(rows: 4, columns: columns, gap: 1) { _, _ in .nan }
    Double.gatherRows(table.view.base, table.view.stride, index, 4, columns, y.view.base, y.view.stride)
    #expect(y.values == index.flatMap { row in (0..<columns).map { Double(100 * Int(row) + $0) } })
    #expect(y.gapsAreUntouched)
  }

  @Test(arguments: [1, 7, 32], [0, 2])
  func scatterAddsRepeatedRows(columns: Int, gap: Int) {
    let x = Block<Float>(rows: 4, columns: columns, gap: 1) { row, _ in [1, 10, 100, 1000][row] }
    let table = Block<Float>(rows: 5, columns: columns, gap: gap) { _, _ in 0.5 }
    Float.scatterAddRows(
      x.view.base, x.view.stride, [4, 0, 0, 3], 4, columns, table.view.base, table.view.stride)
    #expect(
      table.values
        == [110.5, 0.5, 0.5, 1000.5, 1.5].flatMap { Array(repeating: Float($0), count: columns) })
    #expect(table.gapsAreUntouched)
  }

  @Test(arguments: [0, 1, 17])
  func axpyAdds(count: Int) {
    let x = (0..<count).map { Double($0) }
    var y = [Double](repeating: 3, count: count)
    Double.axpy(-2, x, &y, count)
    #expect(y == x.map { 3 - 2 * $0 })
  }

  @Test(arguments: ElementwiseActivation.allCases, [true, false])
  func activationsAndTheirSlopes(activation: ElementwiseActivation, biased: Bool) {
    let columns = 19
    let x = Block<Double>(rows: 3, columns: columns, gap: 2) { 0.3 * smallInteger($0, $1) + 0.05 }
    let bias = (0..<columns).map { 0.1 * Double($0 % 4) }
    func pre(_ row: Int, _ column: Int) -> Double {
      0.3 * smallInteger(row, column) + 0.05 + (biased ? bias[column] : 0)
    }
    Double.activateRows(x.view.base, x.view.stride, biased ? bias : nil, 3, columns, activation)
    let dy = Block<Double>(rows: 3, columns: columns, gap: 1) { _, column in Double(column + 1) }
    Double.activateBackward(
      dy.view.base, dy.view.stride, x.view.base, x.view.stride, 3, columns, activation)
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
