import Communication
import InProcessRanks
import Testing

@Suite struct TreeSumTests {
  /// Numbers whose sum depends on the order of addition.
  private static func part(_ index: Int, _ count: Int) -> [Double] {
    (0..<count).map { Double($0 + 1) / Double(3 + index * 7) * (index % 2 == 0 ? 1 : -1e-9) }
  }

  private static func inPairs(_ parts: [[Double]]) -> [Double] {
    guard parts.count > 1 else { return parts[0] }
    return inPairs(
      stride(from: 0, to: parts.count, by: 2).map { pair in
        zip(parts[pair], parts[pair + 1]).map { $0 + $1 }
      })
  }

  /// Eight shards, added in pairs on each rank and then over ranks, have the same result for any number of ranks.
  @Test(arguments: [1, 2, 4, 8], [1, 7, 64])
  func sameBitsForAnyNumberOfRanks(ranks: Int, scratchCount: Int) throws {
    let count = 40
    let parts = (0..<8).map { Self.part($0, count) }
    let sums = try InProcessCommunicator.run(ranks: ranks) { communicator in
      let share = 8 / ranks
      var own = Self.inPairs(Array(parts[communicator.rank * share..<(communicator.rank + 1) * share]))
      var scratch = [Double](repeating: 0, count: scratchCount)
      try own.withUnsafeMutableBufferPointer { own in
        try scratch.withUnsafeMutableBufferPointer { try communicator.treeSum(own, scratch: $0) }
      }
      return own.map(\.bitPattern)
    }
    #expect(sums == Array(repeating: Self.inPairs(parts).map(\.bitPattern), count: ranks))
    let inRankOrder = parts.dropFirst().reduce(parts[0]) { zip($0, $1).map { $0 + $1 } }
    #expect(inRankOrder.map(\.bitPattern) != sums[0], "these numbers don't depend on the order of addition")
  }

  @Test(arguments: [3, 5, 6])
  func otherNumbersOfRanksAreRefused(ranks: Int) throws {
    let kinds = try InProcessCommunicator.run(ranks: ranks) { communicator in
      #expect(throws: CommunicationError.self) {
        var own: [Float] = [1]
        var scratch: [Float] = [0]
        try own.withUnsafeMutableBufferPointer { own in
          try scratch.withUnsafeMutableBufferPointer { try communicator.treeSum(own, scratch: $0) }
        }
      }?.kind
    }
    #expect(kinds == Array(repeating: .notPowerOfTwo(worldSize: ranks), count: ranks))
  }
}
