import InProcessRanks
import Testing

@testable import Communication

@Suite struct SummedVectorTests {
  /// Every element of the spans belongs to exactly one part, and parts are divided at cache lines.
  @Test(arguments: 1...5)
  func partsCoverTheSpansOnce(parts: Int) {
    for spans in [[0..<1000], [3..<5], [], [0..<7, 9..<10, 100..<333], [5..<5, 6..<70]] {
      var all: [Range<Int>] = []
      for index in 0..<parts {
        forEachRange(ofPart: index, of: parts, spans, count: 1000, limit: 32) { all.append($0) }
      }
      #expect(all.flatMap { Array($0) }.sorted() == spans.flatMap { Array($0) })
      #expect(all.allSatisfy { !$0.isEmpty })
      let ends = spans.flatMap { [$0.lowerBound, $0.upperBound] }
      #expect(
        all.flatMap { [$0.lowerBound, $0.upperBound] }.allSatisfy { $0 % 16 == 0 || ends.contains($0) })
    }
  }

  /// If spans are sparse at one end and dense at the other, every part gets elements of both ends. An element belongs to
  /// the same part for any spans.
  @Test(arguments: 1...5)
  func blocksAreAssignedInTurn(parts: Int) {
    let sparse = (0..<300).map { 40 * $0..<40 * $0 + 3 }
    let dense = 12_000..<20_000
    var owner = [Int](repeating: -1, count: 20_000)
    var sizes = [(sparse: Int, dense: Int)](repeating: (0, 0), count: parts)
    for index in 0..<parts {
      forEachRange(ofPart: index, of: parts, sparse + [dense], count: 20_000, limit: 64) { range in
        for element in range { owner[element] = index }
        if range.lowerBound < 12_000 {
          sizes[index].sparse += range.count
        } else {
          sizes[index].dense += range.count
        }
      }
      forEachRange(ofPart: index, of: parts, [0..<20_000], count: 20_000, limit: 64) { range in
        #expect(range.allSatisfy { owner[$0] == -1 || owner[$0] == index })
        for element in range { owner[element] = index }
      }
    }
    #expect(sizes.map(\.dense).max()! - sizes.map(\.dense).min()! <= 2 * 64)
    #expect(sizes.map(\.sparse).max()! - sizes.map(\.sparse).min()! <= 2 * 64, "\(sizes)")
  }

  @Test func sharedMemoryIsCheckedInAdvance() {
    #expect(!SharedMemoryRoom.has(1, in: "/no such directory"))
    #expect(!SharedMemoryRoom.has(.max, in: "/"))
    #expect(SharedMemoryRoom.has(1000, in: "/", largestFile: 1000))
    #expect(!SharedMemoryRoom.has(1001, in: "/", largestFile: 1000), "a limit of the size of files")
    #expect(SharedMemoryRoom.has(0, in: "/proc") == false, "a file system without blocks has no space")
  }

  /// Memory shared by several ranks, which are threads of one process here.
  private final class Segments: @unchecked Sendable {
    let all: [UnsafeMutableBufferPointer<Float>]
    init(ranks: Int, count: Int) {
      all = (0..<ranks).map { _ in
        let segment = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        segment.initialize(repeating: 0)
        return segment
      }
    }
    deinit { for segment in all { segment.deallocate() } }

    /// The vector of a rank; all ranks are on one host.
    func vector(_ communicator: any Communicator) -> SharedVector {
      SharedVector(
        segments: all, index: communicator.rank, slices: all.count,
        messages: MessageSum(over: communicator, .fp32)
      ) {
        try communicator.barrier()
      }
    }
  }

  private static func value(_ index: Int, _ rank: Int, _ step: Int) -> Float {
    Float(index % 89 + step) / Float(3 + 7 * rank)
  }

  /// The sum in a tree of pairs, pairs of pairs and so on.
  private static func inPairs(_ values: [Float]) -> Float {
    var level = values
    while level.count > 1 {
      level = stride(from: 0, to: level.count, by: 2).map { index in
        index + 1 < level.count ? level[index] + level[index + 1] : level[index]
      }
    }
    return level[0]
  }

  /// Sums are bit-identical to those of one tree over all ranks. Other elements don't change.
  @Test(arguments: 1...8)
  func sharedMemory(ranks: Int) throws {
    let count = 9000
    let segments = Segments(ranks: ranks, count: count)
    try InProcessCommunicator.run(ranks: ranks) { communicator in
      let rank = communicator.rank
      let vector = segments.vector(communicator)
      for (step, spans) in [[0..<count], [1..<2, 100..<7000, 8999..<9000], []].enumerated() {
        for index in 0..<count { vector.elements[index] = Self.value(index, rank, step) }
        try vector.sum(spans)
        let isRight = (0..<count).allSatisfy { index in
          let expected =
            spans.contains { $0.contains(index) }
            ? Self.inPairs((0..<ranks).map { Self.value(index, $0, step) })
            : Self.value(index, rank, step)
          return vector.elements[index] == expected
        }
        #expect(isRight)
        try communicator.barrier()
      }
      try Self.checkParts(of: vector, communicator)
    }
  }

  /// With `SumOrder.tree`, messages have the bits of shared memory, also for several spans.
  @Test(arguments: [1, 2, 4, 8])
  func methodsHaveTheSameBitsInATree(ranks: Int) throws {
    let count = 3000
    let segments = Segments(ranks: ranks, count: count)
    try InProcessCommunicator.run(ranks: ranks) { communicator in
      let rank = communicator.rank
      let vector = segments.vector(communicator)
      #expect(vector.methods == [.sharedMemory, .messages])
      for spans in [[0..<count], [5..<6, 100..<2000, 2999..<3000]] {
        var results: [[Float]] = []
        for method in vector.methods {
          vector.method = method
          try communicator.barrier()
          for index in 0..<count { vector.elements[index] = Self.value(index, rank, 0) }
          try vector.sum(spans, .tree)
          results.append(Array(vector.elements))
        }
        #expect(results[0] == results[1])
      }
      try communicator.barrier()
    }
  }

  /// Long spans are summed where they are, short ones together. Other elements don't change.
  @Test(arguments: [1, 2, 3])
  func messagesSumSpansOfAnyLength(ranks: Int) throws {
    let long = MessageSum.longSpan
    let count = 3 * long
    try InProcessCommunicator.run(ranks: ranks) { communicator in
      let rank = communicator.rank
      let vector = try communicator.makeSummedVector(count: count, wire: .fp32)
      let mixed = [0..<1, 5..<9, 64..<64 + long, count - 2..<count]
      for spans in [mixed, [0..<long, long + 1..<2 * long + 1], [7..<8, 9..<12], []] {
        for index in 0..<count { vector.elements[index] = Float(index % 89 + rank) }
        try vector.sum(spans)
        let isRight = (0..<count).allSatisfy { index in
          let isSummed = spans.contains { $0.contains(index) }
          let expected = isSummed ? ranks * (index % 89) + ranks * (ranks - 1) / 2 : index % 89 + rank
          return vector.elements[index] == Float(expected)
        }
        #expect(isRight, "\(spans)")
      }
    }
  }

  /// After each rank has made its part, all ranks have all parts.
  @Test(arguments: [1, 2, 3, 4], [0, 1, 15, 16, 1000])
  func partsAreGathered(ranks: Int, count: Int) throws {
    try InProcessCommunicator.run(ranks: ranks) { communicator in
      try Self.checkParts(of: try communicator.makeSummedVector(count: count, wire: .fp32), communicator)
    }
    let parts = (0..<ranks).map { vectorPart(of: count, rank: $0, ranks: ranks) }
    #expect(parts.flatMap(Array.init) == Array(0..<count))
  }

  private static func checkParts(of vector: any SummedVector, _ communicator: any Communicator) throws {
    let part = vectorPart(of: vector.elements.count, rank: communicator.rank, ranks: communicator.worldSize)
    for index in vector.elements.indices { vector.elements[index] = part.contains(index) ? Float(index) : -1 }
    try vector.gatherParts()
    #expect(Array(vector.elements) == vector.elements.indices.map { Float($0) })
    try communicator.barrier()
  }

  /// Each rank's contribution is rounded once and the sum once: to eight bits. All ranks have the same bits, which are those of
  /// no sum in fp32.
  @Test(arguments: [2, 3, 4], [1, 16, 1000])
  func elementsAreSentInBF16(ranks: Int, count: Int) throws {
    let sums = try InProcessCommunicator.run(ranks: ranks) { communicator in
      let vector = try communicator.makeSummedVector(count: count, wire: .bf16)
      for index in 0..<count { vector.elements[index] = Self.value(index, communicator.rank, 1) }
      try vector.sum([0..<count])
      return Array(vector.elements)
    }
    for (rank, sum) in sums.enumerated() { #expect(sum == sums[0], "rank \(rank)") }
    for index in 0..<count {
      let expected = (0..<ranks).reduce(0.0) { $0 + Double(Self.value(index, $1, 1)) }
      #expect(abs(Double(sums[0][index]) - expected) <= expected / 128)
      #expect(sums[0][index].bitPattern & 0xffff == 0)
    }
  }

  @Test func roundingToBF16() {
    // The neighbors of 1 in bf16 are 1.0078125 and 1.015625. What is halfway between two goes to the even one.
    let cases: [(Float, Float)] = [
      (1, 1), (1.003_906_25, 1), (1.003_907, 1.007_812_5), (1.011_718_75, 1.015_625), (-2.5, -2.5), (0, 0),
      (.infinity, .infinity), (-.infinity, -.infinity), (.greatestFiniteMagnitude, .infinity),
    ]
    for (value, rounded) in cases { #expect(value.bf16Bits.bf16Value == rounded, "\(value)") }
    #expect(Float(bitPattern: 0x7f80_0001).bf16Bits.bf16Value.isNaN, "a NaN whose upper half is infinity")
  }
}
