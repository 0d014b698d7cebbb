import NumericKernels

/// A loss as a SUM over tokens together with their number: sums of shards can be added, means can't.
public struct LossSum: Sendable, Equatable {
  /// Summed cross-entropy, nats.
  public var total: Double
  /// Number of target tokens.
  public var tokens: Int

  public init(total: Double = 0, tokens: Int = 0) {
    self.total = total
    self.tokens = tokens
  }

  /// Nats per token; NaN without tokens.
  public var mean: Double { total / Double(tokens) }
  /// e^mean.
  public var perplexity: Double { RealFunctions.exp(mean) }

  public static func += (sum: inout LossSum, other: LossSum) {
    sum.total += other.total
    sum.tokens += other.tokens
  }
}

/// Options of a loss.
public struct LossOptions: Sendable, Hashable {
  /// Label smoothing ε of a softmax output (Szegedy et al. 2016, section 7), 0 when evaluating: the target is 1 - ε of its
  /// class and ε spread evenly over all classes. Other outputs have none.
  public var labelSmoothing: Double

  public init(labelSmoothing: Double = 0) { self.labelSmoothing = labelSmoothing }
}
