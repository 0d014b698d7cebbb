extension Metric {
  /// Every metric, in the order of reports. A new metric is its file and one line here.
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
  ]
}
