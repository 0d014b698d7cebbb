import Metrics
import Testing

/// metrics-text.json: texts, and what sacrebleu says of them.
struct GoldenTexts: Decodable, Sendable {
  struct Entry: Decodable, Sendable {
    var hypothesis: String
    var references: [String]
  }

  struct BLEUCorpus: Decodable, Sendable {
    var score: Double
    var signature: String
    var text: String
    var precisions: [Double]
    var brevityPenalty: Double
    var hypothesisLength: Int
    var referenceLength: Int
  }

  struct BLEUCase: Decodable, Sendable {
    var tokenizer: String
    var lowercase: Bool
    var smoothing: String
    var value: Double?
    var effectiveOrder: Bool
    var corpora: [String: BLEUCorpus]
    var sentences: [Double]?
  }

  struct CHRFCorpus: Decodable, Sendable {
    var score: Double
    var signature: String
    var name: String
  }

  struct CHRFCase: Decodable, Sendable {
    var wordOrder: Int
    var lowercase: Bool
    var whiteSpace: Bool
    var epsilon: Bool
    var corpora: [String: CHRFCorpus]
    var sentences: [Double]?
  }

  var entries: [Entry]
  /// Indices of entries, by the name of the corpus that they make.
  var selections: [String: [Int]]
  var bleu: [BLEUCase]
  var chrf: [CHRFCase]

  private static let file = Result { try golden("text", as: GoldenTexts.self) }

  static func load() throws -> GoldenTexts { try file.get() }

  /// The hypotheses and references of a corpus.
  func corpus(_ name: String) throws -> (hypotheses: [String], references: [[String]]) {
    let chosen = try #require(selections[name]).map { entries[$0] }
    return (chosen.map(\.hypothesis), chosen.map(\.references))
  }
}

extension GoldenTexts.BLEUCase: CustomTestStringConvertible {
  var testDescription: String {
    "\(tokenizer) \(lowercase ? "lc" : "mixed") \(smoothing) \(value ?? -1) eff \(effectiveOrder)"
  }

  func metric() throws -> BLEU {
    let smoothing: BLEU.Smoothing =
      switch self.smoothing {
      case "none": .none
      case "floor": value.map { .floor($0) } ?? .floor()
      case "add-k": value.map { .addK($0) } ?? .addK()
      default: .exponential
      }
    return BLEU(
      tokenizer: try #require(BLEUTokenizer(rawValue: tokenizer)), smoothing: smoothing, lowercase: lowercase,
      effectiveOrder: effectiveOrder)
  }
}

extension GoldenTexts.CHRFCase: CustomTestStringConvertible {
  var testDescription: String { "words \(wordOrder) lc \(lowercase) space \(whiteSpace) epsilon \(epsilon)" }

  var metric: CHRF {
    CHRF(wordOrder: wordOrder, lowercase: lowercase, whiteSpace: whiteSpace, epsilonSmoothing: epsilon)
  }
}
