extension Metric {
  public static let exactMatch = Metric(
    "exact_match", isHigherBetter: true, .texts(ExactMatchTally.self),
    "share of sources whose best output equals one of their references")

  /// The literature on pronunciation calls this metric word error rate, because its sources are words.
  public static let sequenceErrorRate = Metric(
    "sequence_error_rate", isHigherBetter: false, .texts(SequenceErrorTally.self),
    "share of sources whose best output equals none of their references (the WER of pronunciation)")
}

/// The number of outputs that equal one of their references as a whole.
public struct ExactMatchTally: MetricTally, Equatable {
  fileprivate var matches = 0
  fileprivate var examples = 0

  public init() {}

  public mutating func add(_ example: TextExample) {
    matches += example.references.contains { $0.bytes == example.output.bytes } ? 1 : 0
    examples += 1
  }

  public var value: Double { share(matches, of: examples) }

  public var sums: [Double] { [Double(matches), Double(examples)] }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    (matches, examples) = (values[0], values[1])
  }
}

/// The complement of exact match.
public struct SequenceErrorTally: MetricTally, Equatable {
  private var exact = ExactMatchTally()

  public init() {}

  public mutating func add(_ example: TextExample) { exact.add(example) }

  public var value: Double { share(exact.examples - exact.matches, of: exact.examples) }

  public var sums: [Double] { exact.sums }

  public init(sums: [Double]) { exact = ExactMatchTally(sums: sums) }
}
