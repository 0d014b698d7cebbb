import Metrics
import Testing

@Suite struct CHRFTests {
  /// The value and the signature for examples and an order of word n-grams.
  private func measured(
    _ examples: [TextExample], wordOrder: Int, _ options: ComparisonOptions
  ) -> (value: Double, signature: String?) {
    func measured<Tally: MetricTally<TextExample>>(_ type: Tally.Type) -> (Double, String?) {
      let tally = Tally.of(examples)
      return (tally.value, tally.signature(options, version: "2.6.0"))
    }
    return wordOrder == 0 ? measured(CHRFTally<NoWords>.self) : measured(CHRFTally<OneOrTwoWords>.self)
  }

  @Test(arguments: try GoldenTexts.load().chrf)
  func scoresAreThoseOfSacrebleu(chrfCase: GoldenTexts.CHRFCase) throws {
    let texts = try GoldenTexts.load()
    let options = chrfCase.options
    for (name, expected) in chrfCase.corpora {
      let found = measured(try texts.corpus(name, options), wordOrder: chrfCase.wordOrder, options)
      #expect(isClose(found.value, expected.score), "\(name): \(found.value), not \(expected.score)")
      #expect(found.signature == "\(expected.name) \(expected.signature)", "\(name)")
    }
    try #require(chrfCase.sentences.count == texts.entries.count)
    for (example, expected) in zip(texts.entries, chrfCase.sentences) {
      let score = measured([TextExample(example, options)], wordOrder: chrfCase.wordOrder, options).value
      #expect(isClose(score, expected), "\(score), not \(expected): \(example)")
    }
  }

  @Test func everyOptionIsThere() throws {
    #expect(try GoldenTexts.load().chrf.map(\.wordOrder) == [0, 0, 2, 2])
    #expect(try GoldenFuzz.load().chrf.map(\.wordOrder) == [0, 0, 2, 2])
  }

  @Test func textsOfAllKindsAreScoredAsBySacrebleu() throws {
    let golden = try GoldenFuzz.load()
    for chrfCase in golden.chrf {
      let options = ComparisonOptions(lowercase: chrfCase.lowercase)
      let scores = golden.corpora(options).map {
        measured($0, wordOrder: chrfCase.wordOrder, options).value
      }
      #expect(scores.elementsEqual(chrfCase.scores, by: isClose), "words \(chrfCase.wordOrder)")
    }
  }

  @Test func nothingCountedIsZero() {
    #expect(CHRFTally<NoWords>().value == 0 && CHRFTally<OneOrTwoWords>().value == 0)
  }

  /// With two references an example has the counts of the better one, not a mixture.
  @Test func theBestReferenceCounts() {
    let tally = CHRFTally<NoWords>.of([TextExample("abcdefg", ["xyz", "abcdefg"])])
    #expect(isClose(tally.value, 100))
    #expect(
      tally.signature(ComparisonOptions(), version: "v")
        == "chrF2 nrefs:2|case:mixed|eff:yes|nc:6|nw:0|space:no|version:v")
  }
}
