import ArgumentParser
import Communication
import Datasets
import Foundation
import Inference
import Metrics
import Reporting
import RunLog
import Tasks

struct LengthsCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "lengths",
    abstract: "Compare a metric of several runs by the length of the source.",
    discussion: """
      The held-out examples of the first run are evaluated with every model, in groups of similar source length. The result is a \
      table, and with --plot also a picture.

      Example:
        rnn-dist lengths runs/initial-state runs/attention --plot lengths.svg
      """)

  @Argument(help: "Directories of runs on the same kind of data.") var runs: [String]
  @Option(help: "Number of lengths per group.") var width = 3
  @Option(help: "Metric to compare (default: the first run's evaluation.metric).") var metric: Metric?
  @Option(help: ArgumentHelp("Part of the first run's data to evaluate.", valueName: "train|valid|test"))
  var split: DataSplit = .valid
  @Option(help: ArgumentHelp("Evaluate this file instead, in the runs' format.", valueName: "file"))
  var data: String?
  @Option(help: ArgumentHelp("Write a picture with one line per run.", valueName: "file.svg"))
  var plot: String?
  @Option(help: "Leave groups of fewer examples out of the picture: their values are not reliable.")
  var atLeast = 10
  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws {
    guard (1...100_000).contains(width) else { throw ValidationError("--width \(width): 1 to 100000") }
  }

  func runLocally() throws -> Int32 {
    let models = try runs.map(load)
    let comparison = try LengthComparison(Array(zip(runs, models)))
    for run in data == nil ? comparison.runsOfOtherData : [] {
      Console.error(
        "warning: \(run) was trained on other data than \(runs[0]), or keeps another part of it for validation, so "
          + "it may know some of the examples; --data FILE evaluates all runs on a separate file")
    }
    let first = models[0].configuration
    let chosen = metric ?? first.evaluation.metric
    guard chosen.belongs(to: first.task, first.model.output) else {
      throw ValidationError("--metric \(chosen.name): \(runs[0]) has no such metric")
    }
    try Threads.share(among: SoloCommunicator(), reproducible: false)
    let rows: [LengthComparison.Row]? =
      if let data {
        try comparison.measure(chosen, onFile: data, width: width)
      } else {
        try comparison.measure(chosen, on: split, width: width)
      }
    guard let rows else {
      throw ValidationError("\(runs[0]) has no \(split.rawValue) data: use --data FILE")
    }
    if let plot { try picture(rows, chosen, models.map(\.configuration)).write(to: plot) }
    try StandardOutput.line(json ? object(rows, chosen).text : table(rows, chosen))
    return ExitCode.done
  }

  private func load(_ run: String) throws -> SavedModel {
    let paths = try RunPaths(existing: run)
    let configuration = try RunArguments.configuration(of: paths)
    guard configuration.task.data != .stream else {
      throw ValidationError("\(run) is a language model: its text has no sources")
    }
    return try SavedModel(run: paths, configuration: configuration)
  }

  // MARK: The result

  private var names: [String] { runs.map { ($0 as NSString).lastPathComponent } }

  private func table(_ rows: [LengthComparison.Row], _ metric: Metric) -> String {
    let lines =
      [["length", "examples"] + names]
      + rows.map { row in
        ["\(row.lengths.lowerBound)-\(row.lengths.upperBound)", "\(row.examples)"]
          + row.values.map { $0.map(metric.text) ?? "-" }
      }
    return "\(metric.name) by length of the source\n" + MetricText.table(lines).dropLast()
  }

  private func object(_ rows: [LengthComparison.Row], _ metric: Metric) -> JSONValue {
    [
      "metric": .string(metric.name), "runs": .array(runs.map { .string($0) }),
      "lengths": .array(
        rows.map { row in
          [
            "from": .integer(row.lengths.lowerBound), "to": .integer(row.lengths.upperBound),
            "examples": .integer(row.examples), "values": .array(row.values.map { JSONValue($0) }),
          ]
        }),
    ]
  }

  /// Returns a chart with one line per run. Runs that differ only in their seed share a line: the mean and the range of
  /// their values.
  private func picture(
    _ rows: [LengthComparison.Row], _ metric: Metric, _ configurations: [RunConfiguration?]
  ) -> LinePlot {
    let axis = metric.axis
    let name = metric.name.replacing("_", with: " ")
    let reliable = rows.filter { $0.examples >= atLeast }
    func middle(_ row: LengthComparison.Row) -> Double {
      Double(row.lengths.lowerBound + row.lengths.upperBound) / 2
    }
    let curves = runs.indices.map { index in
      reliable.map { row in
        LinePlot.Point(x: middle(row), y: row.values[index].map { $0 * axis.factor } ?? .nan)
      }
    }
    let series = SeedGroups.of(configurations).map { members in
      LinePlot.Series(
        SeedGroups.name(members, names, configurations), SeedGroups.mean(of: members.map { curves[$0] }))
    }
    let bins = reliable.map { row in
      let (first, last) = (row.lengths.lowerBound, row.lengths.upperBound)
      let label = first == last ? "\(first)" : "\(first)–\(last)"
      return LinePlot.Bin(x: middle(row), label: label, count: row.examples)
    }
    return LinePlot(
      title: "\(name) by length of the source", xLabel: "steps of the source", yLabel: name + axis.unit,
      series: series, bins: bins)
  }
}

extension Metric: ExpressibleByArgument {
  public static var allValueStrings: [String] { all.map(\.name) }
}
