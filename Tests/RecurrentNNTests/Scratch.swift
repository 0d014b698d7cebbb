// Separate file: several suites share it.

import NumericKernels
import RecurrentNN

/// Memory for the operands of calls that take views. It lives as long as its owner.
final class Scratch<Element: Scalar> {
  private let arena = Arena<Element>()

  /// A zeroed matrix.
  func matrix(rows: Int, columns: Int) -> MatrixView<Element> { arena.zeros(rows, columns) }

  /// A copy of a tensor [rows, columns].
  func matrix(_ tensor: Tensor<Element>) -> MatrixView<Element> {
    let view = arena.matrix(tensor.shape[0], tensor.shape[1])
    for (index, value) in tensor.values.enumerated() { view.base[index] = value }
    return view
  }

  /// A copy of some numbers as 32-bit integers.
  func indices(_ numbers: [Int]) -> UnsafePointer<Int32> {
    let words = arena.buffer(numbers.count, of: Int32.self)
    for (index, number) in numbers.enumerated() { words[index] = Int32(number) }
    return UnsafePointer(words.baseAddress!)
  }
}

/// The elements of a matrix, row by row.
func values<Element>(_ view: MatrixView<Element>) -> [Element] {
  (0..<view.rows).flatMap { Array(UnsafeBufferPointer(start: view.row($0), count: view.columns)) }
}
