import UnicodeText

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension Metric {
  public static let bleu = Metric(
    "bleu", label: "BLEU", isHigherBetter: true, scale: .points, .texts(BLEUTally.self),
    "BLEU of the corpus, as sacrebleu computes it by default")
}

/// BLEU (Papineni, Roukos, Ward, Zhu 2002) with the definitions and the default options of sacrebleu (Post
/// 2018), so that scores are comparable with published ones.
///
///     BLEU = 100 · BP · exp(¼ Σₙ log pₙ)
///     pₙ = matches of n-grams / n-grams of the hypotheses, both over the whole corpus  (section 2.1.1)
///     BP = 1 where hypotheses are at least as long as references, else exp(1 - r/c)  (section 2.2.2)
///
/// An n-gram matches at most as often as it occurs in the reference with the most occurrences. r is the sum over the
/// examples of the length of the reference closest in length to the hypothesis (of two, the shorter). A precision of 0
/// is smoothed: 1/2, 1/4, … match for the first, second, … n without matches (method 3 of Chen and Cherry 2014, as in
/// mteval-v13a.pl).
public struct BLEUTally: MetricTally, Equatable {
  /// The longest n-gram.
  static let order = 4

  /// The number of tokens in the hypotheses.
  private(set) var hypothesisLength = 0
  /// The number of tokens in the references, counting the reference closest in length for each example.
  private(set) var referenceLength = 0
  /// For each n, the number of n-grams of the hypotheses that match, counted at most as often as they occur in a
  /// reference.
  private(set) var matches = [Int](repeating: 0, count: order)
  /// For each n, the number of n-grams of the hypotheses.
  private(set) var totals = [Int](repeating: 0, count: order)
  private var references = ReferenceCounts()

  public init() {}

  public mutating func add(_ example: TextExample) {
    var numbers = WordNumbers()
    func ngrams(_ text: ComparedText) -> NGrams {
      let words = example.options.bleuTokenizer.tokenized(text.scalars, lowercase: example.options.lowercase)
        .split(whereSeparator: isPythonWhiteSpace)
      return NGrams(words.map { numbers.number($0) }, order: Self.order)
    }
    let hypothesis = ngrams(example.output)
    let texts = example.references.map(ngrams)
    hypothesisLength += hypothesis.count
    // The length closest to that of the hypothesis; of two, the shorter.
    referenceLength +=
      texts.map(\.count).min {
        (abs($0 - hypothesis.count), $0) < (abs($1 - hypothesis.count), $1)
      } ?? 0
    for (n, count) in hypothesis.matches(in: texts).enumerated() {
      matches[n] += count
      totals[n] += max(0, hypothesis.count - n)
    }
    references.add(example.references.count)
  }

  /// From 0 to 100; 0 if no n-gram matches.
  public var value: Double {
    guard matches.contains(where: { $0 > 0 }) else { return 0 }
    let (length, referenceLength) = (Double(hypothesisLength), Double(referenceLength))
    let brevityPenalty = length < referenceLength ? exp(1 - referenceLength / length) : 1
    return brevityPenalty * exp(smoothedPrecisions.map(Self.logarithm).reduce(0, +) / Double(Self.order))
  }

  /// sacrebleu's logarithm, with its substitute for minus infinity.
  private static func logarithm(_ number: Double) -> Double { number == 0 ? -9_999_999_999 : log(number) }

  /// The precisions in percent; 0 for an n that exceeds the length of all hypotheses.
  private var smoothedPrecisions: [Double] {
    var halves = 1.0
    return zip(matches, totals).map { matches, total in
      if total == 0 { return 0 }
      if matches > 0 { return 100 * Double(matches) / Double(total) }
      halves *= 2
      return 100 / (halves * Double(total))
    }
  }

  /// The signature in the format of sacrebleu 2: `BLEU nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:…`.
  public func signature(_ options: ComparisonOptions, version: String) -> String? {
    "BLEU nrefs:\(references.signature)|case:\(options.lowercase ? "lc" : "mixed")|eff:no"
      + "|tok:\(options.bleuTokenizer.rawValue)|smooth:exp|version:\(version)"
  }

  public var sums: [Double] {
    ([hypothesisLength, referenceLength] + matches + totals + references.integers).map(Double.init)
  }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    (hypothesisLength, referenceLength) = (values[0], values[1])
    matches = Array(values[2..<2 + Self.order])
    totals = Array(values[2 + Self.order..<2 + 2 * Self.order])
    references = ReferenceCounts(integers: Array(values[(2 + 2 * Self.order)...]))
  }
}
