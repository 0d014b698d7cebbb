/// The columns of a file that hold the parts of an example, by name or by number.
///
/// A column is its number from 1, a range such as `2-101` or `2-` (to the last one), or its name in the first line, which
/// is then a header.
public struct DataColumns: Sendable, Equatable {
  /// The names of the parts of an example.
  public enum Part: String, CaseIterable, Sendable {
    case source, target
    case secondSource = "second_source"
    /// Other words for source and target.
    case input, labels
    /// Of a table: rows with another value here belong to another series.
    case series
  }

  /// The columns of each part, as in the configuration.
  public var parts: [Part: [String]]

  public init(parts: [Part: [String]]) { self.parts = parts }

  var source: [String]? { parts[.source] ?? parts[.input] }
  var target: [String]? { parts[.target] ?? parts[.labels] }
  var secondSource: [String]? { parts[.secondSource] }
  var series: [String]? { parts[.series] }

  /// The problem with these columns for every file, or nil.
  ///
  /// - Parameter isTable: the file is a table that is cut into windows.
  public func problem(in format: DataFormat, isTable: Bool) -> String? {
    for (part, other) in [(Part.source, Part.input), (.target, .labels)] where parts[part] != nil {
      if parts[other] != nil { return "\(part.rawValue) and \(other.rawValue) are the same part: name one" }
    }
    if format == .tsv, source == nil || target == nil {
      return "must name both source and target of tsv files"
    }
    if format != .tsv, secondSource != nil { return "a second source is a column of tsv files" }
    if !isTable, series != nil { return "series are parts of tables: set data.window" }
    let single = [format == .csv ? nil : source, isTable ? nil : target, secondSource, series].compactMap {
      $0
    }
    if single.contains(where: { $0.count != 1 || Self.range($0[0]).map { $0.count > 1 } ?? false }) {
      return "must name one column for each part; only the source of csv files may have several"
    }
    return nil
  }

  /// Whether a column is given by name, so the file must have a header.
  var hasNames: Bool { parts.values.joined().contains { Self.range($0) == nil } }

  /// The column numbers that a text denotes; nil for the name of a column.
  private static func range(_ text: String) -> ClosedRange<Int>? {
    let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = Int(ends[0]), first > 0 else { return nil }
    guard ends.count == 2 else { return first...first }
    // "2-" goes to the last column.
    guard !ends[1].isEmpty else { return first...Int.max }
    return Int(ends[1]).flatMap { $0 >= first ? first...$0 : nil }
  }

  /// The columns, from 0, of some texts in a file with `count` columns and these names, if it has any.
  static func columns(_ texts: [String], of count: Int, names: [String]?) throws(LineProblem) -> [Int] {
    var columns: [Int] = []
    for text in texts {
      if let range = range(text) {
        let last = range.upperBound == .max ? max(count, range.lowerBound) : range.upperBound
        guard last <= count else { throw .columnBeyond(last, count: count) }
        columns += range.lowerBound - 1..<last
      } else {
        let names = names ?? []
        guard
          let column = names.firstIndex(where: { $0.utf8.elementsEqual(text.utf8) })
            ?? names.firstIndex(where: { $0.lowercased() == text.lowercased() })
        else { throw .noColumn(text, names: names) }
        columns.append(column)
      }
    }
    return columns
  }
}
