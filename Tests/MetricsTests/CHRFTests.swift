import Metrics
import Testing

@Suite struct CHRFTests {
  @Test func everyOptionIsThere() throws {
    let cases = try GoldenTexts.load().chrf
    #expect(cases.count == 12)
    #expect(Set(cases.map(\.wordOrder)) == [0, 1, 2])
  }

  @Test(arguments: try GoldenTexts.load().chrf)
  func scoresAreThoseOfSacrebleu(chrfCase: GoldenTexts.CHRFCase) throws {
    let texts = try GoldenTexts.load()
    let metric = chrfCase.metric
    for (name, expected) in chrfCase.corpora {
      let (hypotheses, references) = try texts.corpus(name)
      var tally = CHRFTally()
      for (hypothesis, references) in zip(hypotheses, references) {
        tally += metric.tally(hypothesis: hypothesis, references: references)
      }
      #expect(metric.corpusScore(hypotheses: hypotheses, references: references) == metric.score(tally))
      #expect(
        isClose(metric.score(tally), expected.score), "\(name): \(metric.score(tally)), not \(expected.score)"
      )
      #expect(metric.signature(tally, version: "2.6.0") == expected.signature, "\(name)")
      #expect(metric.name == expected.name)
    }
    let expected = try #require(chrfCase.sentences)
    try #require(expected.count == texts.entries.count)
    for (entry, expected) in zip(texts.entries, expected) {
      let score = metric.sentenceScore(hypothesis: entry.hypothesis, references: entry.references)
      #expect(isClose(score, expected), "\(score), not \(expected): \(entry)")
    }
  }

  @Test func nothingCountedIsZero() {
    #expect(CHRF().score(CHRFTally()) == 0)
    #expect(CHRF(wordOrder: 2).corpusScore(hypotheses: [], references: []) == 0)
  }

  /// Of two references the entry's counts are those of the better one, not a mixture.
  @Test func theBestReferenceCounts() {
    let metric = CHRF()
    let tally = metric.tally(hypothesis: "abcdefg", references: ["xyz", "abcdefg"])
    #expect(isClose(metric.score(tally), 100))
    #expect(
      metric.signature(tally, version: "v") == "nrefs:2|case:mixed|eff:yes|nc:6|nw:0|space:no|version:v")
  }
}
