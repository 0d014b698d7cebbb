import Testing

/// Words that the project doesn't use, with the words to write instead. Plain English and the field's standard terms are
/// a rule of CONTRIBUTING.md; this is the part of it that a scan can decide.
struct WordingRule: Sendable, CustomTestStringConvertible {
  /// Where a word counts.
  enum Scope: Sendable { case everywhere, code, prose }

  /// Each is one or several lower-case words, as in `the way back`.
  let phrases: [[String]]
  let instead: String
  var scope: Scope = .everywhere
  /// The phrase is accepted after one of these words.
  var unlessAfter: Set<String> = []
  /// The phrase is accepted before one of these words.
  var unlessBefore: Set<String> = []
  /// If set, the phrase counts only before one of these words or punctuation marks.
  var onlyBefore: Set<String>?

  var testDescription: String { phrases.map { $0.joined(separator: " ") }.joined(separator: ", ") }

  init(
    _ phrases: String..., write instead: String, in scope: Scope = .everywhere,
    unlessAfter: Set<String> = [], unlessBefore: Set<String> = [], onlyBefore: Set<String>? = nil
  ) {
    self.phrases = phrases.map { $0.split(separator: " ").map(String.init) }
    self.instead = instead
    self.scope = scope
    self.unlessAfter = unlessAfter
    self.unlessBefore = unlessBefore
    self.onlyBefore = onlyBefore
  }

  static let all = [
    // Terms of the field.
    WordingRule("first value", "first values", write: "initial value"),
    WordingRule("the way back", "the way there", write: "backward pass, forward pass"),
    WordingRule("reverse memory", write: "backward state"),
    WordingRule("known columns", write: "precomputed columns"),
    WordingRule("random field", "random fields", write: "CRF", unlessAfter: ["conditional"]),
    WordingRule("judge", "judges", "judged", "judging", write: "score, evaluate"),
    WordingRule("partner", "partners", write: "ensemble member"),
    WordingRule("coin", "coins", write: "Bernoulli draw"),
    WordingRule("figure", "figures", write: "metric, result", unlessAfter: ["textbook", "significant"]),
    WordingRule(
      "training entry", "training entries", "validation entry", "validation entries", "test entries",
      write: "example"),
    WordingRule(
      "letter", "letters", write: "character", in: .code, unlessAfter: ["is"], unlessBefore: ["number"]),
    WordingRule(
      "word's letters", "words' letters", "letters of a word", "letters of the word", "letters of its words",
      "words with letters", "words without letters", write: "characters", in: .prose),
    // Nouns that name nothing.
    WordingRule(
      "who", write: "the person or thing itself", in: .prose,
      unlessAfter: ["users", "user", "readers", "reader", "people", "those", "anyone", "developers"]),
    WordingRule("whoever", "whom", "nobody", "somebody", write: "the person or thing itself"),
    WordingRule("so many", write: "the number itself", in: .prose),
    WordingRule(
      "such", write: "the thing itself", in: .prose,
      onlyBefore: [".", ",", ";", ":", ")", "is", "are", "was", "were", "come", "comes", "have", "has"]),
    // Uncommon forms.
    WordingRule("is none", "are none", write: "is not one", in: .prose, unlessAfter: ["there", "if"]),
    WordingRule(
      "is no", "are no", write: "is not a", in: .prose, unlessAfter: ["there"],
      unlessBefore: [
        "longer", "more", "less", "better", "worse", "larger", "smaller", "greater", "fewer", "later",
        "earlier",
      ]),
    WordingRule("stand", "stands", write: "is", in: .prose, unlessBefore: ["for", "-"]),
    WordingRule(
      "a line a file", "one line a file", "one id a step", "one vector a step", "one value a step",
      "a tag a step",
      "a case a row", "an object a line", "one object a line", "one token a line", "a token a line",
      write: "one line per file"),
    WordingRule(
      "anew", "in vain", "by turns", "can be had", write: "again, without success, alternately, is available"),
    WordingRule("passed over", "to blame", write: "skipped, the cause"),
    WordingRule("like in", "like on", "like at", "like with", write: "as in", in: .prose),
    WordingRule("learnt", "spelt", "burnt", write: "learned, spelled, burned"),
  ]

  /// Beginnings of words in British spelling.
  static let britishStems = [
    "normalis", "initialis", "uninitialis", "optimis", "serialis", "synchronis", "tokenis", "organis",
    "recognis", "regularis", "quantis", "vectoris", "standardis", "minimis", "maximis", "summaris",
    "generalis", "parallelis", "factoris", "penalis", "characteris", "categoris", "specialis",
    "behaviour", "neighbour", "colour", "favour", "honour", "labelled", "labelling", "modelling",
    "cancelled", "cancelling", "licence", "artefact", "analyse", "centre",
  ]
}

/// The words and punctuation marks of a text, in lower case, with the names of code separated into their words:
/// `gradientNorm` and `gradient_norm` are two words each.
struct WordList: Sendable {
  /// Words and marks, each with its line from 1.
  private(set) var words: [(text: String, line: Int)] = []
  /// Where each word is in ``words``: looked up once per rule instead of comparing all words.
  private var positions: [String: [Int]] = [:]

  init(lines: [Substring]) {
    for (index, line) in lines.enumerated() { append(line, number: index + 1) }
    for (index, word) in words.enumerated() { positions[word.text, default: []].append(index) }
  }

  /// Returns the lines in which a rule finds one of its phrases. A phrase may go on in the next line.
  func lines(breaking rule: WordingRule) -> [Int] {
    rule.phrases.flatMap { phrase in
      (positions[phrase[0]] ?? []).filter { matches(rule, phrase, at: $0) }.map { words[$0].line }
    }.sorted()
  }

  /// Returns the words in British spelling, with their lines.
  func britishSpellings() -> [(text: String, line: Int)] {
    positions.filter { word, _ in WordingRule.britishStems.contains { word.hasPrefix($0) } }
      .flatMap { $0.value.map { words[$0] } }.sorted { $0.line < $1.line }
  }

  private func matches(_ rule: WordingRule, _ phrase: [String], at index: Int) -> Bool {
    let end = index + phrase.count
    guard end <= words.count else { return false }
    for (offset, word) in phrase.enumerated() where words[index + offset].text != word { return false }
    if index > 0, rule.unlessAfter.contains(words[index - 1].text) { return false }
    let next = end < words.count ? words[end].text : ""
    return !rule.unlessBefore.contains(next) && rule.onlyBefore?.contains(next) != false
  }

  private mutating func append(_ line: Substring, number: Int) {
    var word: [UInt8] = []
    var previous = UInt8(ascii: " ")
    func isLower(_ byte: UInt8) -> Bool { UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || byte > 127 }
    func isUpper(_ byte: UInt8) -> Bool { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte }
    func finish() {
      if !word.isEmpty { words.append((String(decoding: word, as: UTF8.self), number)) }
      word = []
    }
    for byte in line.utf8 {
      if isUpper(byte) {
        if !isUpper(previous) { finish() }
        word.append(byte + 32)
      } else if isLower(byte) || byte == UInt8(ascii: "'") && !word.isEmpty {
        word.append(byte)
      } else {
        finish()
        if ".,;:)-".utf8.contains(byte) { words.append((String(decoding: [byte], as: UTF8.self), number)) }
      }
      previous = byte
    }
    finish()
  }
}
