/// Numbers of Unicode scalars: an array in pages, because a look-up happens for every character and most
/// pages are never used.
struct ScalarTable: Sendable, Equatable {
  private static let pageSize = 256
  /// The page of each 256 scalars; page 0 is the one without numbers.
  private var pages = [UInt16](repeating: 0, count: 0x11_0000 / Self.pageSize)
  private var numbers = [Int32](repeating: -1, count: Self.pageSize)

  /// The number of a scalar, or -1.
  @inline(__always)
  subscript(scalar: Unicode.Scalar) -> Int32 {
    let value = Int(scalar.value)
    return numbers[Int(pages[value >> 8]) << 8 | value & 0xFF]
  }

  mutating func set(_ scalar: Unicode.Scalar, to number: Int32) {
    let value = Int(scalar.value)
    if pages[value >> 8] == 0 {
      pages[value >> 8] = UInt16(numbers.count / Self.pageSize)
      numbers.append(contentsOf: repeatElement(-1, count: Self.pageSize))
    }
    numbers[Int(pages[value >> 8]) << 8 | value & 0xFF] = number
  }
}
