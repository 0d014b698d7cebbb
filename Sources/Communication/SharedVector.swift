/// A vector of which every rank of one host can read all others' copies: sums are made where the numbers lie, and no
/// message is sent.
///
/// Each rank adds up one part of the elements over all ranks, in rank order; then all copy the other parts from whoever
/// added them. That is the traffic of a reduce-scatter and an allgather (R. Thakur et al., "Optimization of collective
/// communication operations in MPICH", 2005, section 4.5) without the copies into and out of a library's buffers.
final class SharedVector: SummedVector {
  let elements: UnsafeMutableBufferPointer<Float>
  private let segments: [UnsafeMutableBufferPointer<Float>]
  private let rank: Int
  private let fence: () throws -> Void

  /// - Parameters:
  ///   - segments: every rank's numbers, equally many, in rank order.
  ///   - fence: returns when all ranks have called it and all see what any wrote before.
  init(segments: [UnsafeMutableBufferPointer<Float>], rank: Int, fence: @escaping () throws -> Void) {
    self.segments = segments
    self.rank = rank
    self.fence = fence
    elements = segments[rank]
  }

  func sum(_ spans: [Range<Int>]) throws {
    try fence()
    for range in part(rank, of: segments.count, spans) { addUp(range) }
    try fence()
    for other in segments.indices where other != rank {
      for range in part(other, of: segments.count, spans) {
        _ = elements[range].update(fromContentsOf: segments[other][range])
      }
    }
    // Nobody may write the next step's numbers while others still read these.
    try fence()
  }

  /// Elements added at a time: sums stay in the first-level cache until all ranks' numbers are in.
  private static let block = 2048

  private func addUp(_ range: Range<Int>) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.block) { sums in
      for begin in stride(from: range.lowerBound, to: range.upperBound, by: Self.block) {
        let count = min(Self.block, range.upperBound - begin)
        _ = sums.update(fromContentsOf: segments[0][begin..<begin + count])
        for segment in segments.dropFirst() {
          guard let source = segment.baseAddress, let target = sums.baseAddress else { continue }
          for index in 0..<count { target[index] += source[begin + index] }
        }
        _ = elements[begin..<begin + count].update(fromContentsOf: sums[0..<count])
      }
    }
  }
}
