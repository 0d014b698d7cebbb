import Metrics
import Testing

/// metrics-edits.json.
struct GoldenEdits: Decodable {
  struct Entry: Decodable {
    var output: [String]
    var references: [[String]]
  }

  struct Pair: Decodable {
    var a: [Int32]
    var b: [Int32]
    var distance: Int
  }

  var entries: [Entry]
  var edits: Int
  var referenceTokens: Int
  var wrong: Int
  var pairs: [Pair]
}

@Suite struct ErrorRateTests {
  @Test func ratesAreThoseOfTheScript() throws {
    let edits: GoldenEdits = try golden("edits")
    #expect(edits.entries.count > 60)
    var (tokens, words, matches) = (TokenErrorTally(), WordErrorTally(), ExactMatchTally())
    for entry in edits.entries {
      tokens.add(output: entry.output, references: entry.references)
      words.add(output: entry.output, references: entry.references)
      matches.add(output: entry.output, references: entry.references)
    }
    #expect(tokens.edits == edits.edits)
    #expect(tokens.referenceTokens == edits.referenceTokens)
    #expect(tokens.value == Double(edits.edits) / Double(edits.referenceTokens))
    #expect(words.wrong == edits.wrong && words.entries == edits.entries.count)
    #expect(words.value == Double(edits.wrong) / Double(edits.entries.count))
    #expect(isClose(matches.value, 1 - words.value))
  }

  @Test func tokensMayBeIds() {
    var (tokens, words, matches) = (TokenErrorTally(), WordErrorTally(), ExactMatchTally())
    for (output, references) in [([1, 2, 3], [[1, 3], [9]]), ([4], [[4, 4, 4], [4]])]
      as [([Int32], [[Int32]])]
    {
      tokens.add(output: output, references: references)
      words.add(output: output, references: references)
      matches.add(output: output, references: references)
    }
    #expect(tokens.edits == 1 && tokens.referenceTokens == 3)
    #expect(words.value == 0.5)
    #expect(matches.value == 0.5)
  }

  @Test func equallyCloseReferencesCountTheShorter() {
    for references in [[[1], [1, 2, 3]], [[1, 2, 3], [1]]] {
      var tally = TokenErrorTally()
      tally.add(output: [1, 2], references: references)
      #expect(tally.edits == 1 && tally.referenceTokens == 1)
    }
  }

  /// Swift takes the two for equal; no other tool does.
  @Test func textsAreComparedByScalars() {
    let (composed, decomposed) = ("\u{E9}", "e\u{301}")
    var (tokens, words, matches) = (TokenErrorTally(), WordErrorTally(), ExactMatchTally())
    tokens.add(output: composed, references: [decomposed])
    #expect(tokens.edits == 2 && tokens.referenceTokens == 2)
    tokens.add(output: [composed], references: [[decomposed]])
    #expect(tokens.edits == 3 && tokens.referenceTokens == 3)
    words.add(output: composed, references: [decomposed])
    words.add(output: [composed], references: [[decomposed]])
    #expect(words.wrong == 2)
    matches.add(output: composed, references: [decomposed])
    matches.add(output: [composed], references: [[decomposed]])
    #expect(matches.matches == 0)
    matches.add(output: decomposed, references: ["x", decomposed])
    #expect(matches.matches == 1 && matches.entries == 3)
  }

  @Test func nothingIsNoFigure() {
    #expect(AccuracyTally().value.isNaN)
    #expect(ExactMatchTally().value.isNaN)
    #expect(WordErrorTally().value.isNaN)
    #expect(TokenErrorTally().value.isNaN)
    var tokens = TokenErrorTally()
    tokens.add(output: [1], references: [[]])
    #expect(tokens.value == .infinity)
  }

  @Test func accuracy() {
    var tally = AccuracyTally()
    tally.add(predicted: [1, 2, 3], reference: [1, 2, 4])
    tally.add(isCorrect: true)
    tally.add(isCorrect: false)
    tally.add(correct: 5, of: 5)
    #expect(tally.correct == 8 && tally.total == 10)
    #expect(tally.value == 0.8)
  }
}
