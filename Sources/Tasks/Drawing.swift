import NumericKernels
import RecurrentNN

/// How texts are drawn from a model instead of searched for.
public struct Drawing: Sendable {
  public var options: SamplingOptions
  /// With the number of the line, of the text among those of the line and of the token it decides every draw.
  public var seed: UInt64
  /// The numbers of the lines that are written for next.
  package var lines: [Int] = []

  public init(_ options: SamplingOptions, seed: UInt64) {
    self.options = options
    self.seed = seed
  }

  /// More than a line is ever asked for; numbers of texts are those of lines times this, so that they don't depend on how
  /// many texts are drawn, nor on which lines are computed together.
  private static let textsPerLine: UInt64 = 1 << 16

  /// `count` texts for each line, in the order in which they were drawn, with their log-probabilities as scores.
  ///
  /// - Parameter unknown: a mark of unknown words that is not to be drawn.
  package func texts(
    _ decoder: any StepwiseDecoder<Float>, startTokens: [Int32], count: Int, sourceLengths: [Int]? = nil,
    _ constraints: TokenConstraints, without unknown: Int32? = nil
  ) -> [[Hypothesis<Float>]] {
    var constraints = constraints
    constraints.excludedTokens += unknown.map { [$0] } ?? []
    precondition(
      lines.count == startTokens.count && count < Self.textsPerLine,
      "\(count) texts for each of \(startTokens.count) entries of \(lines.count) lines")
    let numbers = lines.flatMap { line in
      (0..<UInt64(count)).map { UInt64(line) * Self.textsPerLine + $0 }
    }
    return sampleSequences(
      decoder, startTokens: startTokens, textsPerSequence: count, sourceLengths: sourceLengths,
      options: options, constraints: constraints, seed: seed, textNumbers: numbers)
  }
}
