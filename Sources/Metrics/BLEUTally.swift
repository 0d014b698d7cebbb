/// What BLEU counts: lengths, n-grams and matches of n-grams for n = 1 ... 4.
public struct BLEUTally: MetricTally, Equatable {
  /// The longest n-gram.
  public static let order = 4

  /// Tokens of the hypotheses.
  public internal(set) var hypothesisLength = 0
  /// Tokens of the references, of each entry those of the reference closest in length.
  public internal(set) var referenceLength = 0
  /// Of each n, n-grams of the hypotheses that are in a reference, each at most as often as there.
  public internal(set) var matches = [Int](repeating: 0, count: order)
  /// Of each n, n-grams of the hypotheses.
  public internal(set) var totals = [Int](repeating: 0, count: order)
  var references = ReferenceCounts()

  public init() {}

  /// How many entries were counted.
  public var entries: Int { references.entries }

  // MARK: MetricTally

  public static let count = 2 + 2 * order + ReferenceCounts.count

  public var sums: [Double] {
    ([hypothesisLength, referenceLength] + matches + totals + references.integers).map(Double.init)
  }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    (hypothesisLength, referenceLength) = (values[0], values[1])
    matches = Array(values[2..<2 + Self.order])
    totals = Array(values[2 + Self.order..<2 + 2 * Self.order])
    references = ReferenceCounts(integers: Array(values.suffix(ReferenceCounts.count)))
  }
}
