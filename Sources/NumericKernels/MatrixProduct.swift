import CKernels
import COpenBLAS

/// The operand of a matrix product that is transposed.
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
  // Only packed weights are quantized.
  let mode = mode.precision == .int8 ? ProductMode(.fp32) : mode
  guard m > 0, n > 0 else { return }
  guard k > 0 else {
    if !accumulate { c.fill(0) }
    return
  }
  StepProfile.measure(.products, operations: 2 * Double(m) * Double(n) * Double(k)) {
    let form: ProductForm =
      switch transposition {
      case .none: .plain
      case .left: .left
      case .right: .right
      }
    if Element.hasKernels { ProductRecorder.note(form, m, n, k, mode) }
    guard Element.hasKernels, mode.backend(form, m, n, k) == .kernels else {
      return BLAS.multiply(a, b, transposition, into: c, accumulate: accumulate)
    }
    var product = rnd_product()
    (product.rows, product.columns, product.depth) = (m, n, k)
    product.a = a.operand(transposed: transposition == .left)
    product.b = b.operand(transposed: transposition == .right)
    (product.c, product.c_stride) = (UnsafeMutableRawPointer(c.base), c.stride)
    (product.accumulate, product.mode) = (accumulate, mode.kernelMode)
    rnd_multiply_matrices(product)
  }
}

extension Scalar {
  /// True if there are kernels for matrix products of this type, including packed ones; otherwise the BLAS computes them.
  public static var hasKernels: Bool { kernelType == rnd_f32 }
}

extension MatrixView {
  /// The matrix, or its transpose, as an operand of the product kernels.
  func operand(transposed: Bool) -> rnd_operand {
    rnd_operand(base: base, row_stride: transposed ? 1 : stride, column_stride: transposed ? stride : 1)
  }
}

/// The BLAS library, which multiplies if the kernels don't.
public enum BLAS {
  /// `c = op(a) op(b)`, or `c += op(a) op(b)` if `accumulate`. Requires fitting shapes that are not empty.
  public static func multiply<Element: Scalar>(
    _ a: MatrixView<Element>, _ b: MatrixView<Element>, _ transposition: Transposition,
    into c: MatrixView<Element>, accumulate: Bool
  ) {
    let (m, n, k) = (
      blasint(c.rows), blasint(c.columns), blasint(transposition == .left ? a.rows : a.columns)
    )
    let left = transposition == .left ? CblasTrans : CblasNoTrans
    let right = transposition == .right ? CblasTrans : CblasNoTrans
    let (strideA, strideB, strideC) = (blasint(a.stride), blasint(b.stride), blasint(c.stride))
    func elements<T>(_ x: MatrixView<Element>, of type: T.Type) -> UnsafeMutablePointer<T> {
      UnsafeMutableRawPointer(x.base).assumingMemoryBound(to: type)
    }
    if Element.kernelType == rnd_f32 {
      cblas_sgemm(
        CblasRowMajor, left, right, m, n, k, 1, elements(a, of: Float.self), strideA,
        elements(b, of: Float.self), strideB, accumulate ? 1 : 0, elements(c, of: Float.self), strideC)
    } else {
      cblas_dgemm(
        CblasRowMajor, left, right, m, n, k, 1, elements(a, of: Double.self), strideA,
        elements(b, of: Double.self), strideB, accumulate ? 1 : 0, elements(c, of: Double.self), strideC)
    }
  }

  /// The number of threads that a BLAS product may use in this process.
  public static var threadCount: Int {
    get { Int(openblas_get_num_threads()) }
    set { openblas_set_num_threads(Int32(max(1, newValue))) }
  }

  /// The library's version and build options, for example `OpenBLAS 0.3.21 DYNAMIC_ARCH … MAX_THREADS=64`.
  public static var configuration: String { String(cString: openblas_get_config()) }

  /// The processor kernel set that the BLAS chose at run time, for example `COOPERLAKE`.
  public static var coreName: String { String(cString: openblas_get_corename()) }
}
