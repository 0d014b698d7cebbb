import Datasets
import Metrics
import RecurrentNN
import UnicodeText

/// Compares the texts that a model writes with their references, by every metric of texts.
struct TextScorer {
  private let vocabulary: Vocabulary
  private let options: ComparisonOptions
  let metrics = MetricGroup<TextExample>.texts

  init(_ vocabulary: Vocabulary, bleuTokenizer: BLEUTokenizer) {
    self.vocabulary = vocabulary
    // A model of lower case is compared in lower case, and the signatures say so.
    options = ComparisonOptions(bleuTokenizer: bleuTokenizer, lowercase: vocabulary.lowercase)
  }

  /// The sums of outputs, each compared with the targets of all examples of its group. An output is nil where
  /// the search found none.
  func sums(
    of outputs: [[UInt8]?], _ groups: [ArraySlice<Int32>], in split: ExampleSet
  ) -> ScoreSums {
    let examples = zip(outputs, groups).compactMap { output, group in
      output.map { example($0, references: group.compactMap { split.targetTexts?[Int($0)] }.map(Array.init)) }
    }
    return ScoreSums(tallies: metrics.sums(of: examples))
  }

  /// The loss and the metrics of a pass, without those of texts where no text was written.
  func result(of sums: ScoreSums) -> EvaluationResult {
    guard !sums.tallies.isEmpty else { return EvaluationResult(loss: sums.loss, examples: sums.examples) }
    return EvaluationResult(
      loss: sums.loss, examples: sums.examples, compared: metrics.values(of: sums.tallies),
      notes: metrics.signatures(of: sums.tallies, options, version: "rnn-dist-\(ReleaseVersion.text)"))
  }

  /// The log-probabilities of the tokens of given targets and of their ends.
  ///
  /// - Parameters:
  ///   - decoder: the model with the sources of the examples.
  ///   - begin: the token that every target begins after.
  func scores(
    of examples: [Int32], in split: ExampleSet, _ decoder: any StepwiseDecoder<Float>, begin: Int32
  ) -> [TargetScore] {
    guard let targets = split.target?.tokenSequences, let end = vocabulary.endOfSentence else { return [] }
    let texts = examples.map { Array(targets[Int($0)]) }
    let begins = [Int32](repeating: begin, count: texts.count)
    return zip(texts, forcedLogProbabilities(decoder, startTokens: begins, targets: texts, endToken: end)).map
    {
      TargetScore(ScoredToken.list($0 + [end], $1, vocabulary))
    }
  }

  func example(_ output: [UInt8], references: [[UInt8]]) -> TextExample {
    TextExample(output: compared(output), references: references.map(compared), options: options)
  }

  /// A text as the model could have written it at best: in its case, and with single spaces where spaces only
  /// separate tokens.
  private func compared(_ text: [UInt8]) -> ComparedText {
    var text = text
    if vocabulary.lowercase {
      // A model over bytes lowers only A to Z, because other bytes are parts of characters.
      text = vocabulary.unit == .byte ? text.map(lowercasedASCII) : lowercased(utf8: text)
    }
    let space = UInt8(ascii: " ")
    let tokens = vocabulary.units(of: text) ?? text.split(separator: space).map(Array.init)
    let isSeparated = vocabulary.unit == .word || vocabulary.unit == .space
    return ComparedText(isSeparated ? Array(tokens.joined(separator: [space])) : text, tokens: tokens)
  }
}
