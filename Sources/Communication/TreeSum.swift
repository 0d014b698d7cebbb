extension Communicator {
  /// Overwrites `values` with their sum over all ranks, added in one fixed binary tree (collective).
  ///
  /// `((v₀ + v₁) + (v₂ + v₃)) + …`, so that 2ⁿ ranks get the bits of one process that adds 2ⁿ parts in pairs. It is a
  /// reduce-scatter by recursive halving and an allgather by recursive doubling (R. Thakur et al., "Optimization of collective
  /// communication operations in MPICH", 2005, section 4.5), nearest ranks first: in round k a rank exchanges halves of its
  /// range with `rank XOR 2ᵏ`, adds, and keeps one half. Addition of two numbers commutes, so it doesn't matter which of
  /// the two adds. A rank sends 2 (p - 1) / p times the values.
  ///
  /// `scratch` receives the elements of the other rank. With a smaller buffer there are more messages. Throws
  /// `CommunicationError` of kind `notPowerOfTwo`, or an error of the communication itself.
  public func treeSum(
    _ values: UnsafeMutableBufferPointer<Float>, scratch: UnsafeMutableBufferPointer<Float>
  ) throws {
    guard worldSize & (worldSize - 1) == 0 else {
      throw failure(
        .notPowerOfTwo(worldSize: worldSize), in: "treeSum",
        "a fixed binary tree needs 1, 2, 4, 8, … ranks, and this job has \(worldSize)")
    }
    precondition(
      !scratch.isEmpty || values.isEmpty || worldSize == 1,
      "treeSum of \(values.count) values needs scratch space for at least one")
    var rounds: [(kept: Range<Int>, given: Range<Int>, peer: Int)] = []
    var range = 0..<values.count
    while 1 << rounds.count < worldSize {
      let bit = 1 << rounds.count
      let middle = (range.lowerBound + range.upperBound) / 2
      let (low, high) = (range.lowerBound..<middle, middle..<range.upperBound)
      let (kept, given) = rank & bit == 0 ? (low, high) : (high, low)
      // The halves differ by one element if their number is odd, so the last messages may be of different lengths.
      for start in stride(from: 0, to: max(kept.count, given.count), by: scratch.count) {
        let own = values.piece(of: kept, from: start, count: scratch.count)
        let other = UnsafeMutableBufferPointer(rebasing: scratch[..<own.count])
        try exchange(
          UnsafeRawBufferPointer(values.piece(of: given, from: start, count: scratch.count)),
          UnsafeMutableRawBufferPointer(other), with: rank ^ bit)
        for index in own.indices { own[index] += other[index] }
      }
      rounds.append((kept, given, rank ^ bit))
      range = kept
    }
    for (kept, given, peer) in rounds.reversed() {
      try exchange(
        UnsafeRawBufferPointer(values.piece(of: kept, from: 0, count: kept.count)),
        UnsafeMutableRawBufferPointer(values.piece(of: given, from: 0, count: given.count)), with: peer)
    }
  }
}

extension UnsafeMutableBufferPointer<Float> {
  /// The elements of `range` from its `start`-th on, at most `count`.
  fileprivate func piece(of range: Range<Int>, from start: Int, count: Int) -> UnsafeMutableBufferPointer {
    let begin = Swift.min(range.lowerBound + start, range.upperBound)
    let end = Swift.min(begin + count, range.upperBound)
    return UnsafeMutableBufferPointer(start: baseAddress.map { $0 + begin }, count: end - begin)
  }
}
