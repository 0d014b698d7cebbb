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
  }

  private static func value(_ index: Int, _ rank: Int, _ step: Int) -> Float {
    Float(index % 89 + step) / Float(3 + 7 * rank)
  }

  /// Sums are added in rank order, so they have the bits of a plain loop. Other elements don't change.
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
