/// A stream of tokens as parallel streams, cut into batches of steps.
///
/// The target of every token is the next one. A batch is the next steps of every stream, so a model carries the state of
/// a stream from batch to batch.
///
/// - For training, every one of the B streams has L = ⌊(n - 1) / B⌋ steps, and stream b reads tokens bL ..< (b + 1)L.
///   The last batch may have fewer steps. At most B - 1 tokens at the end are left out. With `dropLast`, as in
///   TensorFlow's Penn Treebank reader, stream b reads the segment bm ..< (b + 1)m with m = ⌊n / B⌋, and only the
///   ⌊(m - 1) / T⌋ whole batches of T steps.
/// - For evaluation, the n - 1 steps are cut into segments whose lengths differ by at most one, the longer ones first,
///   so every token but the first is predicted exactly once.
public struct StreamBatches: BatchSource {
  /// The minimum number of steps of a stream in an evaluation, unless there is only one stream.
  ///
  /// Every stream starts from an empty state, which costs a few nats once (1.5 for a small character model, about 5 for
  /// words). With 1,000 steps in a stream, the loss per token of a text is therefore at most about 0.005 nats above the
  /// loss of one single stream, whatever the batch size is. A text below 2,000 tokens is one stream, and has one loss.
  public static let fewestEvaluationSteps = 1000

  /// The steps of some streams in one batch.
  public struct Batch: Sendable {
    /// The streams, as numbers among all streams.
    public let streams: Range<Int>
    /// Steps of each of the streams in this batch, in falling order and differing by at most one.
    public let lengths: [Int]
    fileprivate let starts: [Int]
    fileprivate let tokens: TokenStream

    /// Steps of all streams together.
    public var tokenCount: Int { lengths.reduce(0, +) }

    /// Overwrites the beginnings of `inputs` and `targets` with the tokens, step by step. Each step holds the streams
    /// that have not ended.
    public func fill(
      inputs: UnsafeMutableBufferPointer<Int32>, targets: UnsafeMutableBufferPointer<Int32>
    ) {
      precondition(
        min(inputs.count, targets.count) >= tokenCount,
        "room for \(min(inputs.count, targets.count)) tokens, \(tokenCount) to fill")
      // Only the last step can have fewer streams than the others, so the rows of a step begin at step * width.
      let width = lengths.count
      for (column, (start, length)) in zip(starts, lengths).enumerated() where length > 0 {
        tokens.copy(start..<start + length, into: inputs, offset: column, stride: width)
        tokens.copy(start + 1..<start + 1 + length, into: targets, offset: column, stride: width)
      }
    }
  }

  /// Streams over all ranks.
  public let streams: Int
  /// The maximum number of steps of a batch.
  public let steps: Int
  /// Number of batches in an epoch.
  public let count: Int
  /// Steps of the longest stream.
  public let streamLength: Int
  private let tokens: TokenStream
  /// The number of tokens from the start of a stream to the start of the next one; one more for the first `longStreams`
  /// streams.
  private let spacing: Int
  private let longStreams: Int

  /// Creates the streams of a training text. Throws `DataError.tooFewTokens` if a stream would have no step.
  public init(_ tokens: TokenStream, streams: Int, steps: Int, dropLast: Bool = false) throws {
    precondition(streams > 0 && steps > 0, "streams and steps above 0, not \(streams) and \(steps)")
    (self.tokens, self.streams, self.steps, longStreams) = (tokens, streams, steps, 0)
    if dropLast {
      spacing = tokens.count / streams
      count = max(0, spacing - 1) / steps
      streamLength = count * steps
    } else {
      spacing = max(0, tokens.count - 1) / streams
      streamLength = spacing
      count = (spacing + steps - 1) / steps
    }
    guard streamLength > 0 else {
      throw DataError.tooFewTokens(
        name: tokens.name, tokens: tokens.count, streams: streams, steps: steps, wholeChunks: dropLast)
    }
  }

  /// Creates the streams of a text to evaluate on: `mostStreams`, or fewer if each would have less than
  /// ``fewestEvaluationSteps``.
  public init(evaluating tokens: TokenStream, mostStreams: Int, steps: Int) {
    precondition(mostStreams > 0 && steps > 0, "streams and steps above 0, not \(mostStreams) and \(steps)")
    let total = max(0, tokens.count - 1)
    let streams = total == 0 ? 0 : max(1, min(mostStreams, total / Self.fewestEvaluationSteps))
    (self.tokens, self.streams, self.steps) = (tokens, streams, steps)
    spacing = total / max(1, streams)
    longStreams = total % max(1, streams)
    streamLength = spacing + (longStreams > 0 ? 1 : 0)
    count = (streamLength + steps - 1) / steps
  }

  public var largestBatch: Int? { count > 0 ? 0 : nil }

  /// Every epoch reads the same text.
  public mutating func beginEpoch(_ epoch: Int) {}

  /// The streams of a shard. They are contiguous, and the sizes of shards differ by at most one.
  public func streams(ofShard shard: Int, of shardCount: Int) -> Range<Int> {
    precondition(shard >= 0 && shard < shardCount, "shard \(shard) of \(shardCount)")
    return shard * streams / shardCount..<(shard + 1) * streams / shardCount
  }

  public func batch(_ index: Int, shard: Int, of shardCount: Int) -> Batch? {
    precondition(index >= 0 && index < count, "batch \(index) of \(count)")
    let selected = streams(ofShard: shard, of: shardCount)
    guard let first = selected.first, length(of: first) > index * steps else { return nil }
    let lengths = selected.map { max(0, min(length(of: $0), (index + 1) * steps) - index * steps) }
    let starts = selected.map { $0 * spacing + min($0, longStreams) + index * steps }
    return Batch(streams: selected, lengths: lengths, starts: starts, tokens: tokens)
  }

  private func length(of stream: Int) -> Int {
    longStreams == 0 ? streamLength : spacing + (stream < longStreams ? 1 : 0)
  }
}

extension TokenStream: Dataset {
  public var exampleCount: Int { 1 }
  public var tokenCount: Int { count }

  public func trainingBatches(_ options: BatchOptions) throws -> StreamBatches {
    try StreamBatches(self, streams: Self.streams(options), steps: options.steps, dropLast: options.dropLast)
  }

  /// All of the text, which is the only example.
  public func evaluationBatches(
    _ options: BatchOptions, including includes: (_ example: Int32) -> Bool
  ) -> StreamBatches {
    StreamBatches(evaluating: self, mostStreams: Self.streams(options), steps: options.steps)
  }

  private static func streams(_ options: BatchOptions) -> Int {
    switch options.size {
    case .examples(let streams): streams
    case .tokens(let tokens): max(1, tokens / options.steps)
    }
  }
}
