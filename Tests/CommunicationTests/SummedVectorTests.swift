import Testing

@testable import Communication

@Suite struct SummedVectorTests {
  @Test(arguments: 1...5)
  func partsCoverTheSpansOnce(parts: Int) {
    for spans in [[0..<1000], [3..<5], [], [0..<7, 9..<10, 100..<333], [5..<5, 6..<70]] {
      let all = (0..<parts).flatMap { part($0, of: parts, spans) }
      #expect(all.flatMap { Array($0) } == spans.flatMap { Array($0) })
      #expect(all.allSatisfy { !$0.isEmpty })
    }
    let lengths = (0..<parts).map { part($0, of: parts, [0..<1000]).reduce(0) { $0 + $1.count } }
    #expect(lengths.max()! - lengths.min()! < 32)
  }

  @Test func roomIsAskedForBeforehand() {
    #expect(!SharedMemoryRoom.has(1, in: "/no such directory"))
    #expect(!SharedMemoryRoom.has(.max, in: "/"))
    #expect(SharedMemoryRoom.has(0, in: "/proc") == false, "a file system without blocks has no room")
  }

  /// Memory that several ranks see, here threads of one process.
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
  }

  private static func value(_ index: Int, _ rank: Int, _ step: Int) -> Float {
    Float(index % 89 + step) / Float(3 + 7 * rank)
  }

  /// Sums are made in rank order: the same bits as by hand, longer than a block, and nothing else is touched.
  @Test(arguments: 1...4)
  func sharedMemory(ranks: Int) throws {
    let count = 9000
    let segments = Segments(ranks: ranks, count: count)
    try InProcessCommunicator.run(ranks: ranks) { communicator in
      let rank = communicator.rank
      let vector = SharedVector(segments: segments.all, rank: rank) { try communicator.barrier() }
      for (step, spans) in [[0..<count], [1..<2, 100..<7000, 8999..<9000], []].enumerated() {
        for index in 0..<count { vector.elements[index] = Self.value(index, rank, step) }
        try vector.sum(spans)
        let isRight = (0..<count).allSatisfy { index in
          let expected =
            spans.contains { $0.contains(index) }
            ? (1..<max(ranks, 1)).reduce(Self.value(index, 0, step)) { $0 + Self.value(index, $1, step) }
            : Self.value(index, rank, step)
          return vector.elements[index] == expected
        }
        #expect(isRight)
        try communicator.barrier()
      }
    }
  }
}
