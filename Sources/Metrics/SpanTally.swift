/// Spans that were found, are there, and were found rightly: precision, recall and F1.
///
/// conlleval gives the three in percent; here they are shares. As in conlleval they are 0 where they would be
/// 0 / 0.
public struct SpanCounts: MetricTally, Equatable {
  /// Predicted spans that are in the reference with the same beginning, end and type.
  public internal(set) var correct = 0
  public internal(set) var predicted = 0
  public internal(set) var reference = 0

  public init() {}

  /// correct / predicted
  public var precision: Double { predicted == 0 ? 0 : share(correct, of: predicted) }
  /// correct / reference
  public var recall: Double { reference == 0 ? 0 : share(correct, of: reference) }

  /// 2 · precision · recall / (precision + recall)
  public var f1: Double {
    let (precision, recall) = (precision, recall)
    return precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall)
  }

  // MARK: MetricTally

  public static let count = 3
  public var sums: [Double] { [correct, predicted, reference].map(Double.init) }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    (correct, predicted, reference) = (values[0], values[1], values[2])
  }
}

/// Span F1 over all types, and the accuracy of the labels, as conlleval counts them.
public struct SpanTally: MetricTally, Equatable {
  public private(set) var spans = SpanCounts()
  /// How many labels are right.
  public private(set) var labels = AccuracyTally()

  public init() {}

  /// Counts one sentence of label ids; both are equally long, without padding.
  public mutating func add(predicted: [Int32], reference: [Int32], labels: SpanLabels) {
    add(predicted: predicted, reference: reference, labels: labels) { _, _ in }
  }

  /// The same, telling `report` of each count and the index of its type.
  mutating func add(
    predicted: [Int32], reference: [Int32], labels: SpanLabels,
    report: (WritableKeyPath<SpanCounts, Int>, Int) -> Void
  ) {
    precondition(
      predicted.count == reference.count,
      "a label each: \(predicted.count) predicted for \(reference.count) in the reference")
    func count(_ what: WritableKeyPath<SpanCounts, Int>, _ type: Int) {
      spans[keyPath: what] += 1
      report(what, type)
    }
    // Both sequences at once: a span is right as long as both began it and neither ended it alone.
    var isRight = false
    var (before, beforeReference) = (SpanLabels.Label.outside(labels), SpanLabels.Label.outside(labels))
    for position in 0...reference.count {
      let (label, referenceLabel) =
        (labels.label(at: position, of: predicted), labels.label(at: position, of: reference))
      let step = SpanLabels.Step(from: before, to: label)
      let referenceStep = SpanLabels.Step(from: beforeReference, to: referenceLabel)
      if isRight && step.ends && referenceStep.ends { count(\.correct, beforeReference.type) }
      if step.ends || referenceStep.ends { isRight = false }
      if step.begins { count(\.predicted, label.type) }
      if referenceStep.begins { count(\.reference, referenceLabel.type) }
      if step.begins && referenceStep.begins && label.type == referenceLabel.type { isRight = true }
      (before, beforeReference) = (label, referenceLabel)
    }
    self.labels.add(predicted: predicted, reference: reference)
  }

  public var precision: Double { spans.precision }
  public var recall: Double { spans.recall }
  /// The F1 of all spans, whatever their type (conlleval's FB1, micro-averaged).
  public var f1: Double { spans.f1 }
  /// The share of labels that are right.
  public var accuracy: Double { labels.value }

  // MARK: MetricTally

  public static let count = SpanCounts.count + AccuracyTally.count
  public var sums: [Double] { spans.sums + labels.sums }

  public init(sums: [Double]) {
    precondition(sums.count == Self.count, "\(Self.self) has \(Self.count) sums, not \(sums.count)")
    spans = SpanCounts(sums: Array(sums.prefix(SpanCounts.count)))
    labels = AccuracyTally(sums: Array(sums.suffix(AccuracyTally.count)))
  }
}

/// Span F1 over all types and of each type.
///
/// As many sums as the labels have types, so no `MetricTally`; but ranks with the same labels have the same
/// sums in the same order, to be added in the same way.
public struct SpanReport: Sendable, Equatable {
  public let labels: SpanLabels
  public private(set) var total = SpanTally()
  /// The spans of each type, in the order of `labels.types`.
  public private(set) var counts: [SpanCounts]

  public init(labels: SpanLabels) {
    self.labels = labels
    counts = labels.types.map { _ in SpanCounts() }
  }

  /// Counts one sentence of label ids; both are equally long, without padding.
  public mutating func add(predicted: [Int32], reference: [Int32]) {
    total.add(predicted: predicted, reference: reference, labels: labels) { what, type in
      counts[type][keyPath: what] += 1
    }
  }

  /// The sums, to be added element by element to those of other ranks.
  public var sums: [Double] { total.sums + counts.flatMap(\.sums) }

  /// The report with these sums.
  public init(labels: SpanLabels, sums: [Double]) {
    let expected = SpanTally.count + labels.types.count * SpanCounts.count
    precondition(
      sums.count == expected, "\(labels.types.count) types have \(expected) sums, not \(sums.count)")
    self.labels = labels
    total = SpanTally(sums: Array(sums.prefix(SpanTally.count)))
    counts = labels.types.indices.map { type in
      let start = SpanTally.count + type * SpanCounts.count
      return SpanCounts(sums: Array(sums[start..<start + SpanCounts.count]))
    }
  }
}
