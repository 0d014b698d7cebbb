import CKernels

/// A class of matrix products, and the number of times they were computed.
public struct ProductUse: Sendable, Hashable, Codable {
  public var shape: ProductShape
  /// The largest value of the size that the shape rounds up.
  public var extent: Int
  public var calls: Int
  /// The number of times a matrix of this form was packed, per call.
  public var packingsPerCall: Double

  public init(_ shape: ProductShape, extent: Int, calls: Int, packingsPerCall: Double = 0) {
    self.shape = shape
    self.extent = extent
    self.calls = calls
    self.packingsPerCall = packingsPerCall
  }

  /// The number of rows of the largest product.
  public var rows: Int { shape.form == .left ? shape.rows : extent }
  /// The depth of the largest product.
  public var depth: Int { shape.form == .left ? extent : shape.depth }
  /// Floating-point operations of the calls, as if all were as large as the largest.
  public var operations: Double {
    2 * Double(calls) * Double(rows) * Double(shape.columns) * Double(depth)
  }
}

/// Records the matrix products that a thread computes.
public enum ProductRecorder {
  private static var capacity: Int { 1 << 12 }

  /// Whether products of this thread are recorded. Work is then neither divided by rows among threads nor joined over steps: the
  /// record has products as the run computes them with a table.
  public static var isRecording: Bool { rnd_is_recording_products() != 0 }

  /// Runs `body` and returns the matrix products in single precision that this thread computed in it, except those whose
  /// backend was given. Calls must not be nested.
  public static func record(_ body: () throws -> Void) rethrows -> [ProductUse] {
    let table = UnsafeMutableBufferPointer<rnd_product_use>.allocate(capacity: capacity)
    table.initialize(repeating: rnd_product_use())
    defer { table.deallocate() }
    rnd_record_products(table.baseAddress, Int64(table.count))
    defer { rnd_record_products(nil, 0) }
    try body()
    return uses(table.filter { $0.shape != 0 })
  }

  /// Packings are recorded under the shape of a product of one row.
  private static func uses(_ entries: [rnd_product_use]) -> [ProductUse] {
    var packings: [UInt64: Int64] = [:]
    var calls: [UInt64: Int64] = [:]
    for entry in entries {
      if entry.shape & packingMark != 0 {
        packings[entry.shape & ~packingMark, default: 0] += entry.count
      } else if let matrix = matrix(entry.shape) {
        calls[matrix, default: 0] += entry.count
      }
    }
    return entries.filter { $0.shape & packingMark == 0 }.compactMap { entry in
      ProductShape(code: entry.shape).map { shape in
        let matrix = matrix(entry.shape)
        let share = matrix.map { Double(packings[$0] ?? 0) / Double(max(1, calls[$0] ?? 0)) } ?? 0
        return ProductUse(
          shape, extent: Int(entry.extent), calls: Int(entry.count), packingsPerCall: share)
      }
    }.sorted { ($1.operations, $0.shape.code) < ($0.operations, $1.shape.code) }
  }

  private static var packingMark: UInt64 { 1 << 63 }

  /// The code of the product of one row with the same packed matrix; nil for other forms.
  private static func matrix(_ code: UInt64) -> UInt64? {
    guard let shape = ProductShape(code: code), shape.form.isPacked else { return nil }
    return ProductShape.code(shape.form, 1, shape.columns, shape.depth)
  }

  /// Records a product if this thread is recording.
  @inline(__always)
  static func note(_ form: ProductForm, _ rows: Int, _ columns: Int, _ depth: Int, _ mode: ProductMode) {
    guard rnd_is_recording_products() != 0, mode.isChosen else { return }
    guard let code = ProductShape.code(form, rows, columns, depth) else { return }
    rnd_record_product(code, Int64(form == .left ? depth : rows))
  }

  /// Records that a matrix has to be packed.
  static func notePacking(_ form: ProductForm, _ columns: Int, _ depth: Int, _ mode: ProductMode) {
    guard rnd_is_recording_products() != 0, mode.isChosen else { return }
    guard let code = ProductShape.code(form, 1, columns, depth) else { return }
    rnd_record_product(code | packingMark, 0)
  }
}
