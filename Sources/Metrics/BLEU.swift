/// BLEU (Papineni, Roukos, Ward, Zhu 2002) with the definitions and the default options of sacrebleu (Post
/// 2018), so that a score can be compared with published ones.
///
///     BLEU = 100 · BP · exp(¼ Σₙ log pₙ)
///     pₙ = matches of n-grams / n-grams of the hypotheses, both over the whole corpus  (section 2.1.1)
///     BP = 1 where hypotheses are at least as long as references, else exp(1 - r/c)  (section 2.2.2)
///
/// An n-gram matches at most as often as it is in the reference that has it most often; r sums, over the
/// entries, the length of the reference closest in length to the hypothesis (of two, the shorter).
public struct BLEU: Sendable, Equatable {
  /// What is put in the place of a precision of 0 (Chen and Cherry 2014).
  public enum Smoothing: Sendable, Equatable {
    /// Nothing: one n without matches makes the score 0.
    case none
    /// This many matches (method 1).
    case floor(Double = 0.1)
    /// This many more matches and n-grams of each n above 1, with matches or without (method 2).
    case addK(Double = 1)
    /// 1/2, 1/4, … match for the first, second, … n without matches (method 3, of mteval-v13a.pl): the
    /// default.
    case exponential
  }

  public var tokenizer: BLEUTokenizer
  public var smoothing: Smoothing
  /// Compares in lower case.
  public var lowercase: Bool
  /// Leaves out the n that the hypotheses are too short for; meant for the scores of single sentences.
  public var effectiveOrder: Bool

  public init(
    tokenizer: BLEUTokenizer = .mteval13a, smoothing: Smoothing = .exponential, lowercase: Bool = false,
    effectiveOrder: Bool = false
  ) {
    self.tokenizer = tokenizer
    self.smoothing = smoothing
    self.lowercase = lowercase
    self.effectiveOrder = effectiveOrder
  }

  /// The score of a corpus; `references` holds, for each hypothesis, one or more references.
  public func corpusScore(hypotheses: [String], references: [[String]]) -> BLEUScore {
    precondition(
      hypotheses.count == references.count,
      "references for each hypothesis: \(references.count) for \(hypotheses.count)")
    var sum = BLEUTally()
    for (hypothesis, references) in zip(hypotheses, references) {
      sum += tally(hypothesis: hypothesis, references: references)
    }
    return score(sum)
  }

  /// The score of one sentence. Set `effectiveOrder`, as sacrebleu's `sentence_bleu` does, or every sentence
  /// of fewer than four tokens has the score 0.
  public func sentenceScore(hypothesis: String, references: [String]) -> BLEUScore {
    score(tally(hypothesis: hypothesis, references: references))
  }

  // MARK: - Counting

  /// The counts of one entry with one or more references.
  public func tally(hypothesis: String, references: [String]) -> BLEUTally {
    precondition(!references.isEmpty, "an entry has at least 1 reference, not \(references.count)")
    let texts = ([hypothesis] + references).map(tokenized)
    var ngrams = NGramMatcher(characters: texts.reduce(0) { $0 + $1.count })
    let hypothesis = ngrams.words(texts[0])
    var (closest, difference) = (0, Int.max)
    for text in texts[1...] {
      let reference = ngrams.words(text)
      ngrams.addReference(reference)
      let (length, distance) = (reference.count, abs(reference.count - hypothesis.count))
      if (distance, length) < (difference, closest) { (closest, difference) = (length, distance) }
    }

    var result = BLEUTally()
    result.hypothesisLength = hypothesis.count
    result.referenceLength = closest
    result.matches = ngrams.matches(hypothesis)
    result.totals = (1...BLEUTally.order).map { max(0, hypothesis.count + 1 - $0) }
    result.references.add(references.count)
    return result
  }

  private func tokenized(_ text: String) -> [UInt32] {
    let characters = scalars(of: text)
    return tokenizer.separated(withoutTrailingSpace(lowercase ? lowercased(characters) : characters))
  }
}

/// The n-grams of the references of one entry.
private struct NGramMatcher {
  private static let wordRoot: UInt32 = 0
  private static let ngramRoot: UInt32 = 1

  private var tree: PrefixTree
  /// Of each n-gram, how often it is in the reference that has it most often.
  private var most: NodeCounts
  private var references = 0

  init(characters: Int) {
    // About as many nodes of words as characters, and as many of n-grams.
    tree = PrefixTree(roots: 2, capacity: 2 * characters)
    most = NodeCounts(capacity: 2 * characters)
  }

  /// The tokens of a text as numbers: equal tokens have equal numbers.
  mutating func words(_ text: [UInt32]) -> [UInt32] {
    var result: [UInt32] = []
    var node = Self.wordRoot
    for character in text {
      if !isWhiteSpace(character) {
        node = tree.child(of: node, character)
      } else if node != Self.wordRoot {
        result.append(node)
        node = Self.wordRoot
      }
    }
    if node != Self.wordRoot { result.append(node) }
    return result
  }

  mutating func addReference(_ words: [UInt32]) {
    var counts = NodeCounts(capacity: references == 0 ? 0 : tree.nodeCount + BLEUTally.order * words.count)
    for start in words.indices {
      var node = Self.ngramRoot
      for word in words[start..<min(start + BLEUTally.order, words.count)] {
        node = tree.child(of: node, word)
        // The first reference is the maximum so far.
        if references == 0 { most[node] += 1 } else { counts[node] += 1 }
      }
    }
    if references > 0 { most.formMaximum(counts) }
    references += 1
  }

  /// Of each n, how many n-grams of the hypothesis match. Uses the references up.
  mutating func matches(_ words: [UInt32]) -> [Int] {
    var result = [Int](repeating: 0, count: BLEUTally.order)
    for start in words.indices {
      var node = Self.ngramRoot
      for (n, word) in words[start..<min(start + BLEUTally.order, words.count)].enumerated() {
        guard let next = tree.existingChild(of: node, word) else { break }
        node = next
        guard most[node] > 0 else { continue }
        most[node] -= 1
        result[n] += 1
      }
    }
    return result
  }
}
