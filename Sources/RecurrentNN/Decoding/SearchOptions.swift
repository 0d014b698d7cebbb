import NumericKernels

/// How a beam search compares, keeps and ends hypotheses.
public struct SearchOptions: Sendable, Hashable {
  /// Continuations kept of all that a step could choose from; 1 is greedy decoding.
  public var beamWidth: Int
  /// Hypotheses returned for each sequence, at most beamWidth.
  public var resultCount: Int
  /// What may be written, and how much of it.
  public var constraints: TokenConstraints
  /// α of the length penalty; 0: none. Above 0, longer texts are favoured, and a search goes on as long as a text
  /// of the maximum length could still win: let the maximum follow the length of the source.
  public var lengthPenalty: Double
  /// β of the coverage penalty, for models with attention; 0: none.
  public var coveragePenalty: Double
  /// A sequence is given up when patience · beamWidth of its hypotheses have ended, even if a better one could still
  /// come (Kasai et al. 2022, section 3; most programs use 1); nil: never, the search is exact.
  public var patience: Double?
  /// Keep the attention weights of every token.
  public var keepsAttention: Bool

  /// Requires 1 <= resultCount <= beamWidth, a finite α, a finite β >= 0, and patience · beamWidth >= resultCount.
  public init(
    beamWidth: Int = 1, resultCount: Int = 1, constraints: TokenConstraints, lengthPenalty: Double = 0,
    coveragePenalty: Double = 0, patience: Double? = nil, keepsAttention: Bool = false
  ) {
    self.beamWidth = beamWidth
    self.resultCount = resultCount
    self.constraints = constraints
    self.lengthPenalty = lengthPenalty
    self.coveragePenalty = coveragePenalty
    self.patience = patience
    self.keepsAttention = keepsAttention
  }

  func requireValid() {
    precondition(
      beamWidth >= 1 && (1...beamWidth).contains(resultCount),
      "\(resultCount) results of a beam of width \(beamWidth)")
    precondition(lengthPenalty.isFinite, "a length penalty of \(lengthPenalty)")
    precondition(
      coveragePenalty.isFinite && coveragePenalty >= 0, "a coverage penalty of \(coveragePenalty)")
    precondition(
      endedTexts.map { $0 >= Double(resultCount) } ?? true,
      "a patience of \(patience ?? 0) for \(resultCount) results of a beam of width \(beamWidth)")
  }

  /// Ended hypotheses after which a sequence is given up.
  var endedTexts: Double? { patience.map { $0 * Double(beamWidth) } }

  /// lp(Y) = ((5 + |Y|) / 6)^α, Wu et al. 2016, equation 14; |Y| counts what was predicted, the end mark
  /// included.
  public func lengthPenalty(predictions: Int) -> Double {
    lengthPenalty == 0 ? 1 : RealFunctions.power((5 + Double(predictions)) / 6, lengthPenalty)
  }

  /// The largest score (Wu et al. 2016, equation 14) that a text can still reach whose log-probability has
  /// come down to `logProbability` and which will have so many predictions in the end.
  ///
  /// The log-probability can only fall, the coverage penalty is never above 0, and lp is monotonic in the
  /// length, so the best case is at one end of the range.
  func bestReachable(_ logProbability: Double, predictions: ClosedRange<Int>) -> Double {
    max(
      logProbability / lengthPenalty(predictions: predictions.lowerBound),
      logProbability / lengthPenalty(predictions: predictions.upperBound))
  }
}
