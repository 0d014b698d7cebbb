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
    let lowercase = example.options.lowercase
    let hypothesis = CHRFText(example.output, lowercase: lowercase, countsWords: Order.wordOrder > 0)
    var (best, bestScore) = (ngrams, -1.0)
    for reference in example.references {
      let text = CHRFText(reference, lowercase: lowercase, countsWords: Order.wordOrder > 0)
      let counts = text.matched(
        with: hypothesis, characterOrder: Self.characterOrder, wordOrder: Order.wordOrder)
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
  let characters: [UInt32]
  /// The words; empty if no n-grams of words are counted.
  let words: [ArraySlice<UInt32>]

  init(_ text: ComparedText, lowercase: Bool, countsWords: Bool) {
    let all = lowercase ? lowercased(text.scalars) : text.scalars
    characters = all.filter { !isPythonWhiteSpace($0) }
    words = countsWords ? Self.words(all) : []
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

  /// Returns the counts of a hypothesis with this text as its reference: characters first, then words.
  func matched(with hypothesis: CHRFText, characterOrder: Int, wordOrder: Int) -> [NGramCounts] {
    let (characterRoot, wordRoot, wordsRoot): (UInt32, UInt32, UInt32) = (0, 1, 2)
    var tree = PrefixTree(roots: 3)
    let ofCharacters = Self.counts(
      hypothesis.characters, characters, &tree, root: characterRoot, order: characterOrder)
    func numbers(_ words: [ArraySlice<UInt32>]) -> [UInt32] {
      words.map { word in word.reduce(wordRoot) { tree.child(of: $0, $1) } }
    }
    let (hypothesisWords, referenceWords) = (numbers(hypothesis.words), numbers(words))
    return ofCharacters
      + Self.counts(hypothesisWords, referenceWords, &tree, root: wordsRoot, order: wordOrder)
  }

  /// Returns the counts of n-grams for n = 1 ... `order`.
  private static func counts(
    _ hypothesis: [UInt32], _ reference: [UInt32], _ tree: inout PrefixTree, root: UInt32, order: Int
  ) -> [NGramCounts] {
    var remaining: [UInt32: Int] = [:]
    for start in reference.indices {
      var node = root
      for symbol in reference[start..<min(start + order, reference.count)] {
        node = tree.child(of: node, symbol)
        remaining[node, default: 0] += 1
      }
    }
    var counts = (0..<order).map { n in
      let ofReference = max(0, reference.count - n)
      // n-grams longer than the reference don't count against the hypothesis.
      return NGramCounts(
        hypothesis: ofReference > 0 ? max(0, hypothesis.count - n) : 0, reference: ofReference)
    }
    for start in hypothesis.indices {
      var node = root
      for (n, symbol) in hypothesis[start..<min(start + order, hypothesis.count)].enumerated() {
        guard let next = tree.existingChild(of: node, symbol) else { break }
        node = next
        guard let rest = remaining[node], rest > 0 else { continue }
        remaining[node] = rest - 1
        counts[n].matches += 1
      }
    }
    return counts
  }
}
