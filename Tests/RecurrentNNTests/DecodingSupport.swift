import NumericKernels
import Testing

@testable import RecurrentNN

/// Compares the result of a search with that of one of the slow searches.
func expectEqual<Element: Scalar>(
  _ found: [Hypothesis<Element>], _ expected: [ReferenceText], within tolerance: Double = 1e-10,
  _ name: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(found.map(\.tokens) == expected.map(\.tokens), name, sourceLocation: sourceLocation)
  #expect(found.map(\.endedByItself) == expected.map(\.hasEnded), name, sourceLocation: sourceLocation)
  guard found.count == expected.count else { return }
  for (ours, theirs) in zip(found, expected) {
    #expect(
      abs(ours.logProbability - theirs.logProbability) < tolerance, name, sourceLocation: sourceLocation)
    #expect(abs(ours.score - theirs.score) < tolerance, name, sourceLocation: sourceLocation)
    #expect(
      ours.tokenLogProbabilities.count == theirs.steps.count
        && zip(ours.tokenLogProbabilities, theirs.steps).allSatisfy { abs($0 - $1) < tolerance }, name,
      sourceLocation: sourceLocation)
  }
}

/// Options whose bounds are numbers of tokens.
func options(
  width: Int, results: Int? = nil, end: Int32? = 0, minimum: Int = 0, maximum: Int, lengthPenalty: Double = 0,
  coveragePenalty: Double = 0, excluded: [Int32] = [], noRepeat: Int? = nil, patience: Double? = nil,
  keepsAttention: Bool = false
) -> SearchOptions {
  SearchOptions(
    beamWidth: width, resultCount: results ?? width,
    constraints: TokenConstraints(
      endToken: end, length: LengthBounds(minimum: minimum, maximum: maximum), excludedTokens: excluded,
      noRepeatedNgram: noRepeat),
    lengthPenalty: lengthPenalty, coveragePenalty: coveragePenalty, patience: patience,
    keepsAttention: keepsAttention)
}

/// Greedy decoding: the most probable token at every step, the lowest id of equal ones, until it is the end mark.
///
/// A beam search of width 1; parameters as in ``beamSearch(_:startTokens:sourceLengths:_:)``.
func greedySearch<Element: Scalar>(
  _ decoder: any StepwiseDecoder<Element>, startTokens: [Int32], sourceLengths: [Int]? = nil,
  constraints: TokenConstraints, keepsAttention: Bool = false
) -> [Hypothesis<Element>] {
  let options = SearchOptions(constraints: constraints, keepsAttention: keepsAttention)
  return beamSearch(decoder, startTokens: startTokens, sourceLengths: sourceLengths, options).map { $0[0] }
}

/// Samples one token from the logits of a row; -1 if none is possible.
///
/// - Parameter uniform: a random number in [0, 1).
func sampleToken<Element: Scalar>(
  from logits: [Element], _ options: SamplingOptions, uniform: Double
) -> Int32 {
  var (logits, weights) = (logits, [Element](repeating: 0, count: 3 * logits.count))
  var (token, uniform) = (Int32(-1), uniform)
  logits.withUnsafeMutableBufferPointer { row in
    weights.withUnsafeMutableBufferPointer { scratch in
      sampleTokens(
        MatrixView(row.baseAddress!, rows: 1, columns: row.count), options, uniforms: &uniform,
        weights: scratch.baseAddress!, into: &token)
    }
  }
  return token
}
