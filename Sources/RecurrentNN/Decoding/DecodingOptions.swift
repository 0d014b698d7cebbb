import Options

/// How a decoder writes texts, as far as that does not follow from the model.
public struct DecodingOptions: Options, Hashable {
  /// Hypotheses kept for each sequence; 1: greedy decoding.
  public var beam = 1
  /// Exponent of the length normalization; 0: none.
  public var lengthPenalty = 1.0
  /// Weight of the coverage penalty; 0: none.
  public var coveragePenalty = 0.0
  /// A search ends when this many times `beam` of its hypotheses have ended; nil: when none can win any more.
  public var patience: Double? = 1
  public var minLength = 0
  public var maxLength = 500
  /// Most tokens for each token of the source, plus ten; 0: `maxLength` alone.
  public var maxLengthRatio = 0.0
  /// Length of runs of tokens that must not occur twice; 0: any may.
  public var noRepeatNgram = 0
  /// The source token with the largest attention takes the place of an unknown one.
  public var replaceUnknown = false

  public init() {}

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.beam, .within(1...1000))
    checks.bound(\.lengthPenalty, .within(0...10))
    checks.bound(\.coveragePenalty, .within(0...10))
    checks.bound(\.patience, .within(1...100))
    checks.bound(\.minLength, .within(0...100_000))
    checks.bound(\.maxLength, .within(1...100_000))
    checks.bound(\.maxLengthRatio, .within(0...1000))
    checks.bound(\.noRepeatNgram, .within(0...100))
    if minLength > maxLength {
      checks.refuse(
        \.minLength, with: \.maxLength, because: "\(minLength) is above \(\.maxLength) (\(maxLength))")
    }
  }

  /// The search for a model with these marks of begin and end.
  ///
  /// - Parameter count: hypotheses wanted of each sequence.
  public func search(
    beginToken: Int32?, endToken: Int32?, count: Int = 1, keepsAttention: Bool = false
  ) -> SearchOptions {
    let width = max(beam, count)
    return SearchOptions(
      beamWidth: width, resultCount: count,
      constraints: TokenConstraints(
        endToken: endToken,
        length: LengthBounds(
          minimum: minLength, maximum: maxLength,
          maximumPerSource: maxLengthRatio > 0 ? LinearLength(factor: maxLengthRatio, offset: 10) : nil),
        // A mark of the beginning never follows another token.
        excludedTokens: beginToken.map { [$0] } ?? [],
        noRepeatedNgram: noRepeatNgram > 0 ? noRepeatNgram : nil),
      // A single hypothesis is compared with no other.
      lengthPenalty: width > 1 ? lengthPenalty : 0, coveragePenalty: coveragePenalty, patience: patience,
      keepsAttention: keepsAttention || replaceUnknown)
  }
}
