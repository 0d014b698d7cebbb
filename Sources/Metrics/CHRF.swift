import UnicodeText

extension Metric {
  public static let chrf = Metric(
    "chrf", label: "chrF", isHigherBetter: true, scale: .points, .texts(CHRFTally<NoWords>.self),
    "chrF2 of the corpus, as sacrebleu computes it by default")

  public static let chrfPlusPlus = Metric(
    "chrf++", label: "chrF++", isHigherBetter: true, scale: .points, .texts(CHRFTally<OneOrTwoWords>.self),
    "chrF2++ of the corpus, as sacrebleu computes it with a word order of 2")
}

/// The longest n-gram of words that a kind of chrF counts.
public protocol WordOrder: Sendable {
  static var wordOrder: Int { get }
}

/// chrF.
public enum NoWords: WordOrder { public static let wordOrder = 0 }
/// chrF++.
public enum OneOrTwoWords: WordOrder { public static let wordOrder = 2 }

/// chrF, the F-score of character n-grams (Popović 2015), and chrF++, which adds word n-grams (Popović 2017),
/// with the definitions and the default options of sacrebleu.
///
///     chrF = 100 · (1 + β²) · P · R / (β² · P + R),  β = 2
///
/// P and R are precision and recall, each the mean over the lengths n = 1 ... 6 (chrF++: also n = 1, 2 of words) that
/// occur in both hypotheses and references. If an example has several references, the one with the best score counts.
public struct CHRFTally<Order: WordOrder>: MetricTally, Equatable {
  /// The longest n-gram of characters.
  private static var characterOrder: Int { 6 }

  /// The n-grams of characters and then those of words, both starting with the shortest.
  private var ngrams = [NGramCounts](repeating: NGramCounts(), count: characterOrder + Order.wordOrder)
  private var references = ReferenceCounts()

  public init() {}

  public mutating func add(_ example: TextExample) {
    var numbers = WordNumbers()
    func text(_ text: ComparedText) -> CHRFText {
      CHRFText(
        example.options.lowercase ? lowercased(text.scalars) : text.scalars,
        orders: (Self.characterOrder, Order.wordOrder), &numbers)
    }
    let hypothesis = text(example.output)
    var (best, bestScore) = (ngrams, -1.0)
    for reference in example.references {
      let counts = hypothesis.counts(with: text(reference))
      let score = Self.score(counts)
      if score > bestScore { (best, bestScore) = (counts, score) }
    }
    for (index, counts) in best.enumerated() { ngrams[index] += counts }
    references.add(example.references.count)
  }

  /// The score, from 0 to 100.
  public var value: Double { Self.score(ngrams) }

  private static func score(_ ngrams: [NGramCounts]) -> Double {
    let factor = 4.0  // β²
    var (precision, recall) = (0.0, 0.0)
    var occurring = 0.0
    for counts in ngrams where counts.hypothesis > 0 && counts.reference > 0 {
      precision += share(counts.matches, of: counts.hypothesis)
      recall += share(counts.matches, of: counts.reference)
      occurring += 1
    }
    guard precision + recall > 0 else { return 0 }
    precision /= occurring
    recall /= occurring
    return 100 * ((1 + factor) * precision * recall / (factor * precision + recall))
  }

  /// The signature in the format of sacrebleu 2: `chrF2 nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:…`.
  public func signature(_ options: ComparisonOptions, version: String) -> String? {
    "chrF2" + String(repeating: "+", count: Order.wordOrder)
      + " nrefs:\(references.signature)|case:\(options.lowercase ? "lc" : "mixed")|eff:yes"
      + "|nc:\(Self.characterOrder)|nw:\(Order.wordOrder)|space:no|version:\(version)"
  }

  public var sums: [Double] {
    (ngrams.flatMap { [$0.hypothesis, $0.reference, $0.matches] } + references.integers).map(Double.init)
  }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    ngrams = ngrams.indices.map {
      NGramCounts(hypothesis: values[3 * $0], reference: values[3 * $0 + 1], matches: values[3 * $0 + 2])
    }
    references = ReferenceCounts(integers: Array(values[(3 * ngrams.count)...]))
  }
}

/// The numbers of n-grams of one length in hypotheses, in references, and in both.
private struct NGramCounts: Equatable {
  var hypothesis = 0
  var reference = 0
  var matches = 0

  static func += (sum: inout NGramCounts, other: NGramCounts) {
    sum.hypothesis += other.hypothesis
    sum.reference += other.reference
    sum.matches += other.matches
  }
}

/// A text in the form that chrF counts.
private struct CHRFText {
  /// The n-grams of characters, and then those of words if they are counted.
  private let ngrams: [NGrams]

  /// - Parameters:
  ///   - orders: the longest n-grams of characters and of words. 0: words are not counted.
  ///   - numbers: the numbers of words, the same for the texts that are compared.
  init(_ text: [UInt32], orders: (characters: Int, words: Int), _ numbers: inout WordNumbers) {
    let characters = NGrams(text.filter { !isPythonWhiteSpace($0) }, order: orders.characters)
    guard orders.words > 0 else {
      ngrams = [characters]
      return
    }
    let words = Self.words(text).map { numbers.number($0) }
    ngrams = [characters, NGrams(words, order: orders.words)]
  }

  /// Splits a text into words at white space. A punctuation mark at the end of a word, or else at its beginning,
  /// becomes a separate word.
  private static func words(_ text: [UInt32]) -> [ArraySlice<UInt32>] {
    text.split(whereSeparator: isPythonWhiteSpace).flatMap { word -> [ArraySlice<UInt32>] in
      guard word.count > 1, let first = word.first, let last = word.last else { return [word] }
      if isPunctuation(last) { return [word.dropLast(), word.suffix(1)] }
      if isPunctuation(first) { return [word.prefix(1), word.dropFirst()] }
      return [word]
    }
  }

  /// ASCII's punctuation and symbols.
  private static func isPunctuation(_ character: UInt32) -> Bool {
    switch character {
    case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
    default: false
    }
  }

  /// Returns the counts of this text as a hypothesis: characters first, then words, each for n = 1 ... the order.
  func counts(with reference: CHRFText) -> [NGramCounts] {
    zip(ngrams, reference.ngrams).flatMap { own, other in
      own.matches(in: [other]).enumerated().map { n, matches -> NGramCounts in
        let ofReference = max(0, other.count - n)
        // n-grams longer than the reference don't count against the hypothesis.
        return NGramCounts(
          hypothesis: ofReference > 0 ? max(0, own.count - n) : 0, reference: ofReference, matches: matches)
      }
    }
  }
}
