import Foundation
import RunLog

/// The content of `classes.json` (docs/FORMATS.md): the counts of each class at the best evaluation.
struct ClassesFile: Decodable {
  struct Score: Decodable {
    var name: String
    var precision: Double
    var recall: Double
    var f1: Double
    var examples: Int
  }

  struct Confusion: Decodable {
    var reference: String
    var predicted: String
    var count: Int
  }

  var step: Int
  var classes: [Score]
  /// Types of spans; nil unless the tags mark spans.
  var spans: [Score]?
  var confusion: [Confusion]

  /// Throws `FileFailure`, `RunRecordFailure`.
  init(contentsOf path: String) throws {
    self = try decodedRunFile(path, otherwise: "holds no counts of classes")
  }
}

/// Precision, recall and F1 of classes, tags and types of spans, and which classes were taken for which. Several runs are compared
/// by F1 first.
struct ClassSection {
  private let runs: [(name: String, file: ClassesFile)]

  init(_ runs: [ReportedRun]) {
    self.runs = runs.compactMap { run in run.classes.map { (run.name, $0) } }
  }

  /// The largest number of classes for which all pairs are shown; of more, the most frequent confusions are.
  private static let mostColumns = 12
  private static let mostConfusions = 20

  /// Empty if no run has classes.
  var content: HTML {
    guard runs.count > 1 else { return runs.first.map { tables($0.file) } ?? "" }
    let parts: [HTML] = runs.map {
      "<details><summary>\($0.name)</summary>\n\(tables($0.file))</details>\n"
    }
    return comparison("F1 of types of spans") { $0.spans ?? [] } + comparison("F1 of classes", \.classes)
      + parts.reduce("", +)
  }

  // MARK: Several runs

  private func comparison(_ title: HTML, _ scores: (ClassesFile) -> [ClassesFile.Score]) -> HTML {
    let all = runs.map { Dictionary(scores($0.file).map { ($0.name, $0) }) { first, _ in first } }
    var known: Set<String> = []
    let names = runs.flatMap { scores($0.file).map(\.name) }.filter { known.insert($0).inserted }
    guard !names.isEmpty else { return "" }
    let rows: [[HTML]] = names.map { name in
      ["\(Self.shown(name))"] + all.map { own -> HTML in "\(own[name].map { Self.percent($0.f1) } ?? "–")" }
    }
    return .table([title] + runs.map { run -> HTML in "\(run.name)" }, rows, isNumeric: true)
  }

  // MARK: One run

  private func tables(_ file: ClassesFile) -> HTML {
    let step: HTML = "<p class=\"quiet\">validation data, step \(file.step)</p>\n"
    return step + table("spans", file.spans ?? []) + table("class", file.classes) + confusions(file)
  }

  private func table(_ title: HTML, _ scores: [ClassesFile.Score]) -> HTML {
    guard !scores.isEmpty else { return "" }
    let rows: [[HTML]] = scores.map { score in
      ["\(Self.shown(score.name))"]
        + [score.precision, score.recall, score.f1].map { value -> HTML in "\(Self.percent(value))" }
        + ["\(score.examples)"]
    }
    return .table([title, "precision", "recall", "F1", "examples"], rows, isNumeric: true)
  }

  private func confusions(_ file: ClassesFile) -> HTML {
    file.classes.count <= Self.mostColumns ? grid(file) : list(file)
  }

  private func grid(_ file: ClassesFile) -> HTML {
    let names = file.classes.map(\.name)
    var counts: [String: [String: Int]] = [:]
    for pair in file.confusion { counts[pair.reference, default: [:]][pair.predicted] = pair.count }
    let others = Set(counts.keys).subtracting(names).sorted()
    let rows: [[HTML]] = (names + others).map { reference in
      ["\(reference)"] + names.map { name -> HTML in "\(counts[reference]?[name] ?? 0)" }
    }
    return .table(
      ["reference ↓, prediction →"] + names.map { name -> HTML in "\(name)" }, rows, isNumeric: true)
  }

  private func list(_ file: ClassesFile) -> HTML {
    let wrong = file.confusion.filter { $0.reference != $0.predicted }.sorted {
      ($1.count, $0.reference, $0.predicted) < ($0.count, $1.reference, $1.predicted)
    }
    guard !wrong.isEmpty else { return "<p>No class was taken for another.</p>\n" }
    let rows: [[HTML]] = wrong.prefix(Self.mostConfusions).map {
      ["\($0.reference)", "\($0.predicted)", "\($0.count)"]
    }
    return .table(["most frequent confusions: reference", "predicted", "times"], rows)
  }

  private static func percent(_ share: Double) -> String { String(format: "%.2f %%", 100 * share) }

  /// The type of spans whose tags have none is empty.
  private static func shown(_ name: String) -> String { name.isEmpty ? "(no type)" : name }
}
