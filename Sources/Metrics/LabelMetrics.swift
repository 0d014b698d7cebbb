extension Metric {
  public static let accuracy = Metric(
    "accuracy", isHigherBetter: true, .labels(AccuracyTally.self), "share of classes or tags that are right")

  public static let f1 = Metric(
    "f1", label: "F1", isHigherBetter: true, .spans(SpanTally.self),
    "F1 of spans with equal beginning, end and type, over all types (conlleval)")
}

/// Accuracy: correct / total labels.
public struct AccuracyTally: MetricTally, Equatable {
  private var correct = 0
  private var total = 0

  public init() {}

  public mutating func add(_ example: LabelExample) {
    correct += zip(example.predicted, example.reference).count { $0 == $1 }
    total += example.predicted.count
  }

  public var value: Double { share(correct, of: total) }

  public var sums: [Double] { [Double(correct), Double(total)] }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    (correct, total) = (values[0], values[1])
  }
}

/// The number of spans in the predictions, in the reference, and in both: precision, recall and F1 over all types
/// (conlleval's FB1, micro-averaged).
///
/// conlleval reports the three in percent; here they are fractions. As in conlleval, 0 / 0 counts as 0.
public struct SpanTally: MetricTally, Equatable {
  private(set) var counts = ClassScore()

  public init() {}

  public mutating func add(_ example: LabelExample) {
    guard let labels = example.spans else { return }
    var spans = SpanCounts()
    spans.add(predicted: example.predicted, reference: example.reference, labels)
    counts += spans.total
  }

  /// F1 = 2 · precision · recall / (precision + recall)
  public var value: Double {
    let (precision, recall) = (counts.precision, counts.recall)
    return precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall)
  }

  public var sums: [Double] {
    [counts.correct, counts.predicted, counts.reference].map(Double.init)
  }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    counts = ClassScore(correct: values[0], predicted: values[1], reference: values[2])
  }
}

/// How many spans of each type were predicted, are in the reference, and are in both: what conlleval prints for single types.
///
/// The counts are integers, so the sum over shards does not depend on their order or number.
public struct SpanCounts: Sendable, Equatable {
  /// By the number of the type in ``SpanLabels/types``. Types that never occurred are absent.
  public private(set) var byType: [Int: ClassScore] = [:]

  public init() {}

  /// Adds the spans of a sequence of labels.
  public mutating func add(predicted: [Int32], reference: [Int32], _ labels: SpanLabels) {
    // Scans both sequences together: a span is correct if it starts and ends at the same positions in both.
    var isRight = false
    var (before, beforeReference) = (SpanLabels.Label.outside, SpanLabels.Label.outside)
    for position in 0...reference.count {
      let label = labels.label(at: position, of: predicted)
      let referenceLabel = labels.label(at: position, of: reference)
      let step = SpanLabels.Step(from: before, to: label)
      let referenceStep = SpanLabels.Step(from: beforeReference, to: referenceLabel)
      if isRight && step.ends && referenceStep.ends { add(ClassScore(correct: 1), type: before.type) }
      if step.ends || referenceStep.ends { isRight = false }
      if step.begins { add(ClassScore(predicted: 1), type: label.type) }
      if referenceStep.begins { add(ClassScore(reference: 1), type: referenceLabel.type) }
      if step.begins && referenceStep.begins && label.type == referenceLabel.type { isRight = true }
      (before, beforeReference) = (label, referenceLabel)
    }
  }

  public mutating func add(_ counts: ClassScore, type: Int) { byType[type, default: ClassScore()] += counts }

  public static func += (sum: inout SpanCounts, other: SpanCounts) {
    for (type, counts) in other.byType { sum.add(counts, type: type) }
  }

  /// Over all types (conlleval's first line).
  public var total: ClassScore { byType.values.reduce(into: ClassScore()) { $0 += $1 } }
}

/// The labels of a tagger, interpreted as spans: `B-PER`, `I-PER`, `O`.
///
/// A label is a prefix, a hyphen and a type, which may contain hyphens. Spans follow the rules of conlleval, the script
/// of the CoNLL-2000 shared task (Tjong Kim Sang and Buchholz 2000). The rules examine two neighboring labels at a
/// time, so that any sequence of labels has an interpretation, in IOB1, IOB2, IOE1, IOE2, IOBES and BILOU:
///
/// - A span begins at B and S (U); at I and E (L) after O, after E (L) and after S (U); and wherever the type
///   changes, except at O.
/// - It ends after E (L) and S (U); before B, S (U) and O; and wherever the type changes.
///
/// conlleval itself supports B, I, E and O. S, and B after E, follow seqeval; L and U mean E and S. With other
/// prefixes, a span only begins and ends where the type changes. A label without a hyphen has the empty type.
public struct SpanLabels: Sendable, Equatable {
  enum Prefix: Sendable { case outside, begin, inside, end, single, other }

  struct Label: Sendable, Equatable {
    let prefix: Prefix
    /// The number of the type. Equal types have equal numbers; 0 is the empty type.
    let type: Int

    /// The label before and after a sequence.
    static let outside = Label(prefix: .outside, type: 0)
  }

  private let labels: [Label]
  /// The types in the order of their numbers; the first is the empty one.
  public let types: [String]

  /// The labels in the order of their ids.
  public init(_ names: [String]) {
    var (types, numbers) = ([""], [[UInt8](): 0])
    labels = names.map { name in
      let (prefix, type) = Self.split(name)
      let number = numbers[type] ?? types.count
      if number == types.count { types.append(String(decoding: type, as: UTF8.self)) }
      numbers[type] = number
      return Label(prefix: prefix, type: number)
    }
    self.types = types
  }

  /// Whether a label belongs to a tagging scheme for spans: B, I, E, L, S or U, a hyphen and a type.
  public static func marksSpan(_ name: String) -> Bool {
    guard name.utf8.contains(UInt8(ascii: "-")) else { return false }
    return switch split(name).0 {
    case .begin, .inside, .end, .single: true
    case .outside, .other: false
    }
  }

  private static func split(_ name: String) -> (Prefix, [UInt8]) {
    let parts = name.utf8.split(separator: UInt8(ascii: "-"), maxSplits: 1, omittingEmptySubsequences: false)
    let type = parts.count > 1 ? Array(parts[1]) : []
    let prefix: Prefix =
      switch parts[0].count == 1 ? parts[0].first : nil {
      // conlleval accepts a full stop as a second name for outside.
      case UInt8(ascii: "O"), UInt8(ascii: "."): .outside
      case UInt8(ascii: "B"): .begin
      case UInt8(ascii: "I"): .inside
      case UInt8(ascii: "E"), UInt8(ascii: "L"): .end
      case UInt8(ascii: "S"), UInt8(ascii: "U"): .single
      default: .other
      }
    return (prefix, type)
  }

  /// The label at a position of a sequence of ids; `outside` beyond its ends.
  func label(at position: Int, of sequence: [Int32]) -> Label {
    guard sequence.indices.contains(position) else { return .outside }
    let id = Int(sequence[position])
    precondition(labels.indices.contains(id), "label ids below \(labels.count), not \(id)")
    return labels[id]
  }

  /// The spans that end and start between two neighboring labels.
  struct Step {
    /// Whether a span ends with the first label.
    let ends: Bool
    /// Whether a span starts with the second label.
    let begins: Bool

    init(from previous: Label, to label: Label) {
      let typeChanges = previous.type != label.type
      let isInside = previous.prefix == .begin || previous.prefix == .inside
      ends =
        switch (previous.prefix, label.prefix) {
        case (.outside, _): false
        case (.end, _), (.single, _): true
        case (_, .begin), (_, .single), (_, .outside): isInside || typeChanges
        default: typeChanges
        }
      begins =
        switch (previous.prefix, label.prefix) {
        case (_, .outside): false
        case (_, .begin), (_, .single): true
        case (.outside, .inside), (.end, .inside), (.single, .inside): true
        case (.outside, .end), (.end, .end), (.single, .end): true
        default: typeChanges
        }
    }
  }
}
