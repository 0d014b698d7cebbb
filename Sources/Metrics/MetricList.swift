#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension Metric {
  /// Every metric, in the order of reports. To add a metric, write its file and add it here.
  public static let all: [Metric] = [
    .loss,
    .perplexity,
    .accuracy,
    .f1,
    .exactMatch,
    .tokenErrorRate,
    .characterErrorRate,
    .wordErrorRate,
    .sequenceErrorRate,
    .bleu,
    .chrf,
    .chrfPlusPlus,
    .mse,
    .mae,
    .quantileLoss,
    .persistenceError,
    .seasonalNaiveError,
  ]
}

// Metrics that follow from the summed loss, which every pass computes.

extension Metric {
  public static let loss = Metric(
    "loss", isHigherBetter: false, scale: .decimal, .loss { $0.mean },
    "mean loss per target: -log of its probability in nats, or its squared error")

  public static let perplexity = Metric(
    "perplexity", isHigherBetter: false, scale: .decimal, .probabilities { exp($0.mean) },
    "e to the power of the mean loss per target")
}
