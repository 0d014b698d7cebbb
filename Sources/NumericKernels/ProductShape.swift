/// The memory layout of the operands of a matrix product.
public enum ProductForm: String, Sendable, Hashable, CaseIterable, Codable {
  case plain
  /// `aᵀ b`
  case left
  /// `a bᵀ`
  case right
  /// `a B` with B packed beforehand from rows.
  case packed
  /// `a B` with B packed beforehand from the rows of Bᵀ.
  case packedTransposed = "packed-transposed"

  var isPacked: Bool { self == .packed || self == .packedTransposed }
}

/// A class of matrix products that are computed in the same way: one form, one pair of widths, and a similar number of
/// rows of a batch.
///
/// With `op(a)` [rows, depth] and `op(b)` [depth, columns]. The size that changes from batch to batch is rounded up to a
/// power of two: the rows, or the depth for a weight's gradient, form `left`.
public struct ProductShape: Sendable, Hashable, Codable {
  public let form: ProductForm
  public let rows: Int
  public let columns: Int
  public let depth: Int

  /// The class of a product; nil for widths and batches that are too large for a table.
  public init?(_ form: ProductForm, rows: Int, columns: Int, depth: Int) {
    guard let code = Self.code(form, rows, columns, depth) else { return nil }
    self.init(code: code)
  }

  private static var widthBits: UInt64 { 24 }
  private static var exponentBits: UInt64 { 6 }
  /// The exponents of the powers of two that a batch may be rounded to.
  static var exponents: Range<Int> { 0..<32 }

  /// The exponent of the smallest power of two that is at least `count`.
  @inline(__always) static func exponent(_ count: Int) -> Int {
    count <= 1 ? 0 : Int.bitWidth - (count - 1).leadingZeroBitCount
  }

  /// The class of a product as a number other than 0; nil if it has no class. It allocates nothing.
  static func code(_ form: ProductForm, _ rows: Int, _ columns: Int, _ depth: Int) -> UInt64? {
    let (width, varying) = form == .left ? (rows, depth) : (depth, rows)
    return code(form, exponent: exponent(varying), columns, width)
  }

  private static func code(_ form: ProductForm, exponent: Int, _ columns: Int, _ width: Int) -> UInt64? {
    let widths = 1..<1 << Int(widthBits)
    guard widths.contains(columns), widths.contains(width), exponents.contains(exponent) else { return nil }
    let formNumber: UInt64 =
      switch form {
      case .plain: 1
      case .left: 2
      case .right: 3
      case .packed: 4
      case .packedTransposed: 5
      }
    return (((formNumber << exponentBits) | UInt64(exponent)) << widthBits | UInt64(columns)) << widthBits
      | UInt64(width)
  }

  var code: UInt64 { Self.code(form, rows, columns, depth) ?? 0 }

  /// The class with a code; nil if no class has this code.
  init?(code: UInt64) {
    let mask = UInt64(1) << Self.widthBits - 1
    let (width, columns) = (Int(code & mask), Int(code >> Self.widthBits & mask))
    let exponent = Int(code >> (2 * Self.widthBits) & (1 << Self.exponentBits - 1))
    let number = Int(truncatingIfNeeded: code >> (2 * Self.widthBits + Self.exponentBits))
    let forms = ProductForm.allCases
    guard (1...forms.count).contains(number), Self.exponents.contains(exponent) else { return nil }
    form = forms[number - 1]
    self.columns = columns
    (rows, depth) = form == .left ? (width, 1 << exponent) : (1 << exponent, width)
  }
}

extension ProductShape: CustomStringConvertible {
  /// For example `packed 32 x 2048, depth 512`.
  public var description: String { "\(form.rawValue) \(rows) x \(columns), depth \(depth)" }
}

extension ProductShape {
  private enum CodingKeys: String, CodingKey { case form, rows, columns, depth }

  /// Throws `DecodingError` for numbers that are not a class.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let form = try values.decode(ProductForm.self, forKey: .form)
    let sizes = try [CodingKeys.rows, .columns, .depth].map { try values.decode(Int.self, forKey: $0) }
    guard let shape = Self(form, rows: sizes[0], columns: sizes[1], depth: sizes[2]),
      sizes == [shape.rows, shape.columns, shape.depth]
    else {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "\(form.rawValue) \(sizes) is not a class of shapes")
      )
    }
    self = shape
  }
}

/// The code that computes a matrix product.
public enum ProductBackend: String, Sendable, Hashable, CaseIterable, Codable {
  /// The kernels of this package.
  case kernels
  /// OpenBLAS.
  case blas
}
