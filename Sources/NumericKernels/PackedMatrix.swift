import CKernels

/// A weight matrix in the form the recurrent product wants: packed once per update, used at every time step.
///
/// Where the processor has no packed kernel (or for `Double`) it keeps a view of the original and calls the
/// BLAS, so that callers never ask which it is.
public struct PackedMatrix<Element: Scalar> {
  private let source: MatrixView<Element>
  private let transposed: Bool
  private let packed: AlignedBuffer<Element>?
  private let mode: ProductMode

  /// Rows and columns of the operand `B` as used in `A B`.
  public let rows: Int
  public let columns: Int

  /// Prepares `source`, or its transpose, as a right operand. Call ``repack()`` after the values change.
  public init(_ source: MatrixView<Element>, transposed: Bool, mode: ProductMode = ProductMode()) {
    self.source = source
    self.transposed = transposed
    self.mode = mode
    rows = transposed ? source.columns : source.rows
    columns = transposed ? source.rows : source.columns
    packed =
      Element.hasPackedProduct(mode) ? AlignedBuffer(count: Element.packedSize(rows, columns, mode)) : nil
    repack()
  }

  /// Bytes of the packed copy.
  public var packedBytes: Int { (packed?.count ?? 0) * MemoryLayout<Element>.stride }

  /// Packs the present values of the source again.
  public func repack() {
    guard let packed else { return }
    StepProfile.measure(.products) {
      Element.pack(
        source.base, transposed ? 1 : source.stride, transposed ? source.stride : 1, rows, columns,
        packed.base,
        mode)
    }
  }

  /// Rows of the source that ``repack(sourceRows:)`` takes together.
  public static var rowUnit: Int { Int(RND_PANEL_UNIT) }

  /// Packs some rows of the source again, on the calling thread: for who changes a weight piece by piece and has the
  /// piece in cache. Different pieces may be packed by different threads at once.
  ///
  /// - Parameter sourceRows: begins at a multiple of ``rowUnit``, and ends at one or where the source ends.
  public func repack(sourceRows: Range<Int>) {
    guard let packed else { return }
    precondition(
      sourceRows.lowerBound % Self.rowUnit == 0 && sourceRows.upperBound <= source.rows
        && (sourceRows.upperBound % Self.rowUnit == 0 || sourceRows.upperBound == source.rows),
      "rows \(sourceRows) of \(source.rows) are not whole units of \(Self.rowUnit)")
    Element.packAgain(
      sourceRows, depths: !transposed, source.base, transposed ? 1 : source.stride,
      transposed ? source.stride : 1, rows, columns, packed.base, mode)
  }

  /// `c = a B`, or `c += a B` if `accumulate`. Shapes: `a` [m, rows], `c` [m, columns].
  public func multiply(_ a: MatrixView<Element>, into c: MatrixView<Element>, accumulate: Bool) {
    precondition(
      a.columns == rows && c.rows == a.rows && c.columns == columns,
      "packed product of [\(a.rows), \(a.columns)] and [\(rows), \(columns)] into [\(c.rows), \(c.columns)]")
    if let packed {
      StepProfile.measure(.products, operations: 2 * Double(a.rows) * Double(columns) * Double(rows)) {
        Element.packedProduct(
          a.rows, columns, rows, a.base, a.stride, packed.base, c.base, c.stride, accumulate, mode)
      }
    } else {
      NumericKernels.multiply(
        a, source, transposed ? .right : .none, into: c, accumulate: accumulate, mode: mode)
    }
  }
}
