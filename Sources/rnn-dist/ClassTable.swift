import Foundation
import Metrics
import RunLog
import Tasks

/// The report of `evaluate` on single classes or tags: precision, recall, F1, and the confusions.
enum ClassTable {
  /// The largest number of classes for which the full matrix is shown. With more classes, only the most frequent
  /// confusions are shown.
  private static let mostColumns = 12
  private static let mostConfusions = 20

  static func text(_ report: ClassReport) -> String {
    let scores = report.scores
    var rows = [["", "precision", "recall", "F1", "examples"]]
    for (name, score) in zip(report.names, scores) {
      rows.append(
        [name] + [score.precision, score.recall, score.f1].map(percent) + ["\(score.reference)"])
    }
    let known = scores.filter { $0.reference > 0 }
    func mean(_ value: (ConfusionMatrix.ClassScore) -> Double) -> Double {
      known.reduce(0) { $0 + value($1) } / Double(max(1, known.count))
    }
    rows.append(
      ["mean of classes"] + [mean(\.precision), mean(\.recall), mean(\.f1)].map(percent)
        + ["\(known.reduce(0) { $0 + $1.reference })"])
    let matrix = report.names.count <= mostColumns ? grid(report) : confusions(report)
    return "\n" + MetricText.table(rows, leftColumns: 1) + "\n" + matrix + "\n"
  }

  private static func percent(_ share: Double) -> String { String(format: "%.2f %%", 100 * share) }

  /// Rows are classes of the reference, columns are predicted classes.
  private static func grid(_ report: ClassReport) -> String {
    let labels = Array(Int32(-1)..<Int32(report.names.count)).filter { label in
      label >= 0 || report.confusion.pairs.contains { $0.pair.reference < 0 }
    }
    let rows = labels.map { label in
      [report.name(label)]
        + report.names.indices.map { "\(report.confusion[reference: label, predicted: Int32($0)])" }
    }
    return "reference (rows) and prediction (columns):\n"
      + MetricText.table([[""] + report.names] + rows, leftColumns: 1)
  }

  private static func confusions(_ report: ClassReport) -> String {
    let wrong = report.confusion.pairs.filter { $0.pair.reference != $0.pair.predicted }
      .sorted { ($1.count, $0.pair) < ($0.count, $1.pair) }
    guard !wrong.isEmpty else { return "no class was confused with another\n" }
    let rows = wrong.prefix(mostConfusions).map { pair, count in
      [report.name(pair.reference), report.name(pair.predicted), "\(count)"]
    }
    return "most frequent confusions:\n"
      + MetricText.table(
        [["reference", "predicted", "times"]] + rows, leftColumns: 2)
  }

  /// The members of the JSON object: the scores of each class, and the number of times that each class was predicted
  /// for each class of the reference.
  static func members(_ report: ClassReport) -> [JSONMember] {
    let classes = zip(report.names, report.scores).map { name, score -> JSONValue in
      [
        "name": .string(name), "precision": .double(score.precision),
        "recall": .double(score.recall),
        "f1": .double(score.f1), "examples": .integer(score.reference),
        "predicted": .integer(score.predicted),
        "correct": .integer(score.correct),
      ]
    }
    let confusion = report.confusion.pairs.map { pair, count -> JSONValue in
      [
        "reference": .string(report.name(pair.reference)),
        "predicted": .string(report.name(pair.predicted)),
        "count": .integer(count),
      ]
    }
    return [JSONMember("classes", .array(classes)), JSONMember("confusion", .array(confusion))]
  }
}
