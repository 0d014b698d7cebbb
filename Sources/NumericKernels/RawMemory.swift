/// Bulk operations on memory of plain numbers.
///
/// The standard library's `update(from:)` and `update(repeating:)` go through value witnesses, element by element, in generic code
/// that is not specialised; these are `memmove` and `memset` whatever the element type.
extension UnsafeMutablePointer where Pointee: Scalar {
  /// Overwrites `count` elements with those of `source`, which may overlap.
  public func copyElements(from source: UnsafePointer<Pointee>, count: Int) {
    UnsafeMutableRawPointer(self).copyMemory(from: source, byteCount: count * MemoryLayout<Pointee>.stride)
  }

  /// Overwrites `count` elements with zero: all bits zero is 0.0 in IEEE 754.
  public func zeroElements(count: Int) {
    UnsafeMutableRawPointer(self).initializeMemory(
      as: UInt8.self, repeating: 0, count: count * MemoryLayout<Pointee>.stride)
  }
}
