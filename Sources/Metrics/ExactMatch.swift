/// Exact match: the share of entries whose output equals the reference as a whole.
///
/// Texts are equal when their Unicode scalars are, as for every other program: "é" of one scalar isn't "é" of
/// two, although Swift's `==` says so. Of several references any will do.
public struct ExactMatchTally: MetricTally, Equatable {
  public private(set) var matches = 0
  public private(set) var entries = 0

  public init() {}

  /// Counts one entry.
  public mutating func add(isMatch: Bool) {
    matches += isMatch ? 1 : 0
    entries += 1
  }

  /// Counts one entry of token ids, or of other tokens whose `==` is to be trusted.
  public mutating func add<Token: Equatable>(output: [Token], references: [[Token]]) {
    add(isMatch: references.contains(output))
  }

  /// Counts one entry of words.
  public mutating func add(output: [String], references: [[String]]) {
    add(isMatch: references.contains { $0.elementsEqual(output, by: areSameScalars) })
  }

  /// Counts one entry of text.
  public mutating func add(output: String, references: [String]) {
    add(isMatch: references.contains { areSameScalars($0, output) })
  }

  /// matches / entries, in 0 ... 1; NaN where nothing was counted.
  public var value: Double { share(matches, of: entries) }

  // MARK: MetricTally

  public static let count = 2
  public var sums: [Double] { [Double(matches), Double(entries)] }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    (matches, entries) = (values[0], values[1])
  }
}

/// Whether two texts consist of the same Unicode scalars; Swift's `==` asks for canonical equivalence only.
func areSameScalars(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }
