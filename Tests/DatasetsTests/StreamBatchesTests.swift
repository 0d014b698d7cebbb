import Datasets
import Testing

/// Tokens that are their own positions.
private func positions(_ count: Int) -> TokenStream {
  TokenStream((0..<Int32(count)), vocabularySize: max(1, count))
}

@Suite struct StreamBatcherTests {
  /// One stream of a whole epoch: its inputs and targets, chunk after chunk.
  private func read(_ batcher: StreamBatches, _ tokens: TokenStream, shard: Range<Int>)
    -> [(inputs: [Int32], targets: [Int32])]
  {
    var streams = shard.map { _ in (inputs: [Int32](), targets: [Int32]()) }
    for chunk in 0..<batcher.chunks {
      let steps = batcher.chunk(chunk).count
      var inputs = [Int32](repeating: -1, count: steps * shard.count)
      var targets = inputs
      inputs.withUnsafeMutableBufferPointer { inputs in
        targets.withUnsafeMutableBufferPointer { targets in
          batcher.fill(chunk: chunk, streams: shard, from: tokens, inputs: inputs, targets: targets)
        }
      }
      for step in 0..<steps {
        for column in 0..<shard.count {
          streams[column].inputs.append(inputs[step * shard.count + column])
          streams[column].targets.append(targets[step * shard.count + column])
        }
      }
    }
    return streams
  }

  @Test(arguments: [(11, 2, 5), (12, 2, 5), (2, 1, 1), (100, 7, 3), (50, 49, 4), (31, 3, 10), (1000, 20, 20)])
  func everyTokenIsReadOnce(count: Int, streams: Int, steps: Int) throws {
    let batcher = try StreamBatches(tokenCount: count, streams: streams, steps: steps)
    let length = (count - 1) / streams
    #expect(batcher.streamLength == length)
    #expect(batcher.chunks == (length + steps - 1) / steps)
    #expect(batcher.tokensPerEpoch == length * streams)
    let read = read(batcher, positions(count), shard: 0..<streams)
    #expect(read.flatMap(\.inputs) == Array(0..<Int32(length * streams)))
    #expect(read.flatMap(\.targets) == Array(1..<Int32(length * streams + 1)))
  }

  @Test(arguments: [(11, 2, 2), (12, 2, 5), (100, 7, 3), (929_589, 20, 20)])
  func withoutTheLastChunkItIsTheTutorialsReader(count: Int, streams: Int, steps: Int) throws {
    let batcher = try StreamBatches(tokenCount: count, streams: streams, steps: steps, dropLast: true)
    let segment = count / streams
    #expect(batcher.chunks == (segment - 1) / steps)
    #expect(batcher.streamLength == batcher.chunks * steps)
    let shard = streams - 1..<streams
    let last = read(batcher, positions(count), shard: shard)[0]
    let start = Int32((streams - 1) * segment)
    #expect(last.inputs == Array(start..<start + Int32(batcher.streamLength)))
    #expect(last.targets == last.inputs.map { $0 + 1 })
  }

  @Test func theLastChunkIsShorter() throws {
    let batcher = try StreamBatches(tokenCount: 25, streams: 2, steps: 5)
    #expect((0..<batcher.chunks).map { batcher.chunk($0) } == [0..<5, 5..<10, 10..<12])
  }

  @Test(arguments: [false, true])
  func shardsAreColumnsOfTheWhole(dropLast: Bool) throws {
    let batcher = try StreamBatches(tokenCount: 101, streams: 7, steps: 4, dropLast: dropLast)
    let tokens = positions(101)
    let whole = read(batcher, tokens, shard: 0..<7)
    let parts = [0..<2, 2..<2, 2..<5, 5..<7].flatMap { read(batcher, tokens, shard: $0) }
    #expect(parts.map(\.inputs) == whole.map(\.inputs))
    #expect(parts.map(\.targets) == whole.map(\.targets))
  }

  @Test(arguments: [(0, 1, 1, false), (1, 1, 1, false), (5, 5, 1, false), (10, 2, 5, true), (5, 3, 1, true)])
  func tooShortTexts(count: Int, streams: Int, steps: Int, dropLast: Bool) {
    let error = #expect(throws: DataError.self) {
      try StreamBatches(tokenCount: count, streams: streams, steps: steps, dropLast: dropLast, name: "a.txt")
    }
    #expect(
      error
        == .tooFewTokens(
          name: "a.txt", tokens: count, streams: streams, steps: steps, wholeChunks: dropLast))
    #expect(error?.description.hasPrefix("a.txt: ") == true)
    #expect(error?.description.contains("training.batch_size") == true)
  }
}

@Suite struct EvaluationStreamsTests {
  @Test(arguments: [(2, 1), (2, 5), (11, 3), (12, 3), (100, 32), (33, 32), (34, 32), (1000, 7)])
  func everyTransitionIsInOneSegment(count: Int, streams: Int) {
    let evaluation = EvaluationStreams(tokenCount: count, streams: streams)
    #expect(evaluation.segments.count == min(streams, count - 1))
    #expect(evaluation.tokens == count - 1)
    var next = 0
    for segment in evaluation.segments {
      #expect(segment.start == next)
      next += segment.length
    }
    #expect(next == count - 1)
    let lengths = evaluation.segments.map(\.length)
    #expect(lengths == lengths.sorted(by: >))
    #expect((lengths.first ?? 0) - (lengths.last ?? 0) <= 1)
    for step in 0...evaluation.steps {
      #expect(evaluation.active(at: step) == lengths.count { $0 > step })
    }
  }

  @Test(arguments: [0, 1])
  func nothingToPredict(count: Int) {
    let evaluation = EvaluationStreams(tokenCount: count, streams: 4)
    #expect(evaluation.segments.isEmpty)
    #expect(evaluation.steps == 0)
    #expect(evaluation.active(at: 0) == 0)
  }

  @Test func pastItsEndASegmentIsZero() {
    // Nine transitions in segments of 3, 2, 2, 2: starts 0, 3, 5, 7.
    let evaluation = EvaluationStreams(tokenCount: 10, streams: 4)
    let tokens = positions(10)
    var inputs = [Int32](repeating: -1, count: 9)
    var targets = inputs
    inputs.withUnsafeMutableBufferPointer { inputs in
      targets.withUnsafeMutableBufferPointer { targets in
        evaluation.fill(steps: 1..<4, streams: 0..<3, from: tokens, inputs: inputs, targets: targets)
      }
    }
    #expect(inputs == [1, 4, 6, 2, 0, 0, 0, 0, 0])
    #expect(targets == [2, 5, 7, 3, 0, 0, 0, 0, 0])
  }
}
