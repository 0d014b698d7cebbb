/// A vector that is summed over all ranks repeatedly, such as the gradients of every step.
///
/// `Communicator.makeSummedVector(count:)` allocates it, in the kind of memory that the communicator prefers.
public protocol SummedVector: AnyObject {
  /// The elements of this rank, initially zero and aligned to 64 bytes. Usable until the communicator is finalized.
  var elements: UnsafeMutableBufferPointer<Float> { get }

  /// Overwrites the elements in `spans` with their sums over all ranks, the same bits on every rank (collective).
  ///
  /// - Parameter spans: ascending, without overlap, the same on every rank. Other elements don't change.
  func sum(_ spans: [Range<Int>]) throws
}

extension Communicator {
  /// Allocates a vector in the memory of this process, summed by
  /// ``allreduceSum(_:)-(UnsafeMutableBufferPointer<Float>)``.
  public func makeSummedVector(count: Int) throws -> any SummedVector {
    PrivateVector(count: count, communicator: self)
  }
}

/// A vector in the memory of one process. The ranks sum the elements by messages.
final class PrivateVector: SummedVector {
  let elements: UnsafeMutableBufferPointer<Float>
  private let communicator: any Communicator
  /// Space to join several spans, so that they are summed in one call. Allocated on first use.
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

  /// Calls `move` with every span and with its position among the joined spans.
  private func copy(_ spans: [Range<Int>], _ move: (Range<Int>, Range<Int>) -> Int) {
    var next = 0
    for span in spans {
      _ = move(span, next..<next + span.count)
      next += span.count
    }
  }
}

/// A vector in memory that all ranks of one host share. Ranks read each other's elements directly and send no messages.
///
/// Each rank adds up one part of the elements over all ranks, in rank order, and writes the sums to that part of every
/// rank's vector. The traffic is that of a reduce-scatter and an allgather (R. Thakur et al., "Optimization of
/// collective communication operations in MPICH", 2005, section 4.5) without copies into and out of a library's
/// buffers. A rank maps only the part of the other ranks' memory that it sums.
final class SharedVector: SummedVector {
  let elements: UnsafeMutableBufferPointer<Float>
  private let segments: [UnsafeMutableBufferPointer<Float>]
  private let rank: Int
  private let fence: () throws -> Void
  /// Space for the sums of one block.
  private let sums = UnsafeMutablePointer<Float>.allocate(capacity: block)

  /// - Parameters:
  ///   - segments: the elements of every rank in rank order, the same number for each.
  ///   - fence: returns when all ranks have called it and every rank sees what any rank wrote before.
  init(segments: [UnsafeMutableBufferPointer<Float>], rank: Int, fence: @escaping () throws -> Void) {
    self.segments = segments
    self.rank = rank
    self.fence = fence
    elements = segments[rank]
  }

  deinit { sums.deallocate() }

  func sum(_ spans: [Range<Int>]) throws {
    try fence()
    forEachRange(ofPart: rank, of: segments.count, spans, count: elements.count, addUp)
    // After this fence the sums are complete, and no rank accesses another rank's elements any more.
    try fence()
  }

  /// The number of elements added at a time, so that the sums stay in the first-level cache.
  private static let block = 2048

  private func addUp(_ range: Range<Int>) {
    guard let first = segments[0].baseAddress else { return }
    for begin in stride(from: range.lowerBound, to: range.upperBound, by: Self.block) {
      let count = min(Self.block, range.upperBound - begin)
      sums.update(from: first + begin, count: count)
      for segment in segments.dropFirst() {
        guard let source = segment.baseAddress else { continue }
        for index in 0..<count { sums[index] += source[begin + index] }
      }
      for segment in segments { segment.baseAddress?.advanced(by: begin).update(from: sums, count: count) }
    }
  }
}

/// Calls `body` for the ranges within `spans` that belong to one of `parts` parts.
///
/// The vector is divided into blocks, which are assigned to the parts in turn. One contiguous piece per part would be
/// uneven, because the spans may be dense in one region and sparse in another. The blocks don't depend on the spans, so
/// a part always maps the same pages. Block bounds are multiples of a cache line.
///
/// - Parameters:
///   - count: the number of elements of the vector.
///   - limit: the largest number of elements of a block, a multiple of a cache line.
func forEachRange(
  ofPart index: Int, of parts: Int, _ spans: [Range<Int>], count: Int, limit: Int = 1 << 17,
  _ body: (Range<Int>) -> Void
) {
  let line = 64 / MemoryLayout<Float>.stride
  let size = min(limit, (count / (4 * parts) + line) / line * line)
  for span in spans where !span.isEmpty {
    // The first block of this part that ends after the start of the span.
    let first = span.lowerBound / size
    var block = first + (index - first % parts + parts) % parts
    while block * size < span.upperBound {
      body((block * size..<(block + 1) * size).clamped(to: span))
      block += parts
    }
  }
}
