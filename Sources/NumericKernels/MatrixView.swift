/// A row-major block of memory that it does not own: a parameter, a slab of hidden states, a part of an arena.
///
/// Element (i, j) is at `base[i * stride + j]`. A view is a pointer with sizes: copying it copies nothing,
/// and it must not outlive the memory it points into.
public struct MatrixView<Element: Scalar> {
  public let base: UnsafeMutablePointer<Element>
  public let rows: Int
  public let columns: Int
  public let stride: Int

  @inlinable
  public init(_ base: UnsafeMutablePointer<Element>, rows: Int, columns: Int, stride: Int? = nil) {
    self.base = base
    self.rows = rows
    self.columns = columns
    self.stride = stride ?? columns
  }

  /// Number of elements, rows x columns.
  @inlinable
  public var count: Int { rows * columns }
  @inlinable
  public var isContiguous: Bool { stride == columns || rows <= 1 }

  public subscript(row: Int, column: Int) -> Element {
    get { base[row * stride + column] }
    nonmutating set { base[row * stride + column] = newValue }
  }

  /// Pointer to the first element of a row.
  @inlinable
  public func row(_ index: Int) -> UnsafeMutablePointer<Element> { base + index * stride }

  /// The rows of a range, as a view of the same memory.
  @inlinable
  public func rows(_ range: Range<Int>) -> MatrixView {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of a matrix of \(rows) rows")
    return MatrixView(base + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
  }

  /// The columns of a range, as a view of the same memory.
  @inlinable
  public func columns(_ range: Range<Int>) -> MatrixView {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= columns,
      "columns \(range) of a matrix of \(columns) columns")
    return MatrixView(base + range.lowerBound, rows: rows, columns: range.count, stride: stride)
  }

  /// Overwrites every element.
  public func fill(_ value: Element) {
    if value == 0 {
      if isContiguous { return base.zeroElements(count: count) }
      for index in 0..<rows { row(index).zeroElements(count: columns) }
      return
    }
    if isContiguous {
      base.update(repeating: value, count: count)
    } else {
      for index in 0..<rows { row(index).update(repeating: value, count: columns) }
    }
  }

  /// Overwrites this matrix with `source`, which must have the same shape.
  public func copy(from source: MatrixView) {
    precondition(
      rows == source.rows && columns == source.columns,
      "copy of [\(source.rows), \(source.columns)] into [\(rows), \(columns)]")
    if isContiguous && source.isContiguous {
      base.copyElements(from: source.base, count: count)
    } else {
      for index in 0..<rows { row(index).copyElements(from: source.row(index), count: columns) }
    }
  }
}
