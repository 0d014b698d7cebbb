import Options

/// The options of decoding that do not follow from the model.
public struct DecodingOptions: Options, Hashable {
  /// Hypotheses kept for each sequence; 1: greedy decoding.
  public var beam = 1
  /// Exponent of the length normalization; 0: none.
  public var lengthPenalty = 1.0
  /// Weight of the coverage penalty; 0: none.
  public var coveragePenalty = 0.0
  /// A search ends when this many times `beam` of its hypotheses have ended; nil: when no other can win any more.
  public var patience: Double? = 1
  public var minLength = 0
  public var maxLength = 500
  /// The maximum number of tokens per source token, with ten added to the product; 0: only `maxLength` applies.
  public var maxLengthRatio = 0.0
  /// The length of n-grams that must not occur twice; 0: no limit.
  public var noRepeatNgram = 0
  /// Whether an unknown token is replaced by the source token with the largest attention.
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

  /// The search options for a model with these begin and end marks.
  ///
  /// - Parameter count: the number of hypotheses to return per sequence.
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
        // A begin mark never follows another token.
        excludedTokens: beginToken.map { [$0] } ?? [],
        noRepeatedNgram: noRepeatNgram > 0 ? noRepeatNgram : nil),
      // With a beam of one there is nothing to compare, so the penalty would have no effect.
      lengthPenalty: width > 1 ? lengthPenalty : 0, coveragePenalty: coveragePenalty, patience: patience,
      keepsAttention: keepsAttention || replaceUnknown)
  }
}
