import Datasets
import Testing

/// A dataset with the items that its batches must hold, for `checkDataset`.
struct DatasetCase<Data: Dataset>: Sendable {
  let name: String
  let data: @Sendable () throws -> Data
  /// The items of a batch: examples, or positions of predicted tokens.
  let items: @Sendable (Data.Batches.Batch) -> [Int]
  /// All items of an epoch of training.
  let expected: Range<Int>
}

/// The checks that every dataset passes, in training and in evaluation: every item once per epoch over all shards, the same
/// batches for any number of shards, the same order after a resume, a stable digest, and empty shards.
func checkDataset<Data: Dataset>(_ test: DatasetCase<Data>, _ options: BatchOptions) throws {
  let data = try test.data()
  #expect(data.digest == (try test.data().digest), "\(test.name): digest")
  #expect(data.exampleCount > 0 && data.tokenCount > 0)
  var training = try data.trainingBatches(options)
  var orders: [[[Int]]] = []
  for epoch in 0..<3 {
    training.beginEpoch(epoch)
    orders.append(checkBatches(training, test))
    #expect(orders[epoch].joined().sorted() == Array(test.expected), "\(test.name): epoch \(epoch)")
  }
  // A resumed run may begin with any epoch.
  var resumed = try data.trainingBatches(options)
  resumed.beginEpoch(2)
  #expect(checkBatches(resumed, test) == orders[2], "\(test.name): resume")
  let largest = try #require(training.largestBatch)
  #expect((0..<training.count).contains(largest))

  let evaluation = data.evaluationBatches(options, including: { _ in true })
  #expect(
    checkBatches(evaluation, test).joined().sorted().prefix(test.expected.count) == Array(test.expected)[...])
  #expect(
    checkBatches(evaluation, test)
      == checkBatches(data.evaluationBatches(options, including: { _ in true }), test))
}

/// The items of every batch, which must be the same for any number of shards.
private func checkBatches<Source: BatchSource, Data: Dataset>(
  _ source: Source, _ test: DatasetCase<Data>
) -> [[Int]] where Data.Batches == Source {
  (0..<source.count).map { index in
    let whole = source.batch(index, shard: 0, of: 1).map { test.items($0).sorted() } ?? []
    #expect(!whole.isEmpty, "\(test.name): batch \(index) is empty")
    for shards in [2, 3, 8, 1000] {
      let parts = (0..<shards).map { shard in
        source.batch(index, shard: shard, of: shards).map { test.items($0) } ?? []
      }
      #expect(parts.joined().sorted() == whole, "\(test.name): batch \(index) in \(shards) shards")
      #expect(shards < 1000 || parts.contains([]))
    }
    return whole
  }
}

@Suite struct DatasetConformanceTests {
  /// A stream whose tokens are their own positions, so that the targets of a batch are its items.
  static let streams = [(2, "two"), (3, "shorter than a step"), (101, "short"), (5000, "long")].map {
    count, name in
    DatasetCase(
      name: "stream, \(name)",
      data: { TokenStream(0..<Int32(count), vocabularySize: count) },
      items: { (batch: StreamBatches.Batch) in
        var inputs = [Int32](repeating: 0, count: batch.tokenCount)
        var targets = inputs
        inputs.withUnsafeMutableBufferPointer { inputs in
          targets.withUnsafeMutableBufferPointer { batch.fill(inputs: inputs, targets: $0) }
        }
        return targets.map { Int($0) }
      }, expected: 1..<count)
  }

  static let examples = [1, 2, 57, 300].map { count in
    DatasetCase(
      name: "\(count) examples",
      data: {
        let lines = (0..<count).map { [String](repeating: "x", count: 1 + $0 % 13).joined(separator: " ") }
        return try ExampleOptions(.generated, .lines).load(.text(lines.joined(separator: "\n"))).train
      }, items: { (batch: ExampleBatches.Batch) in batch.examples.map { Int($0) } }, expected: 0..<count)
  }

  @Test(arguments: [BatchOptions(.examples(1), steps: 7), BatchOptions(.examples(1), steps: 1000)])
  func aStream(options: BatchOptions) throws {
    for test in Self.streams { try checkDataset(test, options) }
  }

  @Test(arguments: [BatchOptions(.examples(8)), BatchOptions(.tokens(20)), BatchOptions(.examples(1000))])
  func examples(options: BatchOptions) throws {
    for test in Self.examples {
      try checkDataset(test, options)
      var inOrder = options
      inOrder.bucketing = false
      try checkDataset(test, inOrder)
    }
  }
}
