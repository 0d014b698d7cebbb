// Separate file: matrices, arenas and parameters are built on it.

/// A block of elements at a 64-byte boundary, which is freed with its last owner.
public final class AlignedBuffer<Element: Scalar> {
  public let base: UnsafeMutablePointer<Element>
  public let count: Int

  /// Creates a buffer of zeros.
  public convenience init(count: Int) {
    self.init(uninitialized: count)
    base.zeroElements(count: max(1, count))
  }

  /// Doesn't initialize the elements, so the system provides only the pages of a large block that are written.
  init(uninitialized count: Int) {
    precondition(count >= 0, "a buffer of \(count) elements")
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: max(1, count) * MemoryLayout<Element>.stride, alignment: 64)
    base = raw.bindMemory(to: Element.self, capacity: max(1, count))
    self.count = count
  }

  deinit { UnsafeMutableRawPointer(base).deallocate() }

  public var elements: UnsafeMutableBufferPointer<Element> { .init(start: base, count: count) }
}
