import Configuration
import Datasets
import RecurrentNN
import Testing

@testable import Tasks

/// What an output is compared with, and what is said of how.
@Suite struct OutputJudgeTests {
  private func judged(
    _ tokenization: SequenceTokenization, lowercase: Bool, output: String, references: [String]
  ) throws -> EvaluationResult {
    var options = SequenceOptions(task: .seq2seq, format: .tsv)
    options.source = SequenceTextOptions(tokenization, lowercase: lowercase)
    options.target = options.source
    let text = "The Cat\tthe cat\nA dog\tA Dog\n"
    let corpus = try SequenceCorpus.load(
      SequenceSources(train: .file(.memory(Array(text.utf8), name: "pairs"))), options: options)
    let judge = OutputJudge(try #require(corpus.encoding.target), bleuTokens: .mteval13a)
    var sums = judge.empty
    judge.add(Array(output.utf8), references: references.map { Array($0.utf8) }, to: &sums)
    var result = EvaluationResult(loss: LossSum(), examples: 1)
    judge.describe(sums, in: &result)
    return result
  }

  /// A model of lower case writes "the cat" at best: against "The Cat" that is no error, by any figure.
  @Test(arguments: [SequenceTokenization.word, .space, .char, .byte])
  func lowerCaseCountsInEveryFigure(tokenization: SequenceTokenization) throws {
    let folded = try judged(tokenization, lowercase: true, output: "the cat", references: ["The Cat"])
    #expect(folded[.tokenErrorRate] == 0)
    #expect(folded[.exactMatch] == 1 && folded[.wordErrorRate] == 0)
    let cased = try judged(tokenization, lowercase: false, output: "the cat", references: ["The Cat"])
    let units = tokenization == .word || tokenization == .space ? 2.0 : 7.0
    #expect(cased[.tokenErrorRate] == 2 / units)
    #expect(cased[.exactMatch] == 0)
  }

  /// Bytes are counted as they are, also those that are no text.
  @Test func bytesStayBytes() throws {
    let result = try judged(.byte, lowercase: true, output: "\u{E9}X", references: ["\u{E9}y"])
    #expect(result[.tokenErrorRate] == 1.0 / 3)
  }

  @Test(arguments: [true, false])
  func theSignatureSaysHow(lowercase: Bool) throws {
    let notes = try judged(.word, lowercase: lowercase, output: "the cat sat", references: ["The cat"]).notes
    for name in ["BLEU", "chrF2"] {
      let note = try #require(notes.first { $0.hasPrefix(name + " ") })
      #expect(note.contains(lowercase ? "|case:lc|" : "|case:mixed|"), "\(note)")
      #expect(try /\|version:rnn-dist-\d+\.\d+\.\d+$/.firstMatch(in: note) != nil, "\(note)")
    }
  }
}
