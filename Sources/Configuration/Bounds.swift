/// The values a number may take, with the words that say so in messages and help.
struct Bounds<Value: Comparable & Sendable>: Sendable, CustomStringConvertible {
  private let allows: @Sendable (Value) -> Bool
  let description: String

  func contains(_ value: Value) -> Bool { allows(value) }

  static func atLeast(_ low: Value) -> Bounds {
    Bounds(allows: { $0 >= low }, description: "at least \(low)")
  }

  static func above(_ low: Value) -> Bounds {
    Bounds(allows: { $0 > low }, description: "above \(low)")
  }

  static func within(_ range: ClosedRange<Value>) -> Bounds {
    Bounds(
      allows: { range.contains($0) },
      description: "from \(range.lowerBound) to \(range.upperBound)")
  }

  /// From `low`, which is allowed, up to `high`, which isn't.
  static func from(_ low: Value, below high: Value) -> Bounds {
    Bounds(allows: { $0 >= low && $0 < high }, description: "at least \(low) and below \(high)")
  }

  /// From `low`, which isn't allowed, up to `high`, which is.
  static func above(_ low: Value, to high: Value) -> Bounds {
    Bounds(allows: { $0 > low && $0 <= high }, description: "above \(low) and at most \(high)")
  }
}
