/// Mean squared error: Σ (prediction - target)² / n over all numbers of all entries.
///
/// Squares are rounded to Double, their sum isn't rounded: the same bits whatever the number of ranks.
public struct SquaredErrorTally: MetricTally, Equatable {
  private var errors = MeanOfTerms()

  public init() {}

  /// Counts one number.
  public mutating func add(prediction: Double, target: Double) {
    let difference = prediction - target
    errors.add(difference * difference)
  }

  /// Counts each number of two equally long rows.
  @inlinable public mutating func add<Number: BinaryFloatingPoint>(
    predictions: some Collection<Number>, targets: some Collection<Number>
  ) {
    precondition(
      predictions.count == targets.count,
      "a prediction for each target: \(predictions.count) for \(targets.count)")
    for (prediction, target) in zip(predictions, targets) {
      add(prediction: Double(prediction), target: Double(target))
    }
  }

  /// How many numbers were counted.
  public var numbers: Int { errors.terms }
  /// The sum of the squares.
  public var sum: Double { errors.sum.value }
  /// The mean squared error; NaN where nothing was counted or a prediction was NaN.
  public var value: Double { errors.mean }
  /// The square root of the mean squared error.
  public var rootMeanSquare: Double { value.squareRoot() }

  // MARK: MetricTally

  public static let count = MeanOfTerms.count
  public var sums: [Double] { errors.sums }
  public init(sums: [Double]) { errors = MeanOfTerms(sums: sums) }
}

/// Mean absolute error: Σ |prediction - target| / n over all numbers of all entries.
///
/// The sum isn't rounded: the same bits whatever the number of ranks.
public struct AbsoluteErrorTally: MetricTally, Equatable {
  private var errors = MeanOfTerms()

  public init() {}

  /// Counts one number.
  public mutating func add(prediction: Double, target: Double) { errors.add(abs(prediction - target)) }

  /// Counts each number of two equally long rows.
  @inlinable public mutating func add<Number: BinaryFloatingPoint>(
    predictions: some Collection<Number>, targets: some Collection<Number>
  ) {
    precondition(
      predictions.count == targets.count,
      "a prediction for each target: \(predictions.count) for \(targets.count)")
    for (prediction, target) in zip(predictions, targets) {
      add(prediction: Double(prediction), target: Double(target))
    }
  }

  /// How many numbers were counted.
  public var numbers: Int { errors.terms }
  /// The sum of the absolute values.
  public var sum: Double { errors.sum.value }
  /// The mean absolute error; NaN where nothing was counted or a prediction was NaN.
  public var value: Double { errors.mean }

  // MARK: MetricTally

  public static let count = MeanOfTerms.count
  public var sums: [Double] { errors.sums }
  public init(sums: [Double]) { errors = MeanOfTerms(sums: sums) }
}

/// An exact sum and the number of its terms.
private struct MeanOfTerms: MetricTally, Equatable {
  var sum = ExactSum()
  var terms = 0

  init() {}

  mutating func add(_ term: Double) {
    sum.add(term)
    terms += 1
  }

  var mean: Double { sum.value / Double(terms) }

  static let count = ExactSum.count + 1
  var sums: [Double] { [Double(terms)] + sum.sums }

  init(sums: [Double]) {
    terms = integers(sums, of: Self.self)[0]
    sum = ExactSum(sums: Array(sums.dropFirst()))
  }
}
