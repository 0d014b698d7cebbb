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
  private func text(_ symbols: [String]) -> ComparedText {
    ComparedText(Array(symbols.joined(separator: " ").utf8), tokens: symbols.map { Array($0.utf8) })
  }

  @Test func ratesAreThoseOfTheScript() throws {
    let edits: GoldenEdits = try golden("metrics-edits")
    #expect(edits.entries.count > 60)
    let examples = edits.entries.map {
      TextExample(output: text($0.output), references: $0.references.map(text))
    }
    #expect(
      EditTally<Tokens>.of(examples).sums == [Double(edits.edits), Double(edits.referenceTokens)])
    let wrong = Double(edits.wrong) / Double(examples.count)
    #expect(SequenceErrorTally.of(examples).value == wrong)
    #expect(isClose(ExactMatchTally.of(examples).value, 1 - wrong))
  }

  @Test func editsOfWordsAreThoseOfJiwer() throws {
    let golden = try GoldenFuzz.load()
    for (example, expected) in zip(golden.examples(), golden.words) {
      #expect(EditTally<Words>.of([example]).sums == expected, "\(example)")
    }
    let sums = EditTally<Words>.of(golden.examples()).sums
    #expect(sums == [golden.words.reduce(0) { $0 + $1[0] }, golden.words.reduce(0) { $0 + $1[1] }])
  }

  @Test func editsOfCharactersAreThoseOfJiwer() throws {
    let golden = try GoldenFuzz.load()
    for (example, expected) in zip(golden.examples(), golden.characters) {
      #expect(EditTally<Characters>.of([example]).sums == expected, "\(example)")
    }
    #expect(EditTally<Characters>.of([TextExample(" \u{A0}", ["\t a \u{2028}"])]).sums == [1, 1])
  }

  @Test func equallyCloseReferencesCountTheShorter() {
    for references in [["a", "a b c"], ["a b c", "a"]] {
      #expect(EditTally<Tokens>.of([TextExample("a b", references)]).sums == [1, 1])
    }
  }

  /// Unlike other tools, Swift treats the first two as equal. A space before a combining mark is a space.
  @Test(arguments: [("\u{E9}", "e\u{301}"), ("\u{915} \u{93E}", "\u{915} \u{93F}")])
  func textsAreComparedByScalars(output: String, reference: String) {
    let example = TextExample(output, [reference])
    #expect(ExactMatchTally.of([example]).value == 0 && SequenceErrorTally.of([example]).value == 1)
    #expect(EditTally<Tokens>.of([example]).sums.first == 1)
    #expect(EditTally<Words>.of([example]).sums.first == 1)
    #expect(ExactMatchTally.of([TextExample(reference, ["x", reference])]).value == 1)
  }

  /// Bytes that are not UTF-8 are compared unchanged.
  @Test func bytesThatAreNotTextDiffer() {
    let (first, second) = (ComparedText([0x80], tokens: [[0x80]]), ComparedText([0x81], tokens: [[0x81]]))
    #expect(ExactMatchTally.of([TextExample(output: first, references: [second])]).value == 0)
    #expect(EditTally<Tokens>.of([TextExample(output: first, references: [second])]).value == 1)
  }

  @Test func nothingCountedIsNotANumber() {
    #expect(AccuracyTally().value.isNaN)
    #expect(ExactMatchTally().value.isNaN)
    #expect(SequenceErrorTally().value.isNaN)
    #expect(EditTally<Tokens>().value.isNaN)
    #expect(EditTally<Tokens>.of([TextExample("a", [""])]).value == .infinity)
  }

  @Test func accuracy() {
    let tally = AccuracyTally.of([
      LabelExample(predicted: [1, 2, 3], reference: [1, 2, 4]),
      LabelExample(predicted: [1, 2], reference: [1, 3]),
    ])
    #expect(tally.sums == [3, 5] && tally.value == 0.6)
  }
}
