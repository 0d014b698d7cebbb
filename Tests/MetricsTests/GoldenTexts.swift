import Metrics
import Testing

/// metrics-text.json: texts, and the scores that sacrebleu gives them.
struct GoldenTexts: Decodable, Sendable {
  struct Example: Decodable, Sendable {
    var hypothesis: String
    var references: [String]
  }

  struct BLEUCorpus: Decodable, Sendable {
    var score: Double
    var signature: String
    var matches: [Int]
    var totals: [Int]
    var hypothesisLength: Int
    var referenceLength: Int
  }

  struct BLEUCase: Decodable, Sendable, CustomTestStringConvertible {
    var tokenizer: String
    var lowercase: Bool
    var corpora: [String: BLEUCorpus]

    var testDescription: String { "\(tokenizer) \(lowercase ? "lc" : "mixed")" }

    func options() throws -> ComparisonOptions {
      ComparisonOptions(
        bleuTokenizer: try #require(BLEUTokenizer(rawValue: tokenizer)), lowercase: lowercase)
    }
  }

  struct CHRFCorpus: Decodable, Sendable {
    var score: Double
    var signature: String
    var name: String
  }

  struct CHRFCase: Decodable, Sendable, CustomTestStringConvertible {
    var wordOrder: Int
    var lowercase: Bool
    var corpora: [String: CHRFCorpus]
    var sentences: [Double]

    var testDescription: String { "words \(wordOrder) lc \(lowercase)" }
    var options: ComparisonOptions { ComparisonOptions(lowercase: lowercase) }
  }

  var entries: [Example]
  /// Indices of entries by the name of the corpus that consists of them.
  var selections: [String: [Int]]
  var bleu: [BLEUCase]
  var chrf: [CHRFCase]

  private static let file = Result { try golden("metrics-text", as: GoldenTexts.self) }

  static func load() throws -> GoldenTexts { try file.get() }

  /// The examples of a corpus.
  func corpus(_ name: String, _ options: ComparisonOptions) throws -> [TextExample] {
    try #require(selections[name]).map { TextExample(entries[$0], options) }
  }
}

/// metrics-fuzz.json: texts of all kinds, and the results of sacrebleu, jiwer, seqeval and Python for them.
struct GoldenFuzz: Decodable, Sendable {
  struct BLEUCase: Decodable, Sendable {
    var tokenizer: String
    var lowercase: Bool
    var scores: [Double]
  }

  struct CHRFCase: Decodable, Sendable {
    var wordOrder: Int
    var lowercase: Bool
    var scores: [Double]
  }

  /// Tags of the words of the hypotheses, with the scores of seqeval.
  struct Tags: Decodable, Sendable {
    var references: [[String]]
    var predictions: [[String]]
    /// Precision, recall and F1 of each corpus.
    var scores: [[Double]]
  }

  var tags: Tags
  /// Hypothesis and reference.
  var pairs: [[String]]
  /// The number of pairs in each corpus that has a score.
  var corpusSize: Int
  /// Fingerprints of the tokenized hypotheses by tokenizer.
  var tokens: [String: [String]]
  var bleu: [BLEUCase]
  var chrf: [CHRFCase]
  /// Fingerprints of the hypotheses in lower case.
  var lowercase: [String]
  /// Edits and length of the reference for each pair.
  var words: [[Double]]
  var characters: [[Double]]

  private static let file = Result { try golden("metrics-fuzz", as: GoldenFuzz.self) }

  static func load() throws -> GoldenFuzz { try file.get() }

  func examples(_ options: ComparisonOptions = ComparisonOptions()) -> [TextExample] {
    pairs.map { TextExample($0[0], [$0[1]], options) }
  }

  /// The pairs cut into corpora.
  func corpora(_ options: ComparisonOptions) -> [[TextExample]] {
    let examples = examples(options)
    return stride(from: 0, to: examples.count, by: corpusSize).map {
      Array(examples[$0..<min($0 + corpusSize, examples.count)])
    }
  }
}

extension TextExample {
  /// An example of texts whose tokens are separated by spaces.
  init(_ output: String, _ references: [String], _ options: ComparisonOptions = ComparisonOptions()) {
    self.init(output: ComparedText(output), references: references.map { ComparedText($0) }, options: options)
  }

  init(_ example: GoldenTexts.Example, _ options: ComparisonOptions = ComparisonOptions()) {
    self.init(example.hypothesis, example.references, options)
  }
}

extension ComparedText {
  init(_ text: String) {
    self.init(Array(text.utf8), tokens: text.utf8.split(separator: 0x20).map(Array.init))
  }
}

extension MetricTally {
  /// The tally of some examples.
  static func of(_ examples: [Example]) -> Self {
    var tally = Self()
    for example in examples { tally.add(example) }
    return tally
  }
}

/// FNV-1a of the UTF-8 of scalars, 64 bits, in hexadecimal, as make_metrics.py writes it.
func fingerprint(_ scalars: [UInt32]) -> String {
  var value: UInt64 = 0xCBF2_9CE4_8422_2325
  for scalar in scalars.compactMap(Unicode.Scalar.init) {
    for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter {
      value = (value ^ UInt64(byte)) &* 0x100_0000_01B3
    }
  }
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}
