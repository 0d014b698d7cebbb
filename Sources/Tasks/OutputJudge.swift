import Configuration
import Datasets
import Metrics

/// Compares written sequences with their references: exact match, error rates, BLEU and chrF, as sums that can be added
/// over shards.
package struct OutputJudge {
  private let vocabulary: SequenceVocabulary
  private let bleu: BLEU
  private let chrf: CHRF

  package init(_ vocabulary: SequenceVocabulary, bleuTokens: EvaluationConfiguration.BLEUTokens) {
    self.vocabulary = vocabulary
    let tokenizer: BLEUTokenizer =
      switch bleuTokens {
      case .mteval13a: .mteval13a
      case .none: .none
      case .char: .characters
      }
    // What a model of lower case writes is compared in lower case, and the signatures say so.
    bleu = BLEU(tokenizer: tokenizer, lowercase: vocabulary.lowercase)
    chrf = CHRF(lowercase: vocabulary.lowercase)
  }

  private static let counts = [
    ExactMatchTally.count, TokenErrorTally.count, WordErrorTally.count, BLEUTally.count, CHRFTally.count,
  ]

  /// The sums of nothing.
  package var empty: [Double] { Array(repeating: 0, count: Self.counts.reduce(0, +)) }

  /// The sums of outputs, each judged by the targets of all entries of its group; nil where nothing was written.
  package func tally(
    _ outputs: [[UInt8]?], of groups: [ArraySlice<Int32>], in split: ExampleSet
  ) -> [Double] {
    var sums = empty
    for case (let output?, let group) in zip(outputs, groups) {
      add(output, references: group.compactMap { split.targetTexts?[Int($0)] }.map(Array.init), to: &sums)
    }
    return sums
  }

  /// Loss and figures of a pass, without figures where nothing was judged.
  package func result(of sums: ScoreSums) -> EvaluationResult {
    var result = EvaluationResult(loss: sums.loss, examples: sums.examples)
    if !sums.tallies.isEmpty { describe(sums.tallies, in: &result) }
    return result
  }

  /// Adds one output with all its references.
  package func add(_ output: [UInt8], references: [[UInt8]], to sums: inout [Double]) {
    var (exact, tokens, words) = (ExactMatchTally(), TokenErrorTally(), WordErrorTally())
    let (text, texts) = (string(output), references.map(string))
    exact.add(output: text, references: texts)
    words.add(output: text, references: texts)
    tokens.add(output: units(output), references: references.map(units))
    let all =
      exact.sums + tokens.sums + words.sums + bleu.tally(hypothesis: text, references: texts).sums
      + chrf.tally(hypothesis: text, references: texts).sums
    for (index, value) in all.enumerated() { sums[index] += value }
  }

  /// What is compared: the text as the model could have written it at best, in its case and with single spaces where
  /// spaces only separate.
  private func string(_ text: [UInt8]) -> String {
    let plain = String(decoding: text, as: UTF8.self)
    let cased = vocabulary.lowercase ? plain.lowercased() : plain
    guard vocabulary.tokenization == .word || vocabulary.tokenization == .space else { return cased }
    return cased.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  /// The units that error rates count, in the model's case: bytes, characters, symbols or words.
  private func units(_ text: [UInt8]) -> [[UInt8]] {
    let units = vocabulary.units(of: text) ?? string(text).split(separator: " ").map { Array($0.utf8) }
    guard vocabulary.lowercase else { return units }
    // Of bytes a model folds A to Z only: the others are parts of characters.
    guard vocabulary.tokenization != .byte else { return units.map { $0.map(Self.folded) } }
    return units.map { Array(String(decoding: $0, as: UTF8.self).lowercased().utf8) }
  }

  private static func folded(_ byte: UInt8) -> UInt8 {
    UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
  }

  /// Adds the figures of sums to a result.
  package func describe(_ sums: [Double], in result: inout EvaluationResult) {
    var parts: [[Double]] = []
    var first = 0
    for count in Self.counts {
      parts.append(Array(sums[first..<first + count]))
      first += count
    }
    let (bleuTally, chrfTally) = (BLEUTally(sums: parts[3]), CHRFTally(sums: parts[4]))
    result.figures += [
      .init(.exactMatch, ExactMatchTally(sums: parts[0]).value),
      .init(.tokenErrorRate, TokenErrorTally(sums: parts[1]).value),
      .init(.wordErrorRate, WordErrorTally(sums: parts[2]).value),
      .init(.bleu, bleu.score(bleuTally).value), .init(.chrf, chrf.score(chrfTally)),
    ]
    let version = "rnn-dist-\(ReleaseVersion.text)"
    result.notes.append("BLEU " + bleu.signature(bleuTally, version: version))
    result.notes.append("\(chrf.name) " + chrf.signature(chrfTally, version: version))
  }
}
