import Datasets
import Metrics
import RunLog

/// The classes or tags of a scored split, and which of them were predicted for which.
public struct ClassReport: Sendable, Equatable {
  /// The counts of the spans of a type.
  public struct SpanType: Sendable, Equatable {
    public let name: String
    public let score: ClassScore
  }

  /// In the order of their ids.
  public let names: [String]
  public let confusion: ConfusionMatrix
  /// The types of spans that occurred, in the order of their first tags; empty unless the tags mark spans.
  public let spans: [SpanType]

  /// nil if nothing was compared.
  ///
  /// - Parameter labels: of the spans, where the tags mark some.
  init?(_ names: LabelVocabulary, _ sums: ScoreSums, spans labels: SpanLabels? = nil) {
    guard !sums.confusion.isEmpty else { return nil }
    (self.names, confusion) = (names.names, sums.confusion)
    spans =
      labels.map { labels in
        sums.spans.byType.sorted { $0.key < $1.key }.map {
          SpanType(name: labels.types[$0.key], score: $0.value)
        }
      } ?? []
  }

  /// Precision, recall and F1 of each class.
  public var scores: [ClassScore] { confusion.scores(classes: names.count) }

  /// The name of gold classes that were never learned.
  static let neverLearned = "<never learned>"

  /// The name of a class of the reference, which may never have been learned.
  public func name(_ id: Int32) -> String { id >= 0 ? names[Int(id)] : Self.neverLearned }

  /// The members of a JSON object: `classes`, `confusion` and, of tags that mark spans, `spans` (docs/FORMATS.md).
  public var members: [JSONMember] {
    func object(_ name: String, _ score: ClassScore) -> JSONValue {
      [
        "name": .string(name), "precision": .double(score.precision), "recall": .double(score.recall),
        "f1": .double(score.f1), "examples": .integer(score.reference),
        "predicted": .integer(score.predicted),
        "correct": .integer(score.correct),
      ]
    }
    let confused = confusion.pairs.map { pair, count -> JSONValue in
      [
        "reference": .string(name(pair.reference)), "predicted": .string(name(pair.predicted)),
        "count": .integer(count),
      ]
    }
    let members = [
      JSONMember("classes", .array(zip(names, scores).map(object))),
      JSONMember("confusion", .array(confused)),
    ]
    guard !spans.isEmpty else { return members }
    return members + [JSONMember("spans", .array(spans.map { object($0.name, $0.score) }))]
  }
}
