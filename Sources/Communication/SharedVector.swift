/// A vector of which every rank of one host can read all others' copies: sums are made where the numbers lie, and no
/// message is sent.
///
/// Each rank adds up one part of the elements over all ranks, in rank order, and writes the sums where all ranks have that
/// part. That is the traffic of a reduce-scatter and an allgather (R. Thakur et al., "Optimization of collective
/// communication operations in MPICH", 2005, section 4.5) without the copies into and out of a library's buffers; and of
/// the others' memory a rank maps no more than the part it adds up.
final class SharedVector: SummedVector {
  let elements: UnsafeMutableBufferPointer<Float>
  private let segments: [UnsafeMutableBufferPointer<Float>]
  private let rank: Int
  private let fence: () throws -> Void
  /// Room for a block of sums.
  private let sums = UnsafeMutablePointer<Float>.allocate(capacity: block)

  /// - Parameters:
  ///   - segments: every rank's numbers, equally many, in rank order.
  ///   - fence: returns when all ranks have called it and all see what any wrote before.
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
    // The sums are there, and nobody reads or writes another's numbers any more.
    try fence()
  }

  /// Elements added at a time: sums stay in the first-level cache until all ranks' numbers are in.
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
