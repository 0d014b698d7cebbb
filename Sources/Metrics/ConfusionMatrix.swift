/// Precision, recall and F1 of a class, or of the spans of a type. As in scikit-learn and conlleval they are 0 where they would be
/// 0 / 0.
public struct ClassScore: Sendable, Equatable {
  /// Times that the class was predicted where it is the right one.
  public private(set) var correct: Int
  /// Times that it was predicted.
  public private(set) var predicted: Int
  /// Times that it is in the reference.
  public private(set) var reference: Int

  public init(correct: Int = 0, predicted: Int = 0, reference: Int = 0) {
    (self.correct, self.predicted, self.reference) = (correct, predicted, reference)
  }

  public static func += (sum: inout ClassScore, other: ClassScore) {
    sum.correct += other.correct
    sum.predicted += other.predicted
    sum.reference += other.reference
  }

  /// correct / predicted
  public var precision: Double { predicted == 0 ? 0 : share(correct, of: predicted) }
  /// correct / reference
  public var recall: Double { reference == 0 ? 0 : share(correct, of: reference) }
  /// 2 · precision · recall / (precision + recall) = 2 · correct / (predicted + reference)
  public var f1: Double {
    predicted + reference == 0 ? 0 : Double(2 * correct) / Double(predicted + reference)
  }
}

/// The number of times that each class was predicted for each class of the reference. Precision, recall and F1 of every
/// class follow from it (as in scikit-learn's `classification_report`).
///
/// The counts are integers, so the sum over shards does not depend on their order or number. Pairs that never occurred take
/// no memory, because even a tagger with 500 tags confuses few of them.
public struct ConfusionMatrix: Sendable, Equatable {
  /// A class of the reference and a predicted class; -1 is a class that is not in the training data.
  public struct Pair: Sendable, Hashable, Comparable {
    public let reference: Int32
    public let predicted: Int32

    public init(reference: Int32, predicted: Int32) {
      (self.reference, self.predicted) = (reference, predicted)
    }

    public static func < (a: Pair, b: Pair) -> Bool {
      (a.reference, a.predicted) < (b.reference, b.predicted)
    }
  }

  private var counts: [Pair: Int] = [:]

  public init() {}

  public var isEmpty: Bool { counts.isEmpty }

  /// Adds the predicted and the correct labels of a sequence, or of several items. Both arrays must have the same length.
  public mutating func add(predicted: [Int32], reference: [Int32]) {
    precondition(
      predicted.count == reference.count,
      "one label each: \(predicted.count) predicted for \(reference.count) in the reference")
    for (label, expected) in zip(predicted, reference) {
      counts[Pair(reference: expected, predicted: label), default: 0] += 1
    }
  }

  /// Adds a pair that occurred `count` times.
  public mutating func add(_ pair: Pair, count: Int) { counts[pair, default: 0] += count }

  public static func += (sum: inout ConfusionMatrix, other: ConfusionMatrix) {
    sum.counts.merge(other.counts, uniquingKeysWith: +)
  }

  /// The pairs that occurred, sorted by class.
  public var pairs: [(pair: Pair, count: Int)] {
    counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// How often a class was predicted for a class of the reference.
  public subscript(reference reference: Int32, predicted predicted: Int32) -> Int {
    counts[Pair(reference: reference, predicted: predicted)] ?? 0
  }

  /// The scores of the classes 0..<count.
  public func scores(classes count: Int) -> [ClassScore] {
    var (predicted, reference) = ([Int](repeating: 0, count: count), [Int](repeating: 0, count: count))
    for (pair, times) in counts {
      if pair.predicted >= 0 { predicted[Int(pair.predicted)] += times }
      if pair.reference >= 0 { reference[Int(pair.reference)] += times }
    }
    return (0..<count).map { label in
      let id = Int32(label)
      return ClassScore(
        correct: self[reference: id, predicted: id], predicted: predicted[label], reference: reference[label])
    }
  }
}
