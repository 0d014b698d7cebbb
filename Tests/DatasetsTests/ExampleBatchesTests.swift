import Datasets
import Testing

@Suite struct ExampleBatchesTests {
  /// Lengths from 1 to 40, in which short ones are more frequent.
  private static func lengths(_ count: Int) -> [Int32] {
    (0..<count).map { index in
      let mixed = UInt32(truncatingIfNeeded: index &* 2_654_435_761) >> 16
      return Int32(1 + min(mixed % 40, (mixed >> 6) % 40))
    }
  }

  private func check(_ plan: BatchPlan, _ lengths: [Int32]) {
    #expect(plan.order.sorted() == (0..<Int32(lengths.count)).map { $0 })
    #expect(plan.offsets.first == 0 && plan.offsets.last == lengths.count)
    for batch in 0..<plan.count {
      #expect(!plan[batch].isEmpty)
      let inBatch = plan[batch].map { lengths[Int($0)] }
      #expect(inBatch == inBatch.sorted(by: >))
    }
  }

  @Test(
    arguments: [1, 2, 7, 64, 1000],
    [BatchOptions.Size.examples(1), .examples(8), .tokens(100), .tokens(1)])
  func everyExampleIsInOneBatch(count: Int, size: BatchOptions.Size) {
    let lengths = Self.lengths(count)
    for bucketing in [false, true] {
      let batches = BatchPlanner(
        lengths: lengths, size: size, bucketing: bucketing, seed: 1, windowBatches: 3)
      for epoch in 0..<3 {
        let plan = batches.epoch(epoch)
        check(plan, lengths)
        for batch in 0..<plan.count {
          switch size {
          case .examples(let most): #expect(plan[batch].count <= most)
          case .tokens(let most):
            #expect(plan[batch].count == 1 || plan[batch].reduce(0) { $0 + Int(lengths[Int($1)]) } <= most)
          }
        }
      }
    }
  }

  @Test func batchesOfSequencesAreFullButOne() {
    let batches = BatchPlanner(lengths: Self.lengths(1003), size: .examples(10), seed: 5)
    let sizes = (0..<3).map { epoch -> [Int] in
      let plan = batches.epoch(epoch)
      return (0..<plan.count).map { plan[$0].count }
    }
    for size in sizes { #expect(size.count == 101 && size.sorted().first == 3 && size.sorted()[1] == 10) }
  }

  @Test func seedAndEpochDecide() {
    let lengths = Self.lengths(500)
    let batches = BatchPlanner(lengths: lengths, size: .examples(8), seed: 1)
    #expect(batches.epoch(2) == BatchPlanner(lengths: lengths, size: .examples(8), seed: 1).epoch(2))
    #expect(batches.epoch(2) != batches.epoch(3))
    #expect(batches.epoch(2) != BatchPlanner(lengths: lengths, size: .examples(8), seed: 2).epoch(2))
  }

  /// The order is the same in every build and on every machine.
  @Test func theOrderIsFixed() {
    let plan = BatchPlanner(lengths: [3, 1, 2, 5, 4, 2, 1, 9], size: .examples(3), seed: 7).epoch(1)
    #expect(plan.order == Self.expectedOrder)
    #expect(plan.offsets == Self.expectedOffsets)
  }

  private static let expectedOrder: [Int32] = [0, 6, 1, 7, 4, 2, 3, 5]
  private static let expectedOffsets = [0, 3, 6, 8]

  @Test func bucketsHoldSimilarLengths() {
    let lengths = Self.lengths(4000)
    let spread = { (bucketing: Bool) -> Int in
      let plan = BatchPlanner(lengths: lengths, size: .examples(16), bucketing: bucketing, seed: 1).epoch(
        0)
      return (0..<plan.count).reduce(0) { sum, batch in
        let inBatch = plan[batch].map { Int(lengths[Int($0)]) }
        return sum + (inBatch.max() ?? 0) - (inBatch.min() ?? 0)
      }
    }
    #expect(spread(true) * 8 < spread(false))
  }

  /// The order of batches is random, too: batches of one length are not consecutive.
  @Test func theBatchesAreShuffled() {
    let lengths = Self.lengths(4000)
    let plan = BatchPlanner(lengths: lengths, size: .examples(10), seed: 1).epoch(0)
    let longest = (0..<plan.count).map { lengths[Int(plan[$0].first ?? 0)] }
    let falls = zip(longest, longest.dropFirst()).count { $0 > $1 }
    #expect((plan.count / 4...plan.count * 3 / 4).contains(falls))
  }

  /// Over many epochs, every example is equally often at every place of the order.
  @Test func theOrderIsUniform() {
    let batches = BatchPlanner(lengths: [Int32](repeating: 1, count: 10), size: .examples(1), seed: 3)
    var counts = [[Int]](repeating: [Int](repeating: 0, count: 10), count: 10)
    for epoch in 0..<2000 {
      for (place, example) in batches.epoch(epoch).order.enumerated() { counts[place][Int(example)] += 1 }
    }
    // 200 expected, standard deviation 13.4: the probability that any of 100 differs by more than 5 deviations is below 1
    // in 10,000.
    #expect(counts.joined().allSatisfy { abs($0 - 200) < 67 })
  }

  @Test func aSequenceAHundredTimesLongerIsABatchAlone() {
    var lengths = [Int32](repeating: 10, count: 200)
    lengths[77] = 100_000
    let batches = BatchPlanner(lengths: lengths, size: .tokens(100), seed: 1)
    let plan = batches.epoch(0)
    check(plan, lengths)
    let own = (0..<plan.count).filter { plan[$0].contains(77) }
    #expect(own.count == 1 && plan[own[0]].count == 1)
    #expect((0..<plan.count).count { plan[$0].count == 10 } >= 15)
    check(BatchPlanner(lengths: lengths, size: .examples(16), seed: 1).epoch(0), lengths)
  }

  @Test func evaluationIsByFallingLength() {
    let lengths: [Int32] = [2, 9, 2, 5, 9]
    let plan = BatchPlanner(
      lengths: lengths, secondLengths: [1, 1, 3, 0, 2], size: .examples(2), seed: 1
    )
    .evaluation()
    #expect(plan.order == [4, 1, 3, 2, 0])
    #expect(plan.offsets == [0, 2, 4, 5])
    #expect(
      BatchPlanner(lengths: lengths, size: .tokens(11), seed: 1).evaluation().offsets == [0, 1, 2, 5])
  }

  @Test func shardsAreAPartitionOfSimilarSize() throws {
    let text = Self.lengths(300).map { [String](repeating: "x", count: Int($0)).joined(separator: " ") }
    let set = try ExampleOptions(.generated, .lines).load(.text(text.joined(separator: "\n"))).train
    let batches = try set.trainingBatches(BatchOptions(.examples(37)))
    let whole = try #require(batches.batch(0, shard: 0, of: 1))
    for shards in [1, 2, 3, 8] {
      let parts = (0..<shards).compactMap { batches.batch(0, shard: $0, of: shards) }
      #expect(parts.flatMap(\.examples).sorted() == whole.examples.sorted())
      for part in parts {
        #expect(part.examples == part.places.map { whole.examples[Int($0)] })
      }
      let tokens = parts.map { part in part.examples.reduce(0) { $0 + set.lengths(.target)[Int($1)] } }
      #expect((tokens.max() ?? 0) - (tokens.min() ?? 0) <= 40)
    }
    // More shards than examples: empty ones.
    #expect(batches.batch(0, shard: 37, of: 64) == nil)
  }

  @Test func theLongerSideOfAPairCounts() throws {
    let corpus = try ExampleOptions(.paired, .tsv).load(.text("a b c\tx\na\tx y z w\na\tx"))
    // With the end mark of the target, there are 3, 5 and 2 steps.
    let batches = corpus.train.evaluationBatches(BatchOptions(.tokens(5)), including: { _ in true })
    #expect(batches.plan.order == [1, 0, 2])
    #expect(batches.plan.offsets == [0, 1, 3])
    let generator = try ExampleOptions(.generated, .lines).load(.text("a\na b"))
    #expect(
      generator.train.evaluationBatches(BatchOptions(.examples(1)), including: { _ in true }).plan.order == [
        1, 0,
      ])
  }

  @Test func aMillionExamplesAreDealtQuickly() {
    let lengths = (0..<1_000_000).map { Int32(1 + $0 % 97) }
    let plan = BatchPlanner(lengths: lengths, size: .tokens(4000), seed: 1).epoch(0)
    #expect(plan.order.count == 1_000_000)
    #expect(plan.count < 13_000)
  }
}
