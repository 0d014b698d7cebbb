import Datasets
import Testing

/// Tokens that are their own positions.
private func positions(_ count: Int) -> TokenStream {
  TokenStream((0..<Int32(count)), vocabularySize: max(1, count), name: "a.txt")
}

/// The inputs and targets of every stream of a shard over a whole epoch.
private func read(_ batches: StreamBatches, shard: Int = 0, of shardCount: Int = 1)
  -> [(inputs: [Int32], targets: [Int32])]
{
  let first = batches.streams(ofShard: shard, of: shardCount).lowerBound
  var streams = batches.streams(ofShard: shard, of: shardCount).map { _ in
    (inputs: [Int32](), targets: [Int32]())
  }
  for index in 0..<batches.count {
    guard let batch = batches.batch(index, shard: shard, of: shardCount) else { continue }
    var inputs = [Int32](repeating: -1, count: batch.tokenCount)
    var targets = inputs
    inputs.withUnsafeMutableBufferPointer { inputs in
      targets.withUnsafeMutableBufferPointer { batch.fill(inputs: inputs, targets: $0) }
    }
    var row = 0
    for step in 0..<(batch.lengths.max() ?? 0) {
      for (column, stream) in batch.streams.enumerated() where batch.lengths[column] > step {
        streams[stream - first].inputs.append(inputs[row])
        streams[stream - first].targets.append(targets[row])
        row += 1
      }
    }
  }
  return streams
}

@Suite struct StreamBatchesTests {
  @Test(arguments: [(11, 2, 5), (12, 2, 5), (2, 1, 1), (100, 7, 3), (50, 49, 4), (31, 3, 10), (1000, 20, 20)])
  func everyTokenIsReadOnce(count: Int, streams: Int, steps: Int) throws {
    let batches = try StreamBatches(positions(count), streams: streams, steps: steps)
    let length = (count - 1) / streams
    #expect(batches.streamLength == length)
    #expect(batches.count == (length + steps - 1) / steps)
    let read = read(batches)
    #expect(read.flatMap(\.inputs) == Array(0..<Int32(length * streams)))
    #expect(read.flatMap(\.targets) == Array(1..<Int32(length * streams + 1)))
  }

  @Test(arguments: [(11, 2, 2), (12, 2, 5), (100, 7, 3), (929_589, 20, 20)])
  func withoutTheLastBatchItIsTheTutorialsReader(count: Int, streams: Int, steps: Int) throws {
    let batches = try StreamBatches(positions(count), streams: streams, steps: steps, dropLast: true)
    let segment = count / streams
    #expect(batches.count == (segment - 1) / steps)
    #expect(batches.streamLength == batches.count * steps)
    let last = read(batches, shard: streams - 1, of: streams)[0]
    let start = Int32((streams - 1) * segment)
    #expect(last.inputs == Array(start..<start + Int32(batches.streamLength)))
    #expect(last.targets == last.inputs.map { $0 + 1 })
  }

  @Test func theLastBatchIsShorter() throws {
    let batches = try StreamBatches(positions(25), streams: 2, steps: 5)
    #expect((0..<3).map { batches.batch($0, shard: 0, of: 1)?.lengths } == [[5, 5], [5, 5], [2, 2]])
  }

  @Test(arguments: [false, true])
  func shardsAreColumnsOfTheWhole(dropLast: Bool) throws {
    let batches = try StreamBatches(positions(101), streams: 7, steps: 4, dropLast: dropLast)
    let whole = read(batches)
    for shards in [2, 3, 8] {
      let parts = (0..<shards).flatMap { read(batches, shard: $0, of: shards) }
      #expect(parts.map(\.inputs) == whole.map(\.inputs))
      #expect(parts.map(\.targets) == whole.map(\.targets))
    }
  }

  @Test(arguments: [(0, 1, 1, false), (1, 1, 1, false), (5, 5, 1, false), (10, 2, 5, true), (5, 3, 1, true)])
  func tooShortTexts(count: Int, streams: Int, steps: Int, dropLast: Bool) {
    let error = #expect(throws: DataError.self) {
      try StreamBatches(positions(count), streams: streams, steps: steps, dropLast: dropLast)
    }
    #expect(
      error
        == .tooFewTokens(
          name: "a.txt", tokens: count, streams: streams, steps: steps, wholeChunks: dropLast))
    #expect(error?.description.hasPrefix("a.txt: ") == true)
    #expect(error?.description.contains("training.batch_size") == true)
  }

  @Test(arguments: [(2, 5), (11, 3), (1000, 7), (2001, 7), (3001, 32), (5004, 4), (10_000, 7)])
  func anEvaluationPredictsEveryTokenOnce(count: Int, mostStreams: Int) {
    let batches = StreamBatches(evaluating: positions(count), mostStreams: mostStreams, steps: 64)
    let read = read(batches)
    #expect(read.flatMap(\.targets) == Array(1..<Int32(count)))
    #expect(read.flatMap(\.inputs) == Array(0..<Int32(count - 1)))
    let lengths = read.map(\.inputs.count)
    #expect(lengths == lengths.sorted(by: >) && (lengths.first ?? 0) - (lengths.last ?? 0) <= 1)
    for shards in [2, 3, 8] {
      let parts = (0..<shards).flatMap { DatasetsTests.read(batches, shard: $0, of: shards) }
      #expect(parts.map(\.targets) == read.map(\.targets))
    }
  }

  /// The loss of a short text does not depend on the batch size, because streams have a minimum length.
  @Test func aShortTextIsOneStream() {
    func streams(_ count: Int, _ most: Int) -> Int {
      StreamBatches(evaluating: positions(count), mostStreams: most, steps: 10).streams
    }
    #expect([1, 2, 32, 1000].allSatisfy { streams(400, $0) == 1 && streams(2000, $0) == 1 })
    #expect(streams(2001, 32) == 2 && streams(2001, 1) == 1)
    #expect(streams(100_001, 32) == 32)
  }

  @Test(arguments: [0, 1])
  func nothingToPredict(count: Int) {
    let batches = StreamBatches(evaluating: positions(count), mostStreams: 4, steps: 5)
    #expect(batches.count == 0 && batches.streams == 0 && batches.largestBatch == nil)
  }
}
