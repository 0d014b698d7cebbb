/// The language model's arrangement of a text: parallel streams, cut into chunks of steps.
///
/// B streams of the n tokens are read side by side; the target of each token read is the next one. A chunk
/// is the next T steps of every stream; the state of a stream is carried from chunk to chunk.
///
/// - By default every stream has L = ⌊(n - 1) / B⌋ steps and stream b reads tokens bL ..< (b + 1)L, so that
///   every step has a target; the last chunk may be shorter. At most B - 1 tokens at the end are left out.
/// - With `dropLast`, as in TensorFlow's Penn Treebank reader, stream b reads the segment bm ..< (b + 1)m
///   with m = ⌊n / B⌋, and only the ⌊(m - 1) / T⌋ whole chunks of it.
public struct StreamBatches: Sendable, Equatable {
  /// Streams over all ranks, B.
  public let streams: Int
  /// Most steps of a chunk, T.
  public let steps: Int
  /// Steps of each stream in an epoch.
  public let streamLength: Int
  /// Chunks of an epoch.
  public let chunks: Int
  /// Distance between the first tokens of two neighbouring streams.
  private let spacing: Int

  /// Throws `DataError.tooFewTokens` when a stream would have no step.
  ///
  /// - Parameter name: that of the text, for the message.
  public init(
    tokenCount: Int, streams: Int, steps: Int, dropLast: Bool = false, name: String = "the text"
  ) throws {
    precondition(streams > 0 && steps > 0, "streams and steps above 0, not \(streams) and \(steps)")
    self.streams = streams
    self.steps = steps
    if dropLast {
      spacing = tokenCount / streams
      chunks = max(0, spacing - 1) / steps
      streamLength = chunks * steps
    } else {
      spacing = max(0, tokenCount - 1) / streams
      streamLength = spacing
      chunks = (spacing + steps - 1) / steps
    }
    guard streamLength > 0 else {
      throw DataError.tooFewTokens(
        name: name, tokens: tokenCount, streams: streams, steps: steps, wholeChunks: dropLast)
    }
  }

  /// Target tokens of an epoch over all streams.
  public var tokensPerEpoch: Int { streams * streamLength }

  /// The steps of chunk `index`, counted from the beginning of the epoch.
  public func chunk(_ index: Int) -> Range<Int> {
    precondition(index >= 0 && index < chunks, "chunk \(index) of \(chunks)")
    return index * steps..<min((index + 1) * steps, streamLength)
  }

  /// Overwrites `inputs` and `targets` with the tokens of a chunk for a range of all streams.
  ///
  /// Both are time-major, `[steps of the chunk, selected.count]`: one rank passes the streams of its shard.
  public func fill(
    chunk index: Int, streams selected: Range<Int>, from tokens: TokenStream,
    inputs: UnsafeMutableBufferPointer<Int32>, targets: UnsafeMutableBufferPointer<Int32>
  ) {
    precondition(
      selected.lowerBound >= 0 && selected.upperBound <= streams, "streams \(selected) of \(streams)")
    let range = chunk(index)
    precondition(
      min(inputs.count, targets.count) >= range.count * selected.count,
      "room for \(min(inputs.count, targets.count)) tokens, \(range.count * selected.count) to fill")
    for (column, stream) in selected.enumerated() {
      let start = stream * spacing + range.lowerBound
      let width = selected.count
      tokens.copy(start..<start + range.count, into: inputs, offset: column, stride: width)
      tokens.copy(start + 1..<start + 1 + range.count, into: targets, offset: column, stride: width)
    }
  }
}
