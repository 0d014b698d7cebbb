/// chrF, the F-score of character n-grams (Popović 2015), and chrF++, which adds word n-grams (Popović 2017),
/// with the definitions and the default options of sacrebleu.
///
///     chrF = 100 · (1 + β²) · P · R / (β² · P + R)
///
/// P and R are precision and recall, each the mean over the lengths n = 1 ... 6 (chrF++: and the words' 1, 2)
/// that occur in both hypotheses and references. Of several references an entry counts the one that gives its
/// hypothesis the best score.
public struct CHRF: Sendable, Equatable {
  /// The longest n-gram of words: 0 is chrF, 2 is chrF++.
  public let wordOrder: Int
  /// β: recall counts β times as much as precision.
  public let beta: Int
  /// Compares in lower case.
  public var lowercase: Bool
  /// Counts white space in n-grams of characters instead of leaving it out.
  public var whiteSpace: Bool
  /// Takes every length into the mean, those that don't occur with 1e-16, and averages F-scores (as
  /// chrF++.py, Moses and NLTK do).
  public var epsilonSmoothing: Bool

  public init(
    wordOrder: Int = 0, beta: Int = 2, lowercase: Bool = false, whiteSpace: Bool = false,
    epsilonSmoothing: Bool = false
  ) {
    precondition(
      0...CHRFTally.largestWordOrder ~= wordOrder,
      "a word order of 0 ... \(CHRFTally.largestWordOrder), not \(wordOrder)")
    precondition(beta > 0, "a beta above 0, not \(beta)")
    self.wordOrder = wordOrder
    self.beta = beta
    self.lowercase = lowercase
    self.whiteSpace = whiteSpace
    self.epsilonSmoothing = epsilonSmoothing
  }

  /// `chrF2`, `chrF2++`, ….
  public var name: String { "chrF\(beta)" + String(repeating: "+", count: wordOrder) }

  /// The score, in 0 ... 100, of a corpus; `references` holds, for each hypothesis, one or more references.
  public func corpusScore(hypotheses: [String], references: [[String]]) -> Double {
    precondition(
      hypotheses.count == references.count,
      "references for each hypothesis: \(references.count) for \(hypotheses.count)")
    var sum = CHRFTally()
    for (hypothesis, references) in zip(hypotheses, references) {
      sum += tally(hypothesis: hypothesis, references: references)
    }
    return score(sum)
  }

  /// The score, in 0 ... 100, of one sentence.
  public func sentenceScore(hypothesis: String, references: [String]) -> Double {
    score(tally(hypothesis: hypothesis, references: references))
  }

  /// The counts of one entry with one or more references.
  public func tally(hypothesis: String, references: [String]) -> CHRFTally {
    precondition(!references.isEmpty, "an entry has at least 1 reference, not \(references.count)")
    let hypothesis = CHRFText(hypothesis, options: self)
    var (best, bestScore) = (CHRFTally(), -1.0)
    for reference in references {
      let tally = CHRFText(reference, options: self).matched(with: hypothesis)
      let score = score(tally)
      if score > bestScore { (best, bestScore) = (tally, score) }
    }
    best.references.add(references.count)
    return best
  }

  /// The score, in 0 ... 100, of what was counted.
  public func score(_ tally: CHRFTally) -> Double {
    let epsilon = 1e-16
    let factor = Double(beta * beta)
    var (sumOfScores, precision, recall) = (0.0, 0.0, 0.0)
    var occurring = 0
    for counts in tally.ngrams[..<order] {
      let (hypothesis, reference) = (Double(counts.hypothesis), Double(counts.reference))
      let matches = Double(counts.matches)
      let p = hypothesis > 0 ? matches / hypothesis : epsilon
      let r = reference > 0 ? matches / reference : epsilon
      let denominator = factor * p + r
      sumOfScores += denominator > 0 ? (1 + factor) * p * r / denominator : epsilon
      if hypothesis > 0 && reference > 0 {
        (precision, recall) = (precision + p, recall + r)
        occurring += 1
      }
    }
    if epsilonSmoothing { return 100 * sumOfScores / Double(order) }
    guard occurring > 0, precision + recall > 0 else { return 0 }
    precision /= Double(occurring)
    recall /= Double(occurring)
    return 100 * ((1 + factor) * precision * recall / (factor * precision + recall))
  }

  private var order: Int { CHRFTally.characterOrder + wordOrder }

  /// How the score was computed, in the form of sacrebleu 2:
  /// `nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:…`.
  ///
  /// - Parameters:
  ///   - tally: what was counted, for the number of references.
  ///   - version: name and version of this program, such as `rnn-dist-0.1.0`.
  public func signature(_ tally: CHRFTally, version: String) -> String {
    "nrefs:\(tally.references.signature)|case:\(lowercase ? "lc" : "mixed")"
      + "|eff:\(epsilonSmoothing ? "no" : "yes")|nc:\(CHRFTally.characterOrder)|nw:\(wordOrder)"
      + "|space:\(whiteSpace ? "yes" : "no")|version:\(version)"
  }
}

/// A text as chrF sees it.
private struct CHRFText {
  let characters: [UInt32]
  /// Empty where no n-grams of words are counted.
  let words: [ArraySlice<UInt32>]
  let wordOrder: Int

  init(_ text: String, options: CHRF) {
    var all = scalars(of: text)
    if options.lowercase { all = lowercased(all) }
    characters = options.whiteSpace ? all : all.filter { !isWhiteSpace($0) }
    words = options.wordOrder == 0 ? [] : Self.words(all)
    wordOrder = options.wordOrder
  }

  /// The words between white space, with one mark of punctuation at their end, or else at their beginning, as
  /// a word of its own.
  private static func words(_ text: [UInt32]) -> [ArraySlice<UInt32>] {
    text.split(whereSeparator: isWhiteSpace).flatMap { word -> [ArraySlice<UInt32>] in
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

  /// The counts of a hypothesis with this text as its reference.
  func matched(with hypothesis: CHRFText) -> CHRFTally {
    let (characterRoot, wordRoot, wordsRoot): (UInt32, UInt32, UInt32) = (0, 1, 2)
    let capacity = CHRFTally.characterOrder * characters.count + 8 * words.count
    var tree = PrefixTree(roots: 3, capacity: capacity)
    var result = CHRFTally()
    let characterOrder = CHRFTally.characterOrder
    Self.count(
      hypothesis.characters, characters, &tree, characterRoot, into: &result.ngrams[..<characterOrder])

    func numbers(_ words: [ArraySlice<UInt32>]) -> [UInt32] {
      words.map { word in word.reduce(wordRoot) { tree.child(of: $0, $1) } }
    }
    let (hypothesisWords, referenceWords) = (numbers(hypothesis.words), numbers(words))
    let wordLengths = characterOrder..<characterOrder + wordOrder
    Self.count(hypothesisWords, referenceWords, &tree, wordsRoot, into: &result.ngrams[wordLengths])
    return result
  }

  /// Overwrites the counts of n-grams for n = 1 ... `counts.count`.
  private static func count(
    _ hypothesis: [UInt32], _ reference: [UInt32], _ tree: inout PrefixTree, _ root: UInt32,
    into counts: inout ArraySlice<CHRFTally.Counts>
  ) {
    let order = counts.count
    var remaining = NodeCounts(capacity: tree.nodeCount + order * reference.count)
    for start in reference.indices {
      var node = root
      for symbol in reference[start..<min(start + order, reference.count)] {
        node = tree.child(of: node, symbol)
        remaining[node] += 1
      }
    }
    for (n, index) in counts.indices.enumerated() {
      counts[index].reference = max(0, reference.count - n)
      // n-grams that the reference is too short for aren't counted against the hypothesis.
      counts[index].hypothesis = counts[index].reference > 0 ? max(0, hypothesis.count - n) : 0
    }
    for start in hypothesis.indices {
      var node = root
      for (n, symbol) in hypothesis[start..<min(start + order, hypothesis.count)].enumerated() {
        guard let next = tree.existingChild(of: node, symbol) else { break }
        node = next
        guard remaining[node] > 0 else { continue }
        remaining[node] -= 1
        counts[counts.startIndex + n].matches += 1
      }
    }
  }
}
