import UnicodeText

/// A metric: the name that users write, what it compares, and how its value follows from sums.
///
/// Each metric is one file, which declares a static property of this type, and one line of ``Metric/all`` in
/// MetricList.swift. Everything else follows from these two: the choices of `evaluation.metric`, the tasks
/// that have the metric, the order of reports, and the names in JSON, metrics.jsonl and TensorBoard.
public struct Metric: Sendable {
  /// The name in configurations and files.
  public let name: String
  /// The name in reports for people.
  public let label: String
  /// Its definition in one line, with its source where it has one.
  public let definition: String
  public let isHigherBetter: Bool
  public let scale: Scale
  public let measure: Measure

  /// How a value is written for people.
  public enum Scale: Sendable {
    /// A share of 1, written in percent.
    case share
    /// From 0 to 100.
    case points
    /// A number with four decimals.
    case decimal
    /// A number with six significant digits, however small it is.
    case significant
  }

  /// The values that a metric is computed from. They decide which tasks have it.
  public enum Measure: Sendable {
    /// The mean loss, which every model has.
    case loss(@Sendable (MeanLoss) -> Double)
    /// The mean loss of a model that gives its targets probabilities.
    case probabilities(@Sendable (MeanLoss) -> Double)
    /// The mean loss of a model that predicts numbers.
    case numbers(@Sendable (MeanLoss) -> Double)
    /// Classes, or the tags of a sequence.
    case labels(any MetricTally<LabelExample>.Type)
    /// Tags of a sequence that mark spans.
    case spans(any MetricTally<LabelExample>.Type)
    /// Texts that a model writes.
    case texts(any MetricTally<TextExample>.Type)
  }

  /// - Parameter label: nil: the name with spaces.
  init(
    _ name: String, label: String? = nil, isHigherBetter: Bool, scale: Scale = .share, _ measure: Measure,
    _ definition: String
  ) {
    self.name = name
    self.label = label ?? String(name.map { $0 == "_" ? " " : $0 })
    self.definition = definition
    self.isHigherBetter = isHigherBetter
    self.scale = scale
    self.measure = measure
  }
}

extension Metric: RawRepresentable, CaseIterable, Hashable {
  public var rawValue: String { name }

  public init?(rawValue: String) {
    guard let metric = Self.all.first(where: { $0.name == rawValue }) else { return nil }
    self = metric
  }

  public static var allCases: [Metric] { all }
  public static func == (a: Metric, b: Metric) -> Bool { a.name == b.name }
  public func hash(into hasher: inout Hasher) { hasher.combine(name) }

  /// Whether a model must write texts for the metric to be known, which takes a search.
  public var comparesTexts: Bool { if case .texts = measure { true } else { false } }

  /// Whether the tags must mark spans.
  public var comparesSpans: Bool { if case .spans = measure { true } else { false } }
}

// MARK: - Sums

/// The sums of a metric: what each shard counts and what is added over the shards.
///
/// A metric of a whole corpus is a function of sums, never a mean of the shards' metrics. Every sum here is
/// an integer below 2^53, which a Double holds exactly, so adding them in any order and in any grouping gives
/// the same bits: the metric does not depend on the number of ranks.
public protocol MetricTally<Example>: Sendable {
  /// The comparison of one example.
  associatedtype Example: Sendable

  /// Nothing counted yet.
  init()
  mutating func add(_ example: Example)
  /// The sums, to be added element by element to those of other shards; `init(sums:)` gives the tally back.
  var sums: [Double] { get }
  /// The tally with these sums, which have the length of `sums`.
  init(sums: [Double])
  /// NaN where nothing was counted.
  var value: Double { get }
  /// How the value was computed, where that has a standard notation.
  ///
  /// - Parameter version: name and version of this program: the score was not computed by the program whose
  ///   notation this is, and the signature must not say so.
  func signature(_ options: ComparisonOptions, version: String) -> String?
}

extension MetricTally {
  /// How many sums there are: the same on every shard.
  public static var count: Int { Self().sums.count }

  public func signature(_ options: ComparisonOptions, version: String) -> String? { nil }

  public static func += (tally: inout Self, other: Self) {
    tally = Self(sums: zip(tally.sums, other.sums).map(+))
  }
}

/// The sums of a tally as the integers that they are.
///
/// Sums of another length, or with fractions, were mixed up or divided on their way.
func integers<Tally: MetricTally>(_ sums: [Double], of tally: Tally.Type) -> [Int] {
  precondition(sums.count == Tally.count, "\(tally) has \(Tally.count) sums, not \(sums.count)")
  return sums.indices.map { index in
    guard let integer = Int(exactly: sums[index]) else {
      preconditionFailure("sum \(index) of \(tally) is an integer, not \(sums[index])")
    }
    return integer
  }
}

/// numerator / denominator; NaN where nothing was counted, because an unknown value is not 0.
func share(_ numerator: Int, of denominator: Int) -> Double { Double(numerator) / Double(denominator) }

/// The metrics of one kind of comparison. Their sums are stored one after the other in one array.
public struct MetricGroup<Example: Sendable>: Sendable {
  private typealias Member = (metric: Metric, tally: any MetricTally<Example>.Type)
  private let members: [Member]

  private init(_ members: [Member]) { self.members = members }

  public var metrics: [Metric] { members.map(\.metric) }

  /// The sums of some examples; of none: zeros.
  public func sums(of examples: [Example]) -> [Double] {
    members.flatMap { member in
      var tally = member.tally.init()
      for example in examples { tally.add(example) }
      return tally.sums
    }
  }

  /// The value of each metric, given the sums of all shards.
  public func values(of sums: [Double]) -> [(metric: Metric, value: Double)] {
    tallies(of: sums).map { ($0, $1.value) }
  }

  /// The signature of each metric that has one, after its label.
  public func signatures(of sums: [Double], _ options: ComparisonOptions, version: String) -> [String] {
    tallies(of: sums).compactMap { $1.signature(options, version: version) }
  }

  private func tallies(of sums: [Double]) -> [(Metric, any MetricTally<Example>)] {
    var rest = sums[...]
    return members.map { metric, tally in
      defer { rest = rest.dropFirst(tally.count) }
      return (metric, tally.init(sums: Array(rest.prefix(tally.count))))
    }
  }
}

extension MetricGroup<TextExample> {
  /// All metrics of texts.
  public static let texts = MetricGroup(
    Metric.all.compactMap { metric in
      if case .texts(let tally) = metric.measure { (metric, tally) } else { nil }
    })
}

extension MetricGroup<LabelExample> {
  /// All metrics of labels; those of spans where the labels mark spans.
  public static func labels(markSpans: Bool) -> MetricGroup {
    MetricGroup(
      Metric.all.compactMap { metric in
        switch metric.measure {
        case .labels(let tally): (metric, tally)
        case .spans(let tally) where markSpans: (metric, tally)
        default: nil
        }
      })
  }
}

// MARK: - What is compared

/// A summed loss and what it is the sum over.
public struct MeanLoss: Sendable {
  let total: Double
  let targets: Int
  /// Numbers in each target, of a model that predicts numbers.
  let width: Int

  public init(total: Double, targets: Int, width: Int = 1) {
    (self.total, self.targets, self.width) = (total, targets, width)
  }

  /// Per target.
  var mean: Double { total / Double(targets) }
}

/// The predicted labels of a sequence, or of several things of one label each, with the right ones.
public struct LabelExample: Sendable {
  let predicted: [Int32]
  let reference: [Int32]
  /// The meaning of the labels, for metrics of spans.
  let spans: SpanLabels?

  public init(predicted: [Int32], reference: [Int32], spans: SpanLabels? = nil) {
    precondition(
      predicted.count == reference.count,
      "one label each: \(predicted.count) predicted for \(reference.count) in the reference")
    (self.predicted, self.reference, self.spans) = (predicted, reference, spans)
  }
}

/// How texts are compared.
public struct ComparisonOptions: Sendable, Equatable {
  public var bleuTokenizer: BLEUTokenizer
  /// BLEU and chrF compare in lower case, and their signatures say so.
  public var lowercase: Bool

  public init(bleuTokenizer: BLEUTokenizer = .mteval13a, lowercase: Bool = false) {
    (self.bleuTokenizer, self.lowercase) = (bleuTokenizer, lowercase)
  }
}

/// A text that a model has written, with the references that it may equal.
public struct TextExample: Sendable {
  let output: ComparedText
  let references: [ComparedText]
  let options: ComparisonOptions

  public init(
    output: ComparedText, references: [ComparedText], options: ComparisonOptions = ComparisonOptions()
  ) {
    precondition(!references.isEmpty, "an example has at least 1 reference, not \(references.count)")
    (self.output, self.references, self.options) = (output, references, options)
  }
}

/// A text in the forms in which metrics compare it. Two texts are equal when their bytes are: "é" of one
/// scalar is not "é" of two, although Swift's `==` says so.
public struct ComparedText: Sendable {
  /// UTF-8, or the bytes that a model of bytes has written.
  let bytes: [UInt8]
  /// The bytes as scalars; U+FFFD for what is not UTF-8.
  let scalars: [UInt32]
  /// The tokens as the vocabulary of the model cuts them.
  let tokens: [[UInt8]]

  public init(_ bytes: [UInt8], tokens: [[UInt8]]) {
    (self.bytes, self.tokens) = (bytes, tokens)
    scalars = UnicodeText.scalars(ofUTF8: bytes)
  }
}
