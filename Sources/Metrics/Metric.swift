import UnicodeText

/// A metric: its name for users, the values that it compares, and the way in which its value follows from sums.
///
/// A metric consists of one file, which declares a static property of this type, and one line of ``Metric/all`` in
/// MetricList.swift. Everything else follows from them: the choices of `evaluation.metric`, the tasks that have the
/// metric, the order of reports, and the names in JSON, metrics.jsonl and TensorBoard.
public struct Metric: Sendable {
  /// The name in configurations and files.
  public let name: String
  /// The name in reports for people.
  public let label: String
  /// The definition in one line, with its source if there is one.
  public let definition: String
  public let isHigherBetter: Bool
  public let scale: Scale
  /// The values that the metric is computed from.
  public let measure: Measure

  /// How a value is formatted for people.
  public enum Scale: Sendable {
    /// A fraction of 1, formatted in percent.
    case share
    /// A number from 0 to 100.
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
    /// The mean loss of a model that assigns probabilities to its targets.
    case probabilities(@Sendable (MeanLoss) -> Double)
    /// Predicted numbers.
    case numbers(any MetricTally<NumberExample>.Type)
    /// Predicted quantiles of numbers.
    case quantiles(any MetricTally<NumberExample>.Type)
    /// Forecasts that need no model.
    case baseline(any MetricTally<NumberExample>.Type)
    /// Classes, or the tags of a sequence.
    case labels(any MetricTally<LabelExample>.Type)
    /// Tags of a sequence that mark spans.
    case spans(any MetricTally<LabelExample>.Type)
    /// Texts written by a model.
    case texts(any MetricTally<TextExample>.Type)
  }

  /// - Parameter label: the label; nil: the name with spaces.
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

  /// Whether the metric requires a model to write texts, which takes a search.
  public var comparesTexts: Bool { if case .texts = measure { true } else { false } }

  /// Whether the tags must mark spans.
  public var comparesSpans: Bool { if case .spans = measure { true } else { false } }
}

// MARK: - Sums

/// The sums of a metric, which each shard counts and which are then added over the shards.
///
/// A metric of a whole corpus is a function of sums, never a mean of the shards' metrics. Every sum here, but for those of
/// ``NumberTally``, is an integer below 2^53, which a Double holds exactly, so adding them in any order and in any grouping gives
/// the same bits: the metric does not depend on the number of ranks.
public protocol MetricTally<Example>: Sendable {
  /// The comparison of one example.
  associatedtype Example: Sendable

  /// Creates a tally of no examples.
  init()
  /// Adds the counts of an example to the sums.
  mutating func add(_ example: Example)
  /// The sums, which are added element by element to those of other shards. `init(sums:)` converts them back to a
  /// tally.
  var sums: [Double] { get }
  /// Creates a tally from its sums, of the same length as `sums`.
  init(sums: [Double])
  /// The value; NaN if no examples were counted.
  var value: Double { get }
  /// How the value was computed, if there is a standard notation for it.
  ///
  /// - Parameter version: the name and version of this program. The signature must not claim that the score was
  ///   computed by the program from which the notation comes.
  func signature(_ options: ComparisonOptions, version: String) -> String?
}

extension MetricTally {
  /// The number of sums, which is the same on every shard.
  public static var count: Int { Self().sums.count }

  public func signature(_ options: ComparisonOptions, version: String) -> String? { nil }
}

/// Returns the sums of a tally as integers.
///
/// Sums of a wrong length, or with fractions, have been mixed up or divided by mistake.
func integers<Tally: MetricTally>(_ sums: [Double], of tally: Tally.Type) -> [Int] {
  precondition(sums.count == Tally.count, "\(tally) has \(Tally.count) sums, not \(sums.count)")
  return sums.indices.map { index in
    guard let integer = Int(exactly: sums[index]) else {
      preconditionFailure("sum \(index) of \(tally) is an integer, not \(sums[index])")
    }
    return integer
  }
}

/// numerator / denominator; NaN if the denominator is 0, because an unknown value is not 0.
func share(_ numerator: Int, of denominator: Int) -> Double { Double(numerator) / Double(denominator) }

/// The metrics of one kind of comparison. Their sums are stored consecutively in one array.
public struct MetricGroup<Example: Sendable>: Sendable {
  private typealias Member = (metric: Metric, tally: any MetricTally<Example>.Type)
  private let members: [Member]

  private init(_ members: [Member]) { self.members = members }

  /// The sums of some examples; zeros if there are none.
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

extension MetricGroup<NumberExample> {
  /// All metrics of numbers.
  public static let numbers = MetricGroup(
    Metric.all.compactMap { metric in
      switch metric.measure {
      case .numbers(let tally), .quantiles(let tally), .baseline(let tally): (metric, tally)
      default: nil
      }
    })
}

extension MetricGroup<LabelExample> {
  /// All label metrics, with those of spans if the labels mark spans.
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

/// A summed loss and the number of its terms.
public struct MeanLoss: Sendable {
  let total: Double
  let targets: Int

  public init(total: Double, targets: Int) { (self.total, self.targets) = (total, targets) }

  /// The mean loss per target.
  var mean: Double { total / Double(targets) }
}

/// The predicted and the correct labels of a sequence, or of several items with one label each.
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
  /// Whether BLEU and chrF compare in lower case, which their signatures show.
  public var lowercase: Bool

  public init(bleuTokenizer: BLEUTokenizer = .mteval13a, lowercase: Bool = false) {
    (self.bleuTokenizer, self.lowercase) = (bleuTokenizer, lowercase)
  }
}

/// A text written by a model, with the references that it may match.
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

/// A text in the forms that metrics compare. Two texts are equal if their bytes are equal: "é" as one scalar differs
/// from "é" as two scalars, although they are equal with Swift's `==`.
public struct ComparedText: Sendable {
  /// The text in UTF-8, or any bytes written by a byte-level model.
  let bytes: [UInt8]
  /// The bytes as scalars; bytes that are not UTF-8 become U+FFFD.
  let scalars: [UInt32]
  /// The tokens in the units of the model's vocabulary.
  let tokens: [[UInt8]]

  public init(_ bytes: [UInt8], tokens: [[UInt8]]) {
    (self.bytes, self.tokens) = (bytes, tokens)
    scalars = UnicodeText.scalars(ofUTF8: bytes)
  }
}
