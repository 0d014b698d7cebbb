extension Metric {
  public static let mse = Metric(
    "mse", isHigherBetter: false, scale: .significant, .numbers(NumberTally<SquaredError>.self),
    "mean squared error per number, in the units of the data")

  public static let mae = Metric(
    "mae", label: "MAE", isHigherBetter: false, scale: .significant,
    .numbers(NumberTally<AbsoluteError>.self),
    "mean absolute error per number, in the units of the data; of quantiles, of the one nearest to 0.5"
  )
}

extension Metric {
  public static let quantileLoss = Metric(
    "quantile_loss", isHigherBetter: false, scale: .significant, .quantiles(NumberTally<QuantileError>.self),
    "mean quantile (pinball) loss per number and level, in the units of the data (Koenker & Bassett 1978)")

  public static let persistenceError = Metric(
    "persistence_mae", label: "MAE of persistence", isHigherBetter: false, scale: .significant,
    .baseline(NumberTally<PersistenceError>.self), "windows: mean absolute error of the last known value")

  public static let seasonalNaiveError = Metric(
    "seasonal_naive_mae", label: "MAE of seasonal naive", isHigherBetter: false, scale: .significant,
    .baseline(NumberTally<SeasonalNaiveError>.self),
    "windows: mean absolute error of the value one season (data.season) before")
}

/// Predicted numbers with the right ones, in the units of the data.
public struct NumberExample: Sendable {
  /// One for each number of the reference, or one for each of its quantiles, those of a number side by side.
  let predicted: [Float]
  let reference: [Float]
  /// The levels of the quantiles; empty where numbers are predicted.
  let levels: [Double]
  /// Forecasts without a model.
  let persistence: [Float]?
  let seasonalNaive: [Float]?

  public init(
    predicted: [Float], reference: [Float], levels: [Double] = [], persistence: [Float]? = nil,
    seasonalNaive: [Float]? = nil
  ) {
    precondition(
      predicted.count == reference.count * max(1, levels.count),
      "\(predicted.count) predicted numbers for \(reference.count) in the reference")
    (self.predicted, self.reference, self.levels) = (predicted, reference, levels)
    (self.persistence, self.seasonalNaive) = (persistence, seasonalNaive)
  }

  /// One prediction for each number: of quantiles the one nearest to the median.
  fileprivate var points: [Float] {
    guard let middle = levels.indices.min(by: { abs(levels[$0] - 0.5) < abs(levels[$1] - 0.5) }) else {
      return predicted
    }
    return reference.indices.map { predicted[$0 * levels.count + middle] }
  }
}

/// An error of a predicted number.
public protocol NumberError: Sendable {
  /// The errors of an example, and how many there are; nil if it has none.
  static func sum(of example: NumberExample) -> (total: Double, count: Int)?
}

/// The mean of an error over all numbers:
///
///     value = Σ error(predicted, reference) / count
///
/// Its sums are not integers. The evaluation pass adds those of the shards in the order of the shards, so that they have the
/// same bits whichever ranks computed them, but not for another number of shards.
public struct NumberTally<Error: NumberError>: MetricTally, Equatable {
  private var total = 0.0
  private var count = 0.0

  public init() {}

  public mutating func add(_ example: NumberExample) {
    guard let sum = Error.sum(of: example) else { return }
    total += sum.total
    count += Double(sum.count)
  }

  public var value: Double { total / count }
  public var sums: [Double] { [total, count] }

  public init(sums: [Double]) { (total, count) = (sums[0], sums[1]) }
}

/// (predicted - reference)²
public enum SquaredError: NumberError {
  public static func sum(of example: NumberExample) -> (total: Double, count: Int)? {
    errorSum(example.points, example.reference) { $0 * $0 }
  }
}

/// |predicted - reference|
public enum AbsoluteError: NumberError {
  public static func sum(of example: NumberExample) -> (total: Double, count: Int)? {
    errorSum(example.points, example.reference, abs)
  }
}

/// max(q (reference - predicted), (q - 1) (reference - predicted)) at each level q
public enum QuantileError: NumberError {
  public static func sum(of example: NumberExample) -> (total: Double, count: Int)? {
    let levels = example.levels
    guard !levels.isEmpty else { return nil }
    let total = example.predicted.indices.reduce(0.0) { total, index in
      let level = levels[index % levels.count]
      let error = Double(example.reference[index / levels.count]) - Double(example.predicted[index])
      return total + max(level * error, (level - 1) * error)
    }
    return (total, example.predicted.count)
  }
}

/// The absolute error of the last known value.
public enum PersistenceError: NumberError {
  public static func sum(of example: NumberExample) -> (total: Double, count: Int)? {
    example.persistence.map { knownErrorSum($0, example.reference) }
  }
}

/// The absolute error of the value one season before.
public enum SeasonalNaiveError: NumberError {
  public static func sum(of example: NumberExample) -> (total: Double, count: Int)? {
    example.seasonalNaive.map { knownErrorSum($0, example.reference) }
  }
}

/// A function of the differences, summed.
private func errorSum(
  _ predicted: [Float], _ reference: [Float], _ error: (Double) -> Double
) -> (total: Double, count: Int) {
  let total = zip(predicted, reference).reduce(0) { $0 + error(Double($1.0) - Double($1.1)) }
  return (total, reference.count)
}

/// The absolute differences, summed over the forecasts that are known: NaN where they are not.
private func knownErrorSum(_ predicted: [Float], _ reference: [Float]) -> (total: Double, count: Int) {
  let known = reference.indices.filter { !predicted[$0].isNaN }
  return errorSum(known.map { predicted[$0] }, known.map { reference[$0] }, abs)
}
