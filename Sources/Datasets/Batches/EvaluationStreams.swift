/// A text cut into parallel streams for scoring, so that every token but the first is predicted exactly once.
///
/// Of n tokens there are n - 1 steps, from each token to the next. They are cut into contiguous segments
/// whose lengths differ by at most one, the longer ones first: at any step the streams still running are the
/// first ones.
public struct EvaluationStreams: Sendable, Equatable {
  /// One segment: its first input token, and its steps.
  public struct Segment: Sendable, Equatable {
    public let start: Int
    public let length: Int
  }

  /// The segments, in the order of the text.
  public let segments: [Segment]

  /// At most `streams` segments, fewer when the text has fewer steps; none for fewer than two tokens.
  public init(tokenCount: Int, streams: Int) {
    precondition(streams > 0, "streams above 0, not \(streams)")
    let steps = max(0, tokenCount - 1)
    let count = min(streams, steps)
    var start = 0
    segments = (0..<count).map { index in
      let length = steps / count + (index < steps % count ? 1 : 0)
      defer { start += length }
      return Segment(start: start, length: length)
    }
  }

  /// Steps of the longest segment.
  public var steps: Int { segments.first?.length ?? 0 }

  /// Target tokens over all segments.
  public var tokens: Int { segments.reduce(0) { $0 + $1.length } }

  /// Number of segments that have a step `step`: the first so many.
  public func active(at step: Int) -> Int {
    segments.firstIndex { $0.length <= step } ?? segments.count
  }

  /// Overwrites `inputs` and `targets` with the tokens of some steps for a range of the segments.
  ///
  /// Both are time-major, `[range.count, selected.count]`; past the end of a segment they are 0.
  public func fill(
    steps range: Range<Int>, streams selected: Range<Int>, from tokens: TokenStream,
    inputs: UnsafeMutableBufferPointer<Int32>, targets: UnsafeMutableBufferPointer<Int32>
  ) {
    let width = selected.count
    precondition(
      min(inputs.count, targets.count) >= range.count * width,
      "room for \(min(inputs.count, targets.count)) tokens, \(range.count * width) to fill")
    for (column, segment) in segments[selected].enumerated() {
      let end = max(range.lowerBound, min(range.upperBound, segment.length))
      let first = segment.start + range.lowerBound
      let count = end - range.lowerBound
      if count > 0 {
        tokens.copy(first..<first + count, into: inputs, offset: column, stride: width)
        tokens.copy(first + 1..<first + 1 + count, into: targets, offset: column, stride: width)
      }
      for step in count..<range.count {
        inputs[step * width + column] = 0
        targets[step * width + column] = 0
      }
    }
  }
}
