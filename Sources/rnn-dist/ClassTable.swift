import Foundation
import Metrics
import Tasks

/// The report of `evaluate` on single classes or tags: precision, recall, F1, and which were taken for which; for tags that mark
/// spans the same for each type of span.
enum ClassTable {
  /// The largest number of classes for which the full matrix is shown. With more classes, only the most frequent
  /// confusions are shown.
  private static let mostColumns = 12
  private static let mostConfusions = 20

  static func text(_ report: ClassReport) -> String {
    let classes = zip(report.names, report.scores).map { (name: $0, score: $1) }
    let matrix = report.names.count <= mostColumns ? grid(report) : confusions(report)
    return "\n\(table("", classes, "classes"))\n\(matrix)\n\(spans(report))"
  }

  /// A row for each score, and one for the mean of those that are in the reference.
  private static func table(
    _ title: String, _ scores: [(name: String, score: ClassScore)], _ kind: String,
    total: ClassScore? = nil
  ) -> String {
    func row(_ name: String, _ values: [Double], _ count: Int) -> [String] {
      [name] + values.map(percent) + ["\(count)"]
    }
    func row(_ name: String, _ score: ClassScore) -> [String] {
      row(name, [score.precision, score.recall, score.f1], score.reference)
    }
    let known = scores.map(\.score).filter { $0.reference > 0 }
    func mean(_ value: (ClassScore) -> Double) -> Double {
      known.reduce(0) { $0 + value($1) } / Double(max(1, known.count))
    }
    var rows = [[title, "precision", "recall", "F1", "examples"]] + scores.map { row($0.name, $0.score) }
    if let total { rows.append(row("all \(kind)", total)) }
    rows.append(
      row(
        "mean of \(kind)", [mean(\.precision), mean(\.recall), mean(\.f1)],
        known.reduce(0) { $0 + $1.reference }))
    return MetricText.table(rows, leftColumns: 1)
  }

  /// Spans by type, as conlleval prints them; nothing if the tags mark none.
  private static func spans(_ report: ClassReport) -> String {
    guard !report.spans.isEmpty else { return "" }
    let scores = report.spans.map { (name: $0.name.isEmpty ? "(no type)" : $0.name, score: $0.score) }
    let total = scores.reduce(into: ClassScore()) { $0 += $1.score }
    return "\n" + table("spans", scores, "types", total: total) + "\n"
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
}
