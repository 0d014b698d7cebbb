import Foundation
import Metrics
import RunLog

/// The curves of several runs, one chart per metric and task. Runs that differ only in their seed share one line: their mean,
/// surrounded by the range of their values. A run has the same color in all charts.
struct ReportPlots {
  private let runs: [ReportedRun]
  private let groups: [(name: String, members: [Int])]
  /// The names of the tasks, in the order of the runs. Losses of different tasks can't be compared.
  private let tasks: [String?]

  init(_ runs: [ReportedRun]) {
    self.runs = runs
    let (names, configurations) = (runs.map(\.name), runs.map(\.configuration))
    groups = SeedGroups.of(configurations).map { (SeedGroups.name($0, names, configurations), $0) }
    tasks = configurations.map { $0?.task.name }.reduce(into: []) { tasks, task in
      if !tasks.contains(task) { tasks.append(task) }
    }
  }

  /// Whether some lines are means.
  var hasMeans: Bool { groups.contains { $0.members.count > 1 } }

  /// The charts of training and validation, the most important ones first.
  var learning: [LinePlot] {
    let metrics = names("valid").subtracting(Self.counts + ["loss"])
    let ordered =
      Metric.all.map(\.name).filter(metrics.contains) + metrics.subtracting(Metric.all.map(\.name)).sorted()
    var charts = plots("train", "loss", "training loss") + plots("valid", "loss", "validation loss")
    charts += ordered.flatMap { plots("valid", $0, Self.title($0)) }
    charts += plots("train", "gradient_norm", "gradient norm", isLogarithmic: true)
    return charts + plots("train", "learning_rate", "learning rate")
  }

  /// The charts of speed.
  var speed: [LinePlot] {
    plots("train", "tokens_per_second", "tokens per second, over all ranks")
      + plots("train", "communication_share", "share of time in communication, %", factor: 100)
  }

  /// Numbers that show how much was evaluated, not how well.
  private static let counts = ["tokens", "examples", "decoded"]

  private func names(_ kind: String) -> Set<String> {
    runs.reduce(into: []) { $0.formUnion($1.history?.names(kind) ?? []) }
  }

  private static func title(_ name: String) -> String {
    let metric = Metric(rawValue: name)
    return "validation \(metric?.label ?? name.replacing("_", with: " "))\(metric?.axis.unit ?? "")"
  }

  /// The chart of a number for each task in whose runs it changes.
  private func plots(
    _ kind: String, _ name: String, _ title: String, factor: Double? = nil, isLogarithmic: Bool = false
  ) -> [LinePlot] {
    let factor = factor ?? (kind == "train" ? nil : Metric(rawValue: name)?.axis.factor) ?? 1
    func series(_ number: Int) -> LinePlot.Series {
      let group = groups[number]
      let curves = group.members.map { index in
        (runs[index].history?.curve(kind, name) ?? []).map {
          LinePlot.Point(x: Double($0.step), y: $0.value * factor)
        }
      }.filter { !$0.isEmpty }
      // A single line needs no legend.
      let label = groups.count > 1 ? group.name : ""
      return LinePlot.Series(label, SeedGroups.mean(of: curves), style: number)
    }
    return tasks.compactMap { task in
      let lines = groups.indices.filter { runs[groups[$0].members[0]].configuration?.task.name == task }
        .map(series).filter { !$0.points.isEmpty }
      guard lines.contains(where: { Set($0.points.map(\.y)).count > 1 }) else { return nil }
      return LinePlot(
        title: tasks.count > 1 ? "\(title) (\(task ?? "unknown task"))" : title, xLabel: "step", yLabel: "",
        yScale: isLogarithmic ? .logarithmic : .linear, series: lines)
    }
  }
}

extension Metric {
  /// A value in its usual unit, such as `97.20 %`.
  public func text(_ value: Double) -> String {
    switch scale {
    case .share: String(format: "%.2f %%", 100 * value)
    case .points: String(format: "%.2f", value)
    case .decimal: String(format: "%.4f", value)
    case .significant: String(format: "%.6g", value)
    }
  }

  /// The factor of values on an axis, and the unit after the name of the axis.
  public var axis: (factor: Double, unit: String) {
    if case .share = scale { (100, ", %") } else { (1, "") }
  }
}
