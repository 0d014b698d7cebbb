/// A vector of which there is one copy per host, such as the parameters of a model, in memory that the ranks on the host share.
///
/// Every rank reads all elements. To change them, each rank writes its own part; after ``fence()`` it may read the others.
/// `Communicator.makeHostVector(count:)` makes it.
public final class HostVector {
  /// All elements, initially zero and aligned to 64 bytes. Usable until the communicator is finalized.
  public let elements: UnsafeMutableBufferPointer<Float>
  /// For every rank of the job, the elements that it writes. The parts of the ranks on a host cover all elements once.
  public let parts: [Range<Int>]
  /// The number of ranks that share this copy.
  public let sharers: Int
  private let meet: () throws -> Void

  /// - Parameters:
  ///   - hosts: the ranks on each host, ascending.
  ///   - rank: this rank.
  ///   - fence: returns when all ranks on the host have called it and every rank sees what any rank wrote before. It also keeps
  ///     the memory alive.
  public convenience init(
    _ elements: UnsafeMutableBufferPointer<Float>, hosts: [[Int]], rank: Int,
    fence: @escaping () throws -> Void
  ) {
    var parts = [Range<Int>](repeating: 0..<0, count: hosts.reduce(0) { $0 + $1.count })
    for ranks in hosts {
      for (index, rank) in ranks.enumerated() {
        parts[rank] = vectorPart(of: elements.count, rank: index, ranks: ranks.count)
      }
    }
    let sharers = hosts.first { $0.contains(rank) }?.count ?? 1
    self.init(elements, parts: parts, sharers: sharers, fence: fence)
  }

  private init(
    _ elements: UnsafeMutableBufferPointer<Float>, parts: [Range<Int>], sharers: Int,
    fence: @escaping () throws -> Void
  ) {
    (self.elements, self.parts, self.sharers) = (elements, parts, sharers)
    meet = fence
  }

  /// Returns when all ranks on the host have called it and every rank sees what any rank wrote before. All ranks of the job call
  /// it, so that they make the same number of calls.
  public func fence() throws { try meet() }

  /// The same vector, with a fence that does more.
  func fenced(by fence: @escaping () throws -> Void) -> HostVector {
    HostVector(elements, parts: parts, sharers: sharers, fence: fence)
  }
}
