/// Numbers that are summed over all ranks again and again, such as the gradients of every step, in memory of the
/// communicator's choice. From `Communicator.makeSummedVector(count:)`.
public protocol SummedVector: AnyObject {
  /// This rank's numbers, zero at first, at a 64-byte boundary; usable until the communicator is finalized.
  var elements: UnsafeMutableBufferPointer<Float> { get }

  /// Overwrites the elements within `spans` with their sums over all ranks, the same bits everywhere (collective).
  ///
  /// - Parameter spans: ascending, without overlap, the same on every rank. Elements outside are left alone.
  func sum(_ spans: [Range<Int>]) throws
}

extension Communicator {
  /// A vector in this process's own memory, summed by ``allreduceSum(_:)-(UnsafeMutableBufferPointer<Float>)``.
  public func makeSummedVector(count: Int) throws -> any SummedVector {
    PrivateVector(count: count, communicator: self)
  }
}

/// A vector every rank has for itself: what is to be summed is sent round.
final class PrivateVector: SummedVector {
  let elements: UnsafeMutableBufferPointer<Float>
  private let communicator: any Communicator
  /// Where spans are put together, so that they are summed in one call; made when first needed.
  private var joined: UnsafeMutableBufferPointer<Float>?

  init(count: Int, communicator: any Communicator) {
    elements = Self.zeros(count)
    self.communicator = communicator
  }

  deinit {
    elements.deallocate()
    joined?.deallocate()
  }

  private static func zeros(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
    let raw = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(1, count) * MemoryLayout<Float>.stride, alignment: 64)
    _ = raw.initializeMemory(as: UInt8.self, repeating: 0)
    return UnsafeMutableBufferPointer(rebasing: raw.bindMemory(to: Float.self)[0..<count])
  }

  func sum(_ spans: [Range<Int>]) throws {
    guard communicator.worldSize > 1, spans.count != 1 else {
      for span in spans { try communicator.allreduceSum(.init(rebasing: elements[span])) }
      return
    }
    let buffer = joined ?? Self.zeros(elements.count)
    joined = buffer
    let total = spans.reduce(0) { $0 + $1.count }
    copy(spans) { span, place in buffer[place].update(fromContentsOf: elements[span]) }
    try communicator.allreduceSum(.init(rebasing: buffer[0..<total]))
    copy(spans) { span, place in elements[span].update(fromContentsOf: buffer[place]) }
  }

  /// Calls `move` with every span and its place among all spans put together.
  private func copy(_ spans: [Range<Int>], _ move: (Range<Int>, Range<Int>) -> Int) {
    var next = 0
    for span in spans {
      _ = move(span, next..<next + span.count)
      next += span.count
    }
  }
}

/// Calls `body` for the ranges of `spans` that one of `parts` is to work on. The vector is dealt out to them in blocks, like
/// cards.
///
/// Blocks rather than one piece a part, because spans are dense in some places and thin in others; at fixed places whatever
/// the spans, so that a part always maps the same pages. Cuts lie at multiples of a cache line.
///
/// - Parameters:
///   - count: elements of the vector.
///   - limit: most elements of a block, a multiple of a cache line.
func forEachRange(
  ofPart index: Int, of parts: Int, _ spans: [Range<Int>], count: Int, limit: Int = 1 << 17,
  _ body: (Range<Int>) -> Void
) {
  let line = 64 / MemoryLayout<Float>.stride
  let size = min(limit, (count / (4 * parts) + line) / line * line)
  for span in spans where !span.isEmpty {
    // The first block from there on that is this part's.
    let first = span.lowerBound / size
    var block = first + (index - first % parts + parts) % parts
    while block * size < span.upperBound {
      body((block * size..<(block + 1) * size).clamped(to: span))
      block += parts
    }
  }
}
