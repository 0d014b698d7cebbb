/// Accuracy: how many of the labels, classes or tokens are right.
public struct AccuracyTally: MetricTally, Equatable {
  public private(set) var correct = 0
  public private(set) var total = 0

  public init() {}

  /// Counts one prediction.
  public mutating func add(isCorrect: Bool) { add(correct: isCorrect ? 1 : 0, of: 1) }

  /// Counts `total` predictions, of which `correct` are right.
  public mutating func add(correct: Int, of total: Int) {
    precondition(
      correct >= 0 && correct <= total, "between 0 and \(total) predictions are correct, not \(correct)")
    self.correct += correct
    self.total += total
  }

  /// Counts one prediction for each label of a sequence; the two are equally long, without padding.
  public mutating func add(predicted: [Int32], reference: [Int32]) {
    precondition(
      predicted.count == reference.count,
      "a label each: \(predicted.count) predicted for \(reference.count) in the reference")
    add(correct: zip(predicted, reference).count { $0 == $1 }, of: predicted.count)
  }

  /// correct / total, in 0 ... 1; NaN where nothing was counted.
  public var value: Double { share(correct, of: total) }

  // MARK: MetricTally

  public static let count = 2
  public var sums: [Double] { [Double(correct), Double(total)] }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    (correct, total) = (values[0], values[1])
  }
}
