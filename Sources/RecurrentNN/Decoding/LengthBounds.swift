/// A length that depends on that of the source: a |X| + b tokens.
public struct LinearLength: Sendable, Hashable {
  /// a, tokens for each position of the source.
  public var factor: Double
  /// b, tokens.
  public var offset: Double

  /// Requires finite numbers.
  public init(factor: Double, offset: Double = 0) {
    precondition(factor.isFinite && offset.isFinite, "a length of \(factor) |X| + \(offset)")
    self.factor = factor
    self.offset = offset
  }

  func tokens(sourceLength: Int) -> Double { factor * Double(sourceLength) + offset }
}

/// How many tokens a text may have, its end mark not counted.
public struct LengthBounds: Sendable, Hashable {
  /// No text ends before it has so many tokens.
  public var minimum: Int
  /// No text has more tokens.
  public var maximum: Int
  /// A minimum by the length of the source, rounded up; the larger of both minimums counts.
  public var minimumPerSource: LinearLength?
  /// A maximum by the length of the source, rounded down; the smaller of both maximums counts.
  public var maximumPerSource: LinearLength?

  /// Requires 0 <= minimum and 0 <= maximum.
  public init(
    minimum: Int = 0, maximum: Int, minimumPerSource: LinearLength? = nil,
    maximumPerSource: LinearLength? = nil
  ) {
    precondition(minimum >= 0 && maximum >= 0, "lengths of \(minimum) to \(maximum) tokens")
    self.minimum = minimum
    self.maximum = maximum
    self.minimumPerSource = minimumPerSource
    self.maximumPerSource = maximumPerSource
  }

  /// The numbers of tokens a text may have that is made from a source of `sourceLength` positions. Where the
  /// bounds contradict each other the maximum wins. A bound by source requires a length.
  func range(sourceLength: Int?) -> ClosedRange<Int> {
    precondition(
      sourceLength != nil || (minimumPerSource == nil && maximumPerSource == nil),
      "a length that depends on that of the source, and no length of the source")
    var (shortest, longest) = (minimum, maximum)
    if let sourceLength {
      if let bound = minimumPerSource { shortest = max(shortest, Self.whole(bound, sourceLength, .up)) }
      if let bound = maximumPerSource { longest = min(longest, Self.whole(bound, sourceLength, .down)) }
    }
    return min(shortest, longest)...longest
  }

  private static func whole(
    _ bound: LinearLength, _ sourceLength: Int, _ rule: FloatingPointRoundingRule
  ) -> Int {
    Int(min(max(0, bound.tokens(sourceLength: sourceLength).rounded(rule)), Double(Int32.max)))
  }
}
