import COpenBLAS

/// Which operand of a product is transposed.
public enum Transposition: Sendable {
  case none
  /// `c = aᵀ b`
  case left
  /// `c = a bᵀ`
  case right
}

/// `c = op(a) op(b)`, or `c += op(a) op(b)` if `accumulate`, by the kernels of this processor or the BLAS.
///
/// Shapes: with `op(a)` [m, k] and `op(b)` [k, n], `c` is [m, n]. A product with an empty operand changes
/// nothing except that it zeroes `c` when it does not accumulate.
public func multiply<Element: Scalar>(
  _ a: MatrixView<Element>, _ b: MatrixView<Element>, _ transposition: Transposition = .none,
  into c: MatrixView<Element>, accumulate: Bool = false, mode: ProductMode = ProductMode()
) {
  let (m, k) = transposition == .left ? (a.columns, a.rows) : (a.rows, a.columns)
  let (kb, n) = transposition == .right ? (b.columns, b.rows) : (b.rows, b.columns)
  precondition(
    k == kb && c.rows == m && c.columns == n,
    """
    product (\(transposition)) of [\(a.rows), \(a.columns)] and [\(b.rows), \(b.columns)] \
    into [\(c.rows), \(c.columns)]
    """
  )
  guard m > 0, n > 0 else { return }
  guard k > 0 else {
    if !accumulate { c.fill(0) }
    return
  }
  StepProfile.measure(.products, operations: 2 * Double(m) * Double(n) * Double(k)) {
    Element.product(
      transposition == .left, transposition == .right, m, n, k, a.base, a.stride, b.base, b.stride,
      accumulate, c.base, c.stride, mode)
  }
}

/// The BLAS library, which multiplies where the kernels don't: its threads, and what it calls itself.
public enum BLAS {
  /// Number of threads a product may use in this process.
  public static var threadCount: Int {
    get { Int(openblas_get_num_threads()) }
    set { openblas_set_num_threads(Int32(max(1, newValue))) }
  }

  /// The library's version and how it was built, for example `OpenBLAS 0.3.21 DYNAMIC_ARCH … MAX_THREADS=64`.
  public static var configuration: String { String(cString: openblas_get_config()) }

  /// The processor kernel set the BLAS chose at run time, for example `COOPERLAKE`.
  public static var coreName: String { String(cString: openblas_get_corename()) }
}
