import CKernels

/// A weight matrix in the form that the recurrent product needs: packed once per update, used at every time step.
///
/// It also keeps a view of the original and calls the BLAS if the BLAS is chosen or (for `Double`) the only choice, so
/// callers need not distinguish the cases.
public struct PackedMatrix<Element: Scalar> {
  private let source: MatrixView<Element>
  private let transposed: Bool
  private var mode: ProductMode
  private let packed: PackedCopy<Element>
  /// One bit per power of two of rows, set if the packed copy is multiplied.
  private var kernelRows: UInt64

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
    packed = PackedCopy(source, transposed: transposed)
    kernelRows = 0
    choose(mode)
    repack()
  }

  private var form: ProductForm { transposed ? .packedTransposed : .packed }

  /// Changes the mode of later products to another one of the same precision.
  public mutating func choose(_ mode: ProductMode) {
    precondition(
      mode.precision == self.mode.precision,
      "packed in \(self.mode.precision), to be used in \(mode.precision)")
    self.mode = mode
    let isTooDeep = mode.precision == .int8 && rows > Int(RND_INT8_DEPTH)
    kernelRows = Element.hasKernels && !isTooDeep ? mode.kernelRows(form, columns, rows) : 0
    // The packed copy may not be needed any more.
    packed.drop()
  }

  /// Packs the values now if the kernels compute all products with them, so that afterwards several threads may multiply at the
  /// same time. If a table chose the BLAS for some products, the values may never be read in packed form.
  public func prepare() {
    if kernelRows == .max { _ = packed.words(mode) }
  }

  /// Bytes of the packed copy.
  public var packedBytes: Int { packed.byteCount }

  /// Marks the values of the source as changed, so that they are packed again before they are used.
  public func repack() {
    packed.isStale = true
    if Element.hasKernels { ProductRecorder.notePacking(form, columns, rows, mode) }
  }

  /// The number of source rows that ``repack(sourceRows:)`` packs together.
  public static var rowUnit: Int { Int(RND_PANEL_UNIT) }

  /// Packs some rows of the source again, on the calling thread, for callers that change a weight in parts and have the
  /// part in cache. Different threads may pack different parts at the same time. Nothing is packed for a matrix that has
  /// to be packed as a whole before it is used, or whose packed copy has not been read since ``endRepacking()``.
  ///
  /// - Parameter sourceRows: rows that begin at a multiple of ``rowUnit``, and end at a multiple or at the end of the source.
  public func repack(sourceRows: Range<Int>) {
    precondition(
      sourceRows.lowerBound % Self.rowUnit == 0 && sourceRows.upperBound <= source.rows
        && (sourceRows.upperBound % Self.rowUnit == 0 || sourceRows.upperBound == source.rows),
      "rows \(sourceRows) of \(source.rows) are not whole units of \(Self.rowUnit)")
    guard mode.precision != .int8 else {
      // The scale of a column depends on all of its elements.
      packed.isStale = true
      return
    }
    guard let words = packed.presentWords else { return }
    let packing = rnd_packing(source, transposed: transposed, into: words, mode)
    if transposed {
      rnd_pack_columns(packing, sourceRows.lowerBound, sourceRows.count)
    } else {
      rnd_pack_depths(packing, sourceRows.lowerBound, sourceRows.count)
    }
  }

  /// Begins a new step. ``repack(sourceRows:)`` must have been called for all rows or none.
  public func endRepacking() { packed.nextStep() }

  /// The packed values, for kernels that compute more than a product in one pass; nil if products of this number of rows are
  /// computed in another way (by the BLAS, or with integers) or recorded.
  public func words(forRows rows: Int) -> (words: UnsafeRawPointer, mode: rnd_product_mode)? {
    guard kernelRows >> UInt64(ProductShape.exponent(rows)) & 1 != 0, mode.precision != .int8,
      !ProductRecorder.isRecording
    else { return nil }
    return (UnsafeRawPointer(packed.words(mode)), mode.kernelMode)
  }

  /// `c = a B`, or `c += a B` if `accumulate`. Shapes: `a` [m, rows], `c` [m, columns].
  public func multiply(_ a: MatrixView<Element>, into c: MatrixView<Element>, accumulate: Bool) {
    precondition(
      a.columns == rows && c.rows == a.rows && c.columns == columns,
      "packed product of [\(a.rows), \(a.columns)] and [\(rows), \(columns)] into [\(c.rows), \(c.columns)]")
    if Element.hasKernels { ProductRecorder.note(form, a.rows, columns, rows, mode) }
    if kernelRows >> UInt64(ProductShape.exponent(a.rows)) & 1 != 0 {
      let words = packed.words(mode)
      StepProfile.measure(.products, operations: 2 * Double(a.rows) * Double(columns) * Double(rows)) {
        var product = rnd_product()
        (product.rows, product.columns, product.depth) = (a.rows, columns, rows)
        (product.a, product.packed) = (a.operand(transposed: false), UnsafeRawPointer(words))
        (product.c, product.c_stride) = (UnsafeMutableRawPointer(c.base), c.stride)
        (product.accumulate, product.mode) = (accumulate, mode.kernelMode)
        rnd_multiply_matrices(product)
      }
    } else {
      NumericKernels.multiply(
        a, source, transposed ? .right : .none, into: c, accumulate: accumulate, mode: .blas)
    }
  }
}

extension rnd_packing {
  /// The packing of a matrix, or of its transpose.
  fileprivate init<Element>(
    _ source: MatrixView<Element>, transposed: Bool, into words: UnsafeMutablePointer<Element>,
    _ mode: ProductMode
  ) {
    self.init(
      source: source.operand(transposed: transposed), depth: transposed ? source.columns : source.rows,
      columns: transposed ? source.rows : source.columns, packed: words, mode: mode.kernelMode)
  }
}

/// The packed values of a matrix. They are made on first use and when they are out of date, so a matrix whose products
/// are all computed by the BLAS is never packed.
private final class PackedCopy<Element: Scalar> {
  private let source: MatrixView<Element>
  private let transposed: Bool
  private var buffer: AlignedBuffer<Element>?
  var isStale = true
  /// Whether a product has been computed from the packed values in the present step.
  private var isRead = false

  init(_ source: MatrixView<Element>, transposed: Bool) {
    self.source = source
    self.transposed = transposed
  }

  var byteCount: Int { (buffer?.count ?? 0) * MemoryLayout<Element>.stride }

  /// The packed values, if they exist, are up to date, and are read.
  var presentWords: UnsafeMutablePointer<Element>? { isStale || !isRead ? nil : buffer?.base }

  /// Values that were not read in a step have not been packed again during it.
  func nextStep() {
    isStale = isStale || !isRead
    isRead = false
  }

  /// Frees the memory.
  func drop() { (buffer, isStale, isRead) = (nil, true, false) }

  /// The current values, packed for the kernels of a mode.
  func words(_ mode: ProductMode) -> UnsafePointer<Element> {
    // Not written again, because several threads may read the values.
    if !isRead { isRead = true }
    if let buffer, !isStale { return UnsafePointer(buffer.base) }
    let depth = transposed ? source.columns : source.rows
    let columns = transposed ? source.rows : source.columns
    let words = buffer ?? AlignedBuffer(count: rnd_packed_words(depth, columns, mode.kernelMode))
    StepProfile.measure(.products) {
      rnd_pack(rnd_packing(source, transposed: transposed, into: words.base, mode))
    }
    (buffer, isStale) = (words, false)
    return UnsafePointer(words.base)
  }
}
