/// Token error rate: edits per reference token, over all entries. Of phonemes it is the phoneme error rate
/// PER.
///
///     rate = Σ distance(output, closest reference) / Σ |closest reference|
///
/// The closest reference of an entry is the one with the least Levenshtein distance; among equally close ones
/// it is the shortest, so that the order in which references are listed changes nothing and the rate is never
/// the flattering one. The rate may exceed 1, since a long output takes more edits than its reference has
/// tokens.
public struct TokenErrorTally: MetricTally, Equatable {
  /// Insertions, deletions and substitutions.
  public private(set) var edits = 0
  /// Tokens of the closest references.
  public private(set) var referenceTokens = 0

  public init() {}

  /// Counts one entry of token ids, or of other tokens whose `==` is to be trusted.
  public mutating func add<Token: Hashable>(output: [Token], references: [[Token]]) {
    precondition(!references.isEmpty, "an entry has at least 1 reference, not \(references.count)")
    var (fewest, length) = (Int.max, Int.max)
    for reference in references {
      let distance = levenshteinDistance(output, reference)
      if (distance, reference.count) < (fewest, length) { (fewest, length) = (distance, reference.count) }
    }
    edits += fewest
    referenceTokens += length
  }

  /// Counts one entry of words, which are equal when their Unicode scalars are.
  public mutating func add(output: [String], references: [[String]]) {
    add(output: output.map { Array($0.utf8) }, references: references.map { $0.map { Array($0.utf8) } })
  }

  /// Counts one entry of text, whose tokens are Unicode scalars: the character error rate.
  public mutating func add(output: String, references: [String]) {
    add(output: scalars(of: output), references: references.map(scalars(of:)))
  }

  /// edits / reference tokens; NaN where nothing was counted, infinite where all references are empty and
  /// some output isn't.
  public var value: Double { share(edits, of: referenceTokens) }

  // MARK: MetricTally

  public static let count = 2
  public var sums: [Double] { [Double(edits), Double(referenceTokens)] }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    (edits, referenceTokens) = (values[0], values[1])
  }
}

/// Word error rate as in grapheme-to-phoneme conversion: the share of entries (words) whose output equals
/// none of the entry's references.
///
/// Not the word error rate of speech recognition: that is a `TokenErrorTally` of words.
public struct WordErrorTally: MetricTally, Equatable {
  public private(set) var wrong = 0
  public private(set) var entries = 0

  public init() {}

  /// Counts one entry.
  public mutating func add(isCorrect: Bool) {
    wrong += isCorrect ? 0 : 1
    entries += 1
  }

  /// Counts one entry of token ids, or of other tokens whose `==` is to be trusted.
  public mutating func add<Token: Equatable>(output: [Token], references: [[Token]]) {
    add(isCorrect: references.contains(output))
  }

  /// Counts one entry of symbols, which are equal when their Unicode scalars are.
  public mutating func add(output: [String], references: [[String]]) {
    add(isCorrect: references.contains { $0.elementsEqual(output, by: areSameScalars) })
  }

  /// Counts one entry of text.
  public mutating func add(output: String, references: [String]) {
    add(isCorrect: references.contains { areSameScalars($0, output) })
  }

  /// wrong / entries, in 0 ... 1; NaN where nothing was counted.
  public var value: Double { share(wrong, of: entries) }

  // MARK: MetricTally

  public static let count = 2
  public var sums: [Double] { [Double(wrong), Double(entries)] }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    (wrong, entries) = (values[0], values[1])
  }
}
