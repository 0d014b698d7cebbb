import Metrics
import Testing

@Suite struct BLEUTests {
  /// What sacrebleu calls itself in the golden signatures.
  private static let version = "2.6.0"

  @Test func everyOptionIsThere() throws {
    let texts = try GoldenTexts.load()
    #expect(texts.bleu.count == 26 && texts.entries.count == 100)
    #expect(Set(texts.bleu.map(\.tokenizer)) == Set(BLEUTokenizer.allCases.map(\.rawValue)))
    #expect(Set(texts.bleu.map(\.smoothing)) == ["none", "floor", "add-k", "exp"])
  }

  @Test(arguments: try GoldenTexts.load().bleu)
  func corpusScoresAreThoseOfSacrebleu(bleuCase: GoldenTexts.BLEUCase) throws {
    let texts = try GoldenTexts.load()
    let metric = try bleuCase.metric()
    #expect(Set(bleuCase.corpora.keys) == ["all", "one reference", "three references"])
    for (name, expected) in bleuCase.corpora {
      let (hypotheses, references) = try texts.corpus(name)
      var tally = BLEUTally()
      for (hypothesis, references) in zip(hypotheses, references) {
        tally += metric.tally(hypothesis: hypothesis, references: references)
      }
      let score = metric.corpusScore(hypotheses: hypotheses, references: references)
      #expect(metric.score(tally) == score)
      #expect(isClose(score.value, expected.score), "\(name): \(score.value), not \(expected.score)")
      #expect(score.precisions.elementsEqual(expected.precisions, by: isClose), "\(name)")
      #expect(isClose(score.brevityPenalty, expected.brevityPenalty), "\(name)")
      #expect(score.hypothesisLength == expected.hypothesisLength, "\(name)")
      #expect(score.referenceLength == expected.referenceLength, "\(name)")
      #expect("BLEU = \(score)" == expected.text, "\(name)")
      #expect(metric.signature(tally, version: Self.version) == expected.signature, "\(name)")
    }
  }

  @Test(arguments: try GoldenTexts.load().bleu.filter { $0.sentences != nil })
  func sentenceScoresAreThoseOfSacrebleu(bleuCase: GoldenTexts.BLEUCase) throws {
    let texts = try GoldenTexts.load()
    let metric = try bleuCase.metric()
    let expected = try #require(bleuCase.sentences)
    try #require(expected.count == texts.entries.count)
    for (entry, expected) in zip(texts.entries, expected) {
      let score = metric.sentenceScore(hypothesis: entry.hypothesis, references: entry.references).value
      #expect(isClose(score, expected), "\(score), not \(expected): \(entry)")
    }
  }

  /// The example of the paper's section 2.1: clipped at the two times that a reference has the word.
  @Test func matchesAreClipped() {
    let tally = BLEU(tokenizer: .none).tally(
      hypothesis: "the the the the the the the",
      references: ["the cat is on the mat", "there is a cat on the mat"])
    #expect(tally.matches == [2, 0, 0, 0])
    #expect(tally.totals == [7, 6, 5, 4])
    #expect(tally.hypothesisLength == 7)
    #expect(tally.referenceLength == 7)
  }

  @Test func equallyCloseReferencesCountTheShorter() {
    let metric = BLEU(tokenizer: .none)
    for references in [["a b", "a b c d"], ["a b c d", "a b"]] {
      #expect(metric.tally(hypothesis: "a b c", references: references).referenceLength == 2)
    }
  }

  @Test func canonicallyEquivalentTextsDiffer() {
    let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
    #expect(composed == decomposed)
    #expect(BLEU().tally(hypothesis: composed, references: [decomposed]).matches == [0, 0, 0, 0])
    #expect(BLEU().tally(hypothesis: composed, references: [composed]).matches == [1, 0, 0, 0])
  }

  @Test func nothingCountedIsZero() {
    #expect(BLEU().score(BLEUTally()).value == 0)
    #expect(BLEU().corpusScore(hypotheses: [], references: []).lengthRatio == 0)
  }

  /// Enough different words and n-grams that the table of the prefix tree must grow.
  @Test func longTexts() {
    let words = (0..<3000).map { "w\($0 &* 7919 % 3001)" }
    let metric = BLEU(tokenizer: .none)
    let same = metric.sentenceScore(
      hypothesis: words.joined(separator: " "), references: [words.joined(separator: "  ")])
    #expect(isClose(same.value, 100))
    let halves = metric.tally(
      hypothesis: words.joined(separator: " "),
      references: [words[..<1500].joined(separator: " "), words[1500...].joined(separator: " ")])
    #expect(halves.matches == [3000, 2998, 2996, 2994])
  }
}
