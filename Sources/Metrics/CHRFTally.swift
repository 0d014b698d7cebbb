/// What chrF counts: n-grams of the hypotheses, of the references, and matches, for n = 1 ... 6 of characters
/// and n = 1 ... 2 of words.
public struct CHRFTally: MetricTally, Equatable {
  /// The longest n-gram of characters.
  public static let characterOrder = 6
  /// The longest n-gram of words, which only chrF++ counts.
  public static let largestWordOrder = 2

  /// The n-grams of one length.
  struct Counts: Equatable, Sendable {
    var hypothesis = 0
    var reference = 0
    var matches = 0
  }

  /// Characters first, then words.
  var ngrams = [Counts](repeating: Counts(), count: characterOrder + largestWordOrder)
  var references = ReferenceCounts()

  public init() {}

  /// How many entries were counted.
  public var entries: Int { references.entries }

  // MARK: MetricTally

  public static let count = 3 * (characterOrder + largestWordOrder) + ReferenceCounts.count

  public var sums: [Double] {
    (ngrams.flatMap { [$0.hypothesis, $0.reference, $0.matches] } + references.integers).map(Double.init)
  }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    ngrams = ngrams.indices.map {
      Counts(hypothesis: values[3 * $0], reference: values[3 * $0 + 1], matches: values[3 * $0 + 2])
    }
    references = ReferenceCounts(integers: Array(values.suffix(ReferenceCounts.count)))
  }
}
