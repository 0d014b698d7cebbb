import Datasets
import Metrics
import RecurrentNN

/// Sums over held-out data from which all metrics follow. They are added over shards, whichever rank computed them.
package struct ScoreSums: Equatable {
  package var loss = LossSum()
  /// The number of scored examples (a text counts as one).
  package var examples = 0
  /// The number of sources whose outputs were compared.
  package var outputs = 0
  /// Sums that only the task interprets. They have the same length for all shards of a pass, or are empty.
  package var tallies: [Double] = []
  /// Counts of the predicted classes or tags for each correct one.
  package var confusion = ConfusionMatrix()
  /// Spans by type, of tags that mark spans.
  package var spans = SpanCounts()

  package static func += (sum: inout ScoreSums, other: ScoreSums) {
    sum.loss += other.loss
    sum.examples += other.examples
    sum.outputs += other.outputs
    sum.confusion += other.confusion
    sum.spans += other.spans
    if sum.tallies.isEmpty {
      sum.tallies = other.tallies
    } else {
      for (index, value) in other.tallies.enumerated() { sum.tallies[index] += value }
    }
  }

  // MARK: Between ranks

  /// The sums as bytes, in a format that is the same on every machine.
  package var bytes: [UInt8] {
    let words =
      [
        loss.total.bitPattern, UInt64(loss.tokens), UInt64(examples), UInt64(outputs), UInt64(tallies.count),
        UInt64(confusion.pairs.count), UInt64(spans.byType.count),
      ] + tallies.map(\.bitPattern)
      + confusion.pairs.flatMap { pair, count in
        [pair.reference, pair.predicted].map { UInt64(bitPattern: Int64($0)) } + [UInt64(count)]
      }
      + spans.byType.sorted { $0.key < $1.key }.flatMap { type, counts in
        [type, counts.correct, counts.predicted, counts.reference].map { UInt64($0) }
      }
    return words.flatMap { withUnsafeBytes(of: $0.littleEndian, Array.init) }
  }

  /// Reads sums from the front of `bytes` and removes them.
  package init(consuming bytes: inout ArraySlice<UInt8>) {
    func next() -> UInt64 {
      defer { bytes = bytes.dropFirst(8) }
      return bytes.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    let total = Double(bitPattern: next())
    loss = LossSum(total: total, tokens: Int(next()))
    examples = Int(next())
    outputs = Int(next())
    let (tallyCount, pairCount, typeCount) = (Int(next()), Int(next()), Int(next()))
    tallies = (0..<tallyCount).map { _ in Double(bitPattern: next()) }
    for _ in 0..<pairCount {
      let (reference, predicted) = (Int32(truncatingIfNeeded: next()), Int32(truncatingIfNeeded: next()))
      confusion.add(.init(reference: reference, predicted: predicted), count: Int(next()))
    }
    for _ in 0..<typeCount {
      let type = Int(next())
      let (correct, predicted, reference) = (Int(next()), Int(next()), Int(next()))
      spans.add(ClassScore(correct: correct, predicted: predicted, reference: reference), type: type)
    }
  }

  package init(loss: LossSum = LossSum(), examples: Int = 0, tallies: [Double] = []) {
    (self.loss, self.examples, self.tallies) = (loss, examples, tallies)
  }
}

/// The metrics of a scored split.
public struct EvaluationResult: Sendable, Equatable {
  public struct MetricValue: Sendable, Equatable {
    public let metric: Metric
    public let value: Double
  }

  /// The summed loss and the number of target tokens (or of examples, for a task with one target each).
  public let loss: LossSum
  public let examples: Int
  /// The metrics of this task in this evaluation, in the order of `Metric.all`.
  public let metrics: [MetricValue]
  /// The number of sources whose outputs the metrics compare, if there was a limit.
  public var decoded: Int?
  /// The confusion matrix, for classes and tags.
  public var classes: ClassReport?
  /// How a metric was computed, if there is a standard notation for it (BLEU's signature).
  public let notes: [String]

  /// - Parameters:
  ///   - hasPerplexity: whether the loss is that of choices among tokens or classes: e^loss of squared errors
  ///     or independent bits is not a perplexity.
  ///   - compared: metrics that do not follow from the loss.
  package init(
    loss: LossSum, examples: Int, hasPerplexity: Bool = true,
    compared: [(metric: Metric, value: Double)] = [], notes: [String] = []
  ) {
    (self.loss, self.examples, self.notes) = (loss, examples, notes)
    let mean = MeanLoss(total: loss.total, targets: loss.tokens)
    let hasLoss = loss.tokens > 0
    metrics = Metric.all.compactMap { metric in
      let value: Double? =
        switch metric.measure {
        case .loss(let value): hasLoss ? value(mean) : nil
        case .probabilities(let value): hasLoss && hasPerplexity ? value(mean) : nil
        case .numbers, .quantiles, .baseline:
          // Not a number where the data or the model have nothing to compare.
          compared.first { $0.metric == metric && !$0.value.isNaN }?.value
        case .labels, .spans, .texts: compared.first { $0.metric == metric }?.value
        }
      return value.map { MetricValue(metric: metric, value: $0) }
    }
  }

  /// e^loss; nil if it is not a perplexity.
  public var perplexity: Double? { self[.perplexity] }

  /// The metrics other than loss and perplexity.
  public var otherMetrics: [MetricValue] {
    metrics.filter { $0.metric != .loss && $0.metric != .perplexity }
  }

  /// The value of a metric; nil if this task or this evaluation does not have it.
  public subscript(metric: Metric) -> Double? { metrics.first { $0.metric == metric }?.value }
}
