import Datasets
import Metrics
import RecurrentNN
import UnicodeText

/// Compares the texts written by a model with their references, by every text metric.
struct TextScorer {
  private let vocabulary: Vocabulary
  private let options: ComparisonOptions
  let metrics = MetricGroup<TextExample>.texts

  init(_ vocabulary: Vocabulary, bleuTokenizer: BLEUTokenizer) {
    self.vocabulary = vocabulary
    // The output of a lower-case model is compared in lower case, and the signatures say so.
    options = ComparisonOptions(bleuTokenizer: bleuTokenizer, lowercase: vocabulary.lowercase)
  }

  /// Returns the sums for some outputs, each compared with the targets of all examples of its group. An output is nil
  /// if the search found no hypothesis.
  func sums(
    of outputs: [[UInt8]?], _ groups: [ArraySlice<Int32>], in split: ExampleSet
  ) -> ScoreSums {
    let examples = zip(outputs, groups).compactMap { output, group in
      output.map { example($0, references: group.compactMap { split.targetTexts?[Int($0)] }.map(Array.init)) }
    }
    return ScoreSums(tallies: metrics.sums(of: examples))
  }

  /// The loss and the metrics of a pass. Text metrics are left out if no text was generated.
  func result(of sums: ScoreSums) -> EvaluationResult {
    guard !sums.tallies.isEmpty else { return EvaluationResult(loss: sums.loss, examples: sums.examples) }
    return EvaluationResult(
      loss: sums.loss, examples: sums.examples, compared: metrics.values(of: sums.tallies),
      notes: metrics.signatures(of: sums.tallies, options, version: "rnn-dist-\(ReleaseVersion.text)"))
  }

  /// Returns the log-probabilities of the tokens of given targets and of their end tokens.
  ///
  /// - Parameters:
  ///   - decoder: the model with the sources of the examples.
  ///   - begin: the token before the first token of every target.
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

  /// The form of a text that the model could have written at best: in the model's case, and with single spaces where
  /// spaces only separate tokens.
  private func compared(_ text: [UInt8]) -> ComparedText {
    var text = text
    if vocabulary.lowercase {
      // A model over bytes only lower-cases A to Z, because other bytes are parts of characters.
      text = vocabulary.unit == .byte ? text.map(lowercasedASCII) : lowercased(utf8: text)
    }
    let space = UInt8(ascii: " ")
    let tokens = vocabulary.units(of: text) ?? text.split(separator: space).map(Array.init)
    let isSeparated = vocabulary.unit == .word || vocabulary.unit == .space
    return ComparedText(isSeparated ? Array(tokens.joined(separator: [space])) : text, tokens: tokens)
  }
}
