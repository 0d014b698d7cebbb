// Separate file: matrices, arenas and parameters are built on it.

import CKernels

/// A block of elements at a 64-byte boundary, freed with its last owner. Large ones are in large pages if the system has them.
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
    let bytes = max(1, count) * MemoryLayout<Element>.stride
    // A smaller block could waste most of its last page. Measured: with large pages, weights of 16 MiB are read 1.05 to 1.5
    // times as fast, the latter by a product of one row; those of 4 MiB 1.03 times.
    let isLarge = bytes >= 2 * Int(RND_LARGE_PAGE)
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: bytes, alignment: isLarge ? Int(RND_LARGE_PAGE) : 64)
    if isLarge { rnd_prefer_large_pages(raw, bytes) }
    base = raw.bindMemory(to: Element.self, capacity: max(1, count))
    self.count = count
  }

  deinit { UnsafeMutableRawPointer(base).deallocate() }

  public var elements: UnsafeMutableBufferPointer<Element> { .init(start: base, count: count) }
}
