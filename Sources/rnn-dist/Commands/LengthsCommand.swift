import ArgumentParser
import Communication
import Configuration
import Datasets
import Foundation
import RunLog
import Tasks
import Inference

struct LengthsCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "lengths",
    abstract: "A figure of several runs by the length of the source, as a table and a picture.",
    discussion: """
      The held-out entries of the first run are scored with every model, in groups of similar source length.

      Example:
        rnn-dist lengths runs/state runs/every-step runs/attention --width 4 --metric exact_match --plot lengths.svg
      """)

  @Argument(help: "Directories of runs on the same kind of data.") var runs: [String]
  @Option(help: "Lengths that are counted together.") var width = 3
  @Option(help: "Figure to compare (default: the first run's evaluation.metric).") var metric: String?
  @Option(help: "Which of the first run's data: train, valid or test.") var split: DataSplit = .valid
  @Option(help: "A file of your own instead, in the runs' format.") var data: String?
  @Option(help: ArgumentHelp("Draw a line for each run.", valueName: "file.svg")) var plot: String?
  @Option(help: "Groups of fewer entries are left out of the picture: their figures say little.")
  var atLeast = 10
  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws {
    guard !runs.isEmpty else { throw ValidationError("name at least one run") }
    guard (1...100_000).contains(width) else { throw ValidationError("--width \(width): 1 to 100000") }
    if let metric, EvaluationConfiguration.Metric(rawValue: metric) == nil {
      let known = EvaluationConfiguration.Metric.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--metric \(metric): one of \(known)")
    }
  }

  /// A group of lengths and the figure of each run for it; nil where a run has no such figure.
  private struct Row {
    var lengths: ClosedRange<Int>
    var examples: Int
    var values: [Double?]
  }

  func runLocally() throws -> Int32 {
    let models = try runs.map(load)
    try checkComparable(models)
    if data == nil { warnOfOtherData(models) }
    let chosen =
      metric.flatMap(EvaluationConfiguration.Metric.init) ?? models[0].configuration.evaluation.metric
    guard chosen.belongs(to: models[0].configuration.task, models[0].configuration.model.output) else {
      throw ValidationError("--metric \(chosen.rawValue): \(runs[0]) has no such figure")
    }
    try Threads.share(among: SoloCommunicator(), reproducible: false)
    let rows = try measure(models, chosen)
    if let plot { try draw(rows, chosen).write(to: plot) }
    try StandardOutput.line(json ? object(rows, chosen).text : table(rows, chosen))
    return ExitCode.done
  }

  private func load(_ run: String) throws -> SavedModel {
    let paths = try RunPaths(existing: run)
    let configuration = try RunArguments.configuration(of: paths)
    guard configuration.task != .languageModel else {
      throw ValidationError("\(run) is a language model: its text has no sources")
    }
    return try SavedModel(run: paths, configuration: configuration)
  }

  /// One file is read by all models: what a line is, and what its figures are of, must be the same.
  private func checkComparable(_ models: [SavedModel]) throws {
    for (run, model) in zip(runs, models).dropFirst() where model.dataForm != models[0].dataForm {
      throw TrainingFailure.unusableRun(
        path: run,
        problem:
          "learnt from \(model.dataForm), \(runs[0]) from \(models[0].dataForm): they can't be compared")
    }
  }

  /// What the first run has kept apart may be what another was trained on.
  private func warnOfOtherData(_ models: [SavedModel]) {
    for (run, model) in zip(runs, models).dropFirst()
    where !model.configuration.holdsOutTheSame(as: models[0].configuration) {
      Console.error(
        "warning: \(run) was trained on other data than \(runs[0]), or keeps another part of it apart: it may have "
          + "seen the entries it is scored on; --data FILE scores all runs on a file of its own")
    }
  }

  /// Each model reads the data with its own vocabularies.
  private func measure(
    _ models: [SavedModel], _ metric: EvaluationConfiguration.Metric
  ) throws -> [Row] {
    let splits = try models.map { model in
      if let data { return try model.data(file: data) }
      guard let part = try model.data(split, of: models[0]) else {
        throw ValidationError("\(runs[0]) has no \(split.rawValue) data: use --data FILE")
      }
      return part
    }
    for (run, split) in zip(runs, splits) where split.exampleCount != splits[0].exampleCount {
      throw TrainingFailure.unusableRun(
        path: run,
        problem:
          "reads \(split.exampleCount) of the entries, \(runs[0]) \(splits[0].exampleCount): their limits differ"
      )
    }
    // As the first run counts them: another model may read characters where it reads words.
    let lengths = splits[0].sourceLengths
    let communicator = SoloCommunicator()
    return try Set(lengths.map { $0 / width }).sorted().map { group in
      let range = group * width...group * width + width - 1
      let results = try zip(models, splits).map {
        try $0.score($1, communicator: communicator) { range.contains(lengths[Int($0)]) }
      }
      return Row(lengths: range, examples: results[0].examples, values: results.map { $0[metric] })
    }
  }

  // MARK: The result

  private func table(_ rows: [Row], _ metric: EvaluationConfiguration.Metric) -> String {
    let names = runs.map { ($0 as NSString).lastPathComponent }
    let head = ["length", "entries"] + names
    let cells = rows.map { row in
      ["\(row.lengths.lowerBound)-\(row.lengths.upperBound)", "\(row.examples)"]
        + row.values.map { $0.map { FigureText.number(metric.rawValue, $0) } ?? "-" }
    }
    let widths = head.indices.map { column in ([head] + cells).map { $0[column].count }.max() ?? 0 }
    let lines = ([head] + cells).map { line in
      zip(line, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }.joined(separator: "  ")
    }
    return "\(metric.rawValue) by length of the source\n" + lines.joined(separator: "\n")
  }

  private func object(_ rows: [Row], _ metric: EvaluationConfiguration.Metric) -> JSONValue {
    [
      "metric": .string(metric.rawValue), "runs": .array(runs.map { .string($0) }),
      "lengths": .array(
        rows.map { row in
          [
            "from": .integer(row.lengths.lowerBound), "to": .integer(row.lengths.upperBound),
            "examples": .integer(row.examples),
            "values": .array(row.values.map { $0.map { .double($0) } ?? .null }),
          ]
        }),
    ]
  }

  private func draw(_ rows: [Row], _ metric: EvaluationConfiguration.Metric) -> LinePlot {
    let scale = FigureText.scale(metric.rawValue)
    let name = metric.rawValue.replacingOccurrences(of: "_", with: " ")
    let series = runs.enumerated().map { index, run in
      LinePlot.Series(
        (run as NSString).lastPathComponent,
        rows.filter { $0.examples >= atLeast }.map { row in
          let middle = Double(row.lengths.lowerBound + row.lengths.upperBound) / 2
          return LinePlot.Point(x: middle, y: row.values[index].map { $0 * scale.factor } ?? .nan)
        })
    }
    return LinePlot(
      title: "\(name) by length of the source", xLabel: "steps of the source", yLabel: name + scale.unit,
      series: series)
  }
}
