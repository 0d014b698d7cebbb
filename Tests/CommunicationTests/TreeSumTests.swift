import Communication
import InProcessRanks
import Testing

@Suite struct TreeSumTests {
  /// Numbers whose sum depends on the order of addition.
  private static func part(_ index: Int, _ count: Int) -> [Float] {
    (0..<count).map { Float($0 + 1) / Float(3 + index * 7) * (index % 2 == 0 ? 1 : -1e-9) }
  }

  private static func inPairs(_ parts: [[Float]]) -> [Float] {
    guard parts.count > 1 else { return parts[0] }
    return inPairs(
      stride(from: 0, to: parts.count, by: 2).map { pair in
        zip(parts[pair], parts[pair + 1]).map { $0 + $1 }
      })
  }

  /// Eight shards, added in pairs on each rank and then over ranks, have the same result for any number of ranks.
  @Test(arguments: [1, 2, 4, 8], [40, 41, 3, 0])
  func sameBitsForAnyNumberOfRanks(ranks: Int, count: Int) throws {
    let parts = (0..<8).map { Self.part($0, count) }
    let expected = Self.inPairs(parts).map(\.bitPattern)
    for scratchCount in [1, 7, 64] {
      let sums = try InProcessCommunicator.run(ranks: ranks) { communicator in
        let share = 8 / ranks
        var own = Self.inPairs(
          Array(parts[communicator.rank * share..<(communicator.rank + 1) * share]))
        var scratch = [Float](repeating: 0, count: scratchCount)
        try own.withUnsafeMutableBufferPointer { own in
          try scratch.withUnsafeMutableBufferPointer { try communicator.treeSum(own, scratch: $0) }
        }
        return own.map(\.bitPattern)
      }
      #expect(sums == Array(repeating: expected, count: ranks), "scratch space for \(scratchCount)")
    }
    let inRankOrder = parts.dropFirst().reduce(parts[0]) { zip($0, $1).map { $0 + $1 } }
    #expect(
      count == 0 || inRankOrder.map(\.bitPattern) != expected,
      "these numbers don't depend on the order of addition")
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
