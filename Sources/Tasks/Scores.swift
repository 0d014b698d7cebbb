import Datasets
import Metrics
import RecurrentNN

/// Sums over held-out data, from which all metrics follow. Shards are added up, whichever rank computed them.
package struct ScoreSums: Equatable {
  package var loss = LossSum()
  /// Examples scored (a text counts as one).
  package var examples = 0
  /// Sources whose outputs were compared.
  package var outputs = 0
  /// Sums that the task knows how to read; of one length for all shards of a pass, or empty.
  package var tallies: [Double] = []
  /// Which classes or tags were predicted for which.
  package var confusion = ConfusionMatrix()

  package static func += (sum: inout ScoreSums, other: ScoreSums) {
    sum.loss += other.loss
    sum.examples += other.examples
    sum.outputs += other.outputs
    sum.confusion += other.confusion
    if sum.tallies.isEmpty {
      sum.tallies = other.tallies
    } else {
      for (index, value) in other.tallies.enumerated() { sum.tallies[index] += value }
    }
  }

  // MARK: Between ranks

  /// The sums as bytes, the same on every machine.
  package var bytes: [UInt8] {
    let words =
      [
        loss.total.bitPattern, UInt64(loss.tokens), UInt64(examples), UInt64(outputs), UInt64(tallies.count),
        UInt64(confusion.pairs.count),
      ] + tallies.map(\.bitPattern)
      + confusion.pairs.flatMap { pair, count in
        [pair.reference, pair.predicted].map { UInt64(bitPattern: Int64($0)) } + [UInt64(count)]
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
    let (tallyCount, pairCount) = (Int(next()), Int(next()))
    tallies = (0..<tallyCount).map { _ in Double(bitPattern: next()) }
    for _ in 0..<pairCount {
      let (reference, predicted) = (Int32(truncatingIfNeeded: next()), Int32(truncatingIfNeeded: next()))
      confusion.add(.init(reference: reference, predicted: predicted), count: Int(next()))
    }
  }

  package init(loss: LossSum = LossSum(), examples: Int = 0, tallies: [Double] = []) {
    (self.loss, self.examples, self.tallies) = (loss, examples, tallies)
  }
}

/// The classes or tags of a scored split, and which of them were predicted for which.
public struct ClassReport: Sendable, Equatable {
  /// In the order of their ids.
  public let names: [String]
  public let confusion: ConfusionMatrix

  /// nil if nothing was compared.
  init?(_ labels: LabelVocabulary, _ confusion: ConfusionMatrix) {
    guard !confusion.isEmpty else { return nil }
    (names, self.confusion) = (labels.names, confusion)
  }

  /// Precision, recall and F1 of each class.
  public var scores: [ConfusionMatrix.ClassScore] { confusion.scores(classes: names.count) }

  /// The name of a class of the reference, which may never have been learned.
  public func name(_ id: Int32) -> String { id >= 0 ? names[Int(id)] : "<never learned>" }
}

/// The metrics of a scored split.
public struct EvaluationResult: Sendable, Equatable {
  public struct MetricValue: Sendable, Equatable {
    public let metric: Metric
    public let value: Double
  }

  /// Summed loss and number of target tokens (or examples, for a task with one target each).
  public let loss: LossSum
  public let examples: Int
  /// The metrics that this task, or this evaluation, has, in the order of `Metric.all`.
  public let metrics: [MetricValue]
  /// Sources whose outputs the metrics compare, where there was a limit.
  public var decoded: Int?
  /// Of classes and tags: which were predicted for which.
  public var classes: ClassReport?
  /// How a metric was computed, where that has a standard notation (BLEU's signature).
  public let notes: [String]

  /// - Parameters:
  ///   - hasPerplexity: whether the loss is that of choices among tokens or classes: e^loss of squared errors
  ///     or independent bits is not a perplexity.
  ///   - numberWidth: numbers in each target, of a model that predicts numbers.
  ///   - compared: metrics that do not follow from the loss.
  package init(
    loss: LossSum, examples: Int, hasPerplexity: Bool = true, numberWidth: Int? = nil,
    compared: [(metric: Metric, value: Double)] = [], notes: [String] = []
  ) {
    (self.loss, self.examples, self.notes) = (loss, examples, notes)
    let mean = MeanLoss(total: loss.total, targets: loss.tokens, width: numberWidth ?? 1)
    let hasLoss = loss.tokens > 0
    metrics = Metric.all.compactMap { metric in
      let value: Double? =
        switch metric.measure {
        case .loss(let value): hasLoss ? value(mean) : nil
        case .probabilities(let value): hasLoss && hasPerplexity ? value(mean) : nil
        case .numbers(let value): hasLoss && numberWidth != nil ? value(mean) : nil
        case .labels, .spans, .texts: compared.first { $0.metric == metric }?.value
        }
      return value.map { MetricValue(metric: metric, value: $0) }
    }
  }

  /// e^loss; nil where that means nothing.
  public var perplexity: Double? { self[.perplexity] }

  /// The metrics besides loss and perplexity.
  public var otherMetrics: [MetricValue] {
    metrics.filter { $0.metric != .loss && $0.metric != .perplexity }
  }

  /// The value of a metric; nil if this task, or this evaluation, does not have it.
  public subscript(metric: Metric) -> Double? { metrics.first { $0.metric == metric }?.value }
}
