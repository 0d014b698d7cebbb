import Datasets
import RecurrentNN
import Testing

@testable import Tasks

/// References of an output, and the signatures of the metrics.
@Suite struct TextScorerTests {
  private func scored(
    _ tokenization: TokenUnit, lowercase: Bool, output: String, references: [String]
  ) throws -> EvaluationResult {
    var data = DataOptions()
    (data.format, data.tokens, data.lowercase, data.validFraction) = (.tsv, tokenization, lowercase, 0)
    let options = ExampleOptions(kind: .paired, data)
    let text = "The Cat\tthe cat\nA dog\tA Dog\n"
    let corpus = try ExampleCorpus.load(
      DataSources(train: .file(.memory(Array(text.utf8), name: "pairs"))), options: options)
    let scorer = TextScorer(try #require(corpus.encoding.target), bleuTokenizer: .mteval13a)
    let example = scorer.example(Array(output.utf8), references: references.map { Array($0.utf8) })
    return scorer.result(of: ScoreSums(examples: 1, tallies: scorer.metrics.sums(of: [example])))
  }

  /// A lower-case model writes "the cat" at best, which no metric counts as an error against "The Cat".
  @Test(arguments: [TokenUnit.word, .space, .char, .byte])
  func lowerCaseCountsInEveryMetric(tokenization: TokenUnit) throws {
    let folded = try scored(tokenization, lowercase: true, output: "the cat", references: ["The Cat"])
    #expect(folded[.tokenErrorRate] == 0)
    #expect(folded[.exactMatch] == 1 && folded[.sequenceErrorRate] == 0)
    #expect(folded[.wordErrorRate] == 0)
    let cased = try scored(tokenization, lowercase: false, output: "the cat", references: ["The Cat"])
    let units = tokenization == .word || tokenization == .space ? 2.0 : 7.0
    #expect(cased[.tokenErrorRate] == 2 / units)
    #expect(cased[.exactMatch] == 0)
  }

  /// A combining mark after a space belongs to the symbol after the space, and a no-break space to its symbol.
  @Test(arguments: [("\u{915} \u{93E}", "\u{915} \u{93F}"), ("a\u{A0}b c", "a\u{A0}d c")])
  func symbolsAreCutAsTheVocabularyCutsThem(output: String, reference: String) throws {
    let result = try scored(.space, lowercase: false, output: output, references: [reference])
    #expect(result[.exactMatch] == 0 && result[.sequenceErrorRate] == 1)
    #expect(result[.tokenErrorRate] == 0.5 && result[.wordErrorRate] == 0.5)
  }

  @Test func theLastSigmaOfAWordHasItsForm() throws {
    let result = try scored(
      .word, lowercase: true, output: "\u{3BF}\u{3B4}\u{3BF}\u{3C2}",
      references: ["\u{39F}\u{394}\u{39F}\u{3A3}"])
    #expect(result[.exactMatch] == 1)
  }

  /// Bytes are counted unchanged, even those that are not UTF-8.
  @Test func bytesStayBytes() throws {
    let result = try scored(.byte, lowercase: true, output: "\u{E9}X", references: ["\u{E9}y"])
    #expect(result[.tokenErrorRate] == 1.0 / 3)
  }

  @Test(arguments: [true, false])
  func theSignatureSaysHow(lowercase: Bool) throws {
    let notes = try scored(.word, lowercase: lowercase, output: "the cat sat", references: ["The cat"]).notes
    for name in ["BLEU", "chrF2"] {
      let note = try #require(notes.first { $0.hasPrefix(name + " ") })
      #expect(note.contains(lowercase ? "|case:lc|" : "|case:mixed|"), "\(note)")
      #expect(try /\|version:rnn-dist-\d+\.\d+\.\d+$/.firstMatch(in: note) != nil, "\(note)")
    }
  }
}
