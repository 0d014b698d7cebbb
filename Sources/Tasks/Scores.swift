import Configuration
import RecurrentNN

/// Sums over held-out data, from which all figures follow: shards add them up, whatever rank computed them.
package struct ScoreSums: Equatable {
  package var loss = LossSum()
  /// Entries scored (a text counts as one).
  package var examples = 0
  /// Sums that the task knows how to read; of one length for all shards of a pass, or empty.
  package var tallies: [Double] = []

  package static func += (sum: inout ScoreSums, other: ScoreSums) {
    sum.loss += other.loss
    sum.examples += other.examples
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
      [loss.total.bitPattern, UInt64(loss.tokens), UInt64(examples), UInt64(tallies.count)]
      + tallies.map(\.bitPattern)
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
    tallies = (0..<Int(next())).map { _ in Double(bitPattern: next()) }
  }

  package init(loss: LossSum = LossSum(), examples: Int = 0, tallies: [Double] = []) {
    (self.loss, self.examples, self.tallies) = (loss, examples, tallies)
  }
}

/// The figures of a scored split.
public struct EvaluationResult: Sendable, Equatable {
  /// One figure.
  public struct Figure: Sendable, Equatable {
    public var metric: EvaluationConfiguration.Metric
    public var value: Double

    public init(_ metric: EvaluationConfiguration.Metric, _ value: Double) {
      (self.metric, self.value) = (metric, value)
    }
  }

  /// Summed loss and number of target tokens (or entries, for a task with one target each).
  public var loss: LossSum
  public var examples: Int
  /// Whether the loss is that of choices among tokens or classes: e^loss of squared errors or independent bits is no
  /// perplexity.
  public var hasPerplexity = true
  /// Further figures, beside loss and perplexity.
  public var figures: [Figure]
  /// Sources whose outputs the figures compare, where these are not all.
  public var decoded: Int?
  /// How a figure was computed, where that has a standard notation (BLEU's signature).
  public var notes: [String]

  public init(loss: LossSum, examples: Int, figures: [Figure] = [], notes: [String] = []) {
    (self.loss, self.examples, self.figures, self.notes) = (loss, examples, figures, notes)
  }

  /// e^loss; nil where that means nothing.
  public var perplexity: Double? { hasPerplexity && loss.tokens > 0 ? loss.perplexity : nil }

  /// The figures there are.
  public var metrics: [EvaluationConfiguration.Metric] {
    EvaluationConfiguration.Metric.allCases.filter { self[$0] != nil }
  }

  /// A figure; nil if this task, or this evaluation, has none.
  public subscript(metric: EvaluationConfiguration.Metric) -> Double? {
    switch metric {
    case .loss: loss.tokens > 0 ? loss.mean : nil
    case .perplexity: perplexity
    default: figures.first { $0.metric == metric }?.value
    }
  }
}
