import NumericKernels
import Testing

/// A matrix with its own memory, whose rows are `gap` elements apart. The gaps hold a mark that no kernel may change.
final class Block<Element: Scalar> {
  let view: MatrixView<Element>
  private let storage: AlignedBuffer<Element>
  private static var mark: Element { -12_345 }

  init(rows: Int, columns: Int, gap: Int = 0, _ value: (_ row: Int, _ column: Int) -> Element) {
    let stride = columns + gap
    storage = AlignedBuffer(count: max(1, rows * stride))
    storage.elements.update(repeating: Self.mark)
    view = MatrixView(storage.base, rows: rows, columns: columns, stride: stride)
    for row in 0..<rows {
      for column in 0..<columns { view[row, column] = value(row, column) }
    }
  }

  convenience init(rows: Int, columns: Int, gap: Int = 0, _ values: [Element]) {
    self.init(rows: rows, columns: columns, gap: gap) { values[$0 * columns + $1] }
  }

  /// A single row.
  convenience init(_ values: [Element]) { self.init(rows: 1, columns: values.count, values) }

  /// The memory, for the arguments of a kernel.
  var base: UnsafeMutablePointer<Element> { view.base }

  /// The elements, row by row.
  var values: [Element] {
    (0..<view.rows).flatMap { Array(UnsafeBufferPointer(start: view.row($0), count: view.columns)) }
  }

  /// True if nothing was written between the rows.
  var gapsAreUntouched: Bool {
    (0..<view.rows).allSatisfy { row in
      (view.columns..<view.stride).allSatisfy { view.row(row)[$0] == Self.mark }
    }
  }
}

/// A small whole number that looks random: sums of products of these are exact in single precision, so results can be
/// compared for equality for any order of summation.
func smallInteger<Element: Scalar>(_ row: Int, _ column: Int, salt: Int = 0) -> Element {
  Element((row * 31 + column * 17 + salt * 7 + row * column % 5) % 9 - 4)
}

/// The element types of the numeric core.
enum Precision: CaseIterable, Sendable {
  case float, double

  /// The element type, with which a generic function can be called.
  var type: any Scalar.Type { self == .double ? Double.self : Float.self }
}
