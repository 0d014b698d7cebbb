import Testing
import UnicodeText

@testable import Metrics

@Suite struct BLEUTests {
  /// The version of sacrebleu in the golden signatures.
  private static let version = "2.6.0"

  @Test func everyOptionIsThere() throws {
    let texts = try GoldenTexts.load()
    #expect(texts.bleu.count == 8 && texts.entries.count == 100)
    #expect(Set(texts.bleu.map(\.tokenizer)) == Set(BLEUTokenizer.allCases.map(\.rawValue)))
  }

  @Test(arguments: try GoldenTexts.load().bleu)
  func corpusScoresAreThoseOfSacrebleu(bleuCase: GoldenTexts.BLEUCase) throws {
    let options = try bleuCase.options()
    #expect(Set(bleuCase.corpora.keys) == ["all", "one reference", "three references"])
    for (name, expected) in bleuCase.corpora {
      let tally = BLEUTally.of(try GoldenTexts.load().corpus(name, options))
      #expect(isClose(tally.value, expected.score), "\(name): \(tally.value), not \(expected.score)")
      #expect(tally.matches == expected.matches && tally.totals == expected.totals, "\(name)")
      #expect(tally.hypothesisLength == expected.hypothesisLength, "\(name)")
      #expect(tally.referenceLength == expected.referenceLength, "\(name)")
      #expect(tally.signature(options, version: Self.version) == "BLEU \(expected.signature)", "\(name)")
    }
  }

  @Test func textsOfAllKindsAreTokenizedAsBySacrebleu() throws {
    let golden = try GoldenFuzz.load()
    #expect(golden.pairs.count == 500 && golden.tokens.count == BLEUTokenizer.allCases.count)
    for (name, expected) in golden.tokens {
      let tokenizer = try #require(BLEUTokenizer(rawValue: name))
      for (pair, expected) in zip(golden.pairs, expected) {
        let words = tokenizer.tokenized(scalars(of: pair[0]), lowercase: false)
          .split(whereSeparator: isPythonWhiteSpace)
        #expect(fingerprint(Array(words.joined(separator: [0x20]))) == expected, "\(name): \(pair[0])")
      }
    }
  }

  @Test func textsOfAllKindsAreScoredAsBySacrebleu() throws {
    let golden = try GoldenFuzz.load()
    #expect(golden.bleu.count == 8)
    for bleuCase in golden.bleu {
      let options = ComparisonOptions(
        bleuTokenizer: try #require(BLEUTokenizer(rawValue: bleuCase.tokenizer)),
        lowercase: bleuCase.lowercase)
      let scores = golden.corpora(options).map { BLEUTally.of($0).value }
      #expect(scores.elementsEqual(bleuCase.scores, by: isClose), "\(bleuCase.tokenizer)")
    }
  }

  /// The example of the paper's section 2.1: clipped at two, the number of times that a reference has the word.
  @Test func matchesAreClipped() {
    let tally = BLEUTally.of([
      TextExample(
        "the the the the the the the", ["the cat is on the mat", "there is a cat on the mat"],
        ComparisonOptions(bleuTokenizer: .none))
    ])
    #expect(tally.matches == [2, 0, 0, 0])
    #expect(tally.totals == [7, 6, 5, 4])
    #expect(tally.hypothesisLength == 7)
    #expect(tally.referenceLength == 7)
  }

  @Test func equallyCloseReferencesCountTheShorter() {
    for references in [["a b", "a b c d"], ["a b c d", "a b"]] {
      #expect(BLEUTally.of([TextExample("a b c", references)]).referenceLength == 2)
    }
  }

  @Test func canonicallyEquivalentTextsDiffer() {
    let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
    #expect(composed == decomposed)
    #expect(BLEUTally.of([TextExample(composed, [decomposed])]).matches == [0, 0, 0, 0])
    #expect(BLEUTally.of([TextExample(composed, [composed])]).matches == [1, 0, 0, 0])
  }

  @Test func nothingCountedIsZero() {
    #expect(BLEUTally().value == 0)
  }

  /// The texts have enough different words and n-grams that the table of the prefix tree must grow.
  @Test func longTexts() {
    let words = (0..<3000).map { "w\($0 &* 7919 % 3001)" }
    let text = words.joined(separator: " ")
    #expect(isClose(BLEUTally.of([TextExample(text, [words.joined(separator: "  ")])]).value, 100))
    let halves = BLEUTally.of([
      TextExample(
        text, [words[..<1500].joined(separator: " "), words[1500...].joined(separator: " ")])
    ])
    #expect(halves.matches == [3000, 2998, 2996, 2994])
  }
}
