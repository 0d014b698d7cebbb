import Metrics
import Reporting
import Tasks

/// Formats metrics for people.
enum MetricText {
  /// `accuracy 97.20 %`
  static func describe(_ metric: Metric, _ value: Double) -> String {
    "\(metric.label) \(metric.text(value))"
  }

  /// A line of a table: a label and a value, or several values after commas, which are broken to fit a terminal.
  static func line(_ label: String, _ text: String) -> String {
    Console.wrapped(values: padded(label) + text, columns: StandardOutput.windowWidth, indent: valueColumn)
      + "\n"
  }

  private static func padded(_ label: String) -> String {
    label + String(repeating: " ", count: max(1, valueColumn - label.count))
  }

  private static let valueColumn = 22

  /// Rows of equal length as lines with aligned columns; a line feed in a cell is written as `\n`.
  ///
  /// - Parameter leftColumns: the number of left-aligned columns; the others are right-aligned.
  static func table(_ rows: [[String]], leftColumns: Int = 0) -> String {
    let rows = rows.map { $0.map { OneLine.of($0) } }
    let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return column < leftColumns ? cell + space : space + cell
      }
      return cells.joined(separator: "  ") + "\n"
    }.joined()
  }

  /// The metrics with their definitions, for the help of commands. The lines fit 80 columns, because the argument parser would
  /// break longer ones without an indent.
  static var definitions: String {
    Metric.all.map { metric in
      let row = Console.wrapped(padded(metric.name) + metric.definition, columns: 77, indent: valueColumn)
      return row.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n")
    }.joined(separator: "\n")
  }
}

/// The units of losses.
enum LossUnit {
  /// `nats/token`; for models of numbers `squared error/step` or `quantile loss/example`, of the scaled numbers.
  static func name(_ configuration: RunConfiguration) -> String {
    let output = configuration.model.output
    return (output.isInNats ? "nats/" : output == .quantile ? "quantile loss/" : "squared error/")
      + configuration.task.lossUnit
  }
}
