/// A vector in memory that the ranks on one host share. Ranks read each other's elements directly and send no messages within
/// the host.
///
/// Each rank adds up one slice of the elements over the ranks on its host, and writes the sums to that slice of every rank's
/// vector. That is the traffic of a reduce-scatter and an allgather (R. Thakur et al., "Optimization of collective
/// communication operations in MPICH", 2005, section 4.5) without copies into and out of a library's buffers. Of the other
/// ranks' memory, a rank maps only the slice that it adds up.
///
/// Between hosts, the ranks that have the same slice add up its sums by messages, so that each host sends the vector once,
/// however many ranks it has.
final class SharedVector: SummedVector {
  let elements: UnsafeMutableBufferPointer<Float>
  let methods = SumMethod.allCases
  var method = SumMethod.sharedMemory {
    didSet {
      guard method != oldValue else { return }
      switch method {
      case .sharedMemory: messages.releaseBuffers()
      case .messages:
        network?.sliceSum?.releaseBuffers()
        joined?.deallocate()
        joined = nil
      }
    }
  }
  private let segments: [UnsafeMutableBufferPointer<Float>]
  /// The index of this rank on its host, and the number of slices: those of the ranks from there on have no slice.
  private let (index, slices): (Int, Int)
  private let messages: MessageSum
  private let network: Network?
  private let fence: () throws -> Void
  /// Space for the sums of one block in every level of the tree, for the left and the right branch.
  private let sums: UnsafeMutablePointer<Float>
  /// Between hosts: the sums of all ranges of this rank's slice.
  private var joined: UnsafeMutableBufferPointer<Float>?

  /// The ways to the ranks of other hosts.
  struct Network {
    fileprivate let world: any Communicator
    fileprivate let isTree: Bool
    fileprivate let hosts: [[Int]]
    fileprivate let slice: (any Communicator)?
    /// Nil: this rank has no slice.
    fileprivate let sliceSum: MessageSum?

    /// - Parameters:
    ///   - world: all ranks.
    ///   - slice: the ranks that have the same slice, one per host; nil: this rank has no slice.
    ///   - hosts: the ranks on each host, ascending.
    ///   - isTree: whether the ranks on a host are one branch of the tree over all ranks.
    init(
      world: any Communicator, slice: (any Communicator)?, hosts: [[Int]], wire: WireFormat, isTree: Bool
    ) {
      (self.world, self.slice, self.hosts, self.isTree) = (world, slice, hosts, isTree)
      sliceSum = slice.map { MessageSum(over: $0, wire) }
    }
  }

  /// - Parameters:
  ///   - segments: the elements of every rank of this host, equally many, in rank order.
  ///   - index: of this rank among them.
  ///   - slices: the number of slices, the same on all hosts; at most the number of segments.
  ///   - messages: sums over all ranks.
  ///   - network: nil if there is no other host.
  ///   - fence: returns when all ranks on the host have called it and every rank sees what any rank wrote before.
  init(
    segments: [UnsafeMutableBufferPointer<Float>], index: Int, slices: Int, messages: MessageSum,
    network: Network? = nil, fence: @escaping () throws -> Void
  ) {
    self.messages = messages
    self.segments = segments
    (self.index, self.slices) = (index, slices)
    self.network = network
    self.fence = fence
    elements = segments[index]
    sums = .allocate(capacity: 2 * (Int.bitWidth - segments.count.leadingZeroBitCount + 1) * Self.block)
  }

  deinit {
    sums.deallocate()
    joined?.deallocate()
  }

  func sum(_ spans: [Range<Int>], _ order: SumOrder) throws {
    if method == .messages || order == .tree && network?.isTree == false {
      return try messages.sum(elements, spans, order)
    }
    try fence()
    if index < slices {
      if let sliceSum = network?.sliceSum {
        try sumSlice(of: spans, order, sliceSum)
      } else {
        sumSlice(of: spans)
      }
    }
    // After this fence the sums are complete, and no rank accesses another rank's elements any more.
    try fence()
  }

  private func forEachRange(_ spans: [Range<Int>], _ body: (Range<Int>) -> Void) {
    Communication.forEachRange(ofPart: index, of: slices, spans, count: elements.count) { range in
      for begin in stride(from: range.lowerBound, to: range.upperBound, by: Self.block) {
        body(begin..<min(begin + Self.block, range.upperBound))
      }
    }
  }

  private func sumSlice(of spans: [Range<Int>]) {
    forEachRange(spans) { block in
      guard let sum = treeSum(of: 0..<segments.count, block) else { return }
      for segment in segments { copy(sum, to: segment, block) }
    }
  }

  private func sumSlice(of spans: [Range<Int>], _ order: SumOrder, _ sliceSum: MessageSum) throws {
    var count = 0
    forEachRange(spans) { count += $0.count }
    let joined = room(for: count)
    var next = joined.baseAddress
    forEachRange(spans) { block in
      guard let sum = treeSum(of: 0..<segments.count, block) else { return }
      next?.update(from: sum, count: block.count)
      next = next?.advanced(by: block.count)
    }
    try sliceSum.sum(.init(rebasing: joined[..<count]), order)
    next = joined.baseAddress
    forEachRange(spans) { block in
      guard let sum = next else { return }
      for segment in segments { copy(sum, to: segment, block) }
      next = sum + block.count
    }
  }

  private func room(for count: Int) -> UnsafeMutableBufferPointer<Float> {
    if let joined, joined.count >= count { return joined }
    joined?.deallocate()
    let made = UnsafeMutableBufferPointer<Float>.allocate(capacity: max(1, count))
    joined = made
    return made
  }

  private func copy(
    _ sum: UnsafePointer<Float>, to segment: UnsafeMutableBufferPointer<Float>, _ block: Range<Int>
  ) {
    segment.baseAddress?.advanced(by: block.lowerBound).update(from: sum, count: block.count)
  }

  /// The number of elements added at a time, so that the sums stay in the first-level cache.
  private static let block = 2048

  /// Adds up a block over some ranks on the host, in the tree in which pairs, pairs of pairs and so on are added.
  ///
  /// - Parameter place: the sums of a branch are kept in the places from here on.
  private func treeSum(of ranks: Range<Int>, _ block: Range<Int>, place: Int = 0) -> UnsafePointer<Float>? {
    guard ranks.count > 1 else {
      return segments[ranks.lowerBound].baseAddress.map { UnsafePointer($0 + block.lowerBound) }
    }
    // The largest power of two below the number of ranks.
    let half = 1 << (Int.bitWidth - 1 - (ranks.count - 1).leadingZeroBitCount)
    let middle = ranks.lowerBound + half
    guard let left = treeSum(of: ranks.lowerBound..<middle, block, place: place + 1),
      let right = treeSum(of: middle..<ranks.upperBound, block, place: place + 2)
    else { return nil }
    let sum = sums + place * Self.block
    for index in 0..<block.count { sum[index] = left[index] + right[index] }
    return UnsafePointer(sum)
  }

  /// Between hosts, a rank gets the parts of the ranks that have its slice, and copies the others from its neighbors, so that each
  /// part comes to a host once.
  func gatherParts() throws {
    let ranksBySlice: [[Int]]
    if let network {
      guard let slice = network.slice, network.hosts.allSatisfy({ $0.count == segments.count }) else {
        return try network.world.gatherParts(of: elements)
      }
      ranksBySlice = segments.indices.map { index in network.hosts.map { $0[index] }.sorted() }
      try slice.gatherParts(of: elements) { part(of: ranksBySlice[index][$0]) }
    } else {
      ranksBySlice = segments.indices.map { [$0] }
    }
    try fence()
    for (neighbor, ranks) in ranksBySlice.enumerated() where neighbor != index {
      for rank in ranks {
        _ = elements[part(of: rank)].update(fromContentsOf: segments[neighbor][part(of: rank)])
      }
    }
    try fence()
  }

  private func part(of rank: Int) -> Range<Int> {
    vectorPart(of: elements.count, rank: rank, ranks: network?.world.worldSize ?? segments.count)
  }
}

/// Calls `body` for the ranges within `spans` that belong to one of `parts` parts.
///
/// The vector is divided into blocks, which are assigned to the parts in turn. One contiguous piece per part would be
/// uneven, because spans are dense in some places and sparse in others. The blocks don't depend on the spans, so a part
/// always maps the same pages. Their bounds are multiples of a cache line.
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
    // The first block of this part that doesn't end before the span.
    let first = span.lowerBound / size
    var block = first + (index - first % parts + parts) % parts
    while block * size < span.upperBound {
      body((block * size..<(block + 1) * size).clamped(to: span))
      block += parts
    }
  }
}
