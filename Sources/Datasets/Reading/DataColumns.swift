/// The columns of a file that hold the parts of an example, by name or by number.
///
/// A column is its number from 1, a range such as `2-101` or `2-` (to the last one), or its name in the first line, which
/// is then a header.
public struct DataColumns: Sendable, Equatable {
  /// The columns of each part, as in the configuration.
  public var parts: [DataPart: [String]]

  public init(parts: [DataPart: [String]]) { self.parts = parts }

  /// Whether the source is a single column. In csv it is text then, unless the file is a table of numbers.
  var hasOneSource: Bool { parts.source.map(Self.isOne) ?? false }

  /// The problem with these columns for every file, or nil.
  ///
  /// - Parameter isTable: the file is a table that is cut into windows.
  public func problem(in format: DataFormat, isTable: Bool) -> String? {
    for (part, other) in [(DataPart.source, DataPart.input), (.target, .labels)] where parts[part] != nil {
      if parts[other] != nil { return "\(part.rawValue) and \(other.rawValue) are the same part: name one" }
    }
    let hasTexts = format == .tsv || format == .csv && !isTable && hasOneSource
    if hasTexts, parts.source == nil || parts.target == nil {
      return "must name both source and target where they are texts"
    }
    if !hasTexts, parts[.secondSource] != nil { return "a second source is a column of text in tsv or csv" }
    if !isTable, parts[.series] != nil { return "series are parts of tables: set data.window" }
    let single = [
      format == .csv ? nil : parts.source, isTable ? nil : parts.target, parts[.secondSource], parts[.series],
    ]
    guard single.compactMap({ $0 }).allSatisfy(Self.isOne) else {
      return "must name one column for each part; only "
        + (isTable ? "source and target of a table" : "the source of csv files") + " may have several"
    }
    return nil
  }

  /// Whether texts denote exactly one column.
  private static func isOne(_ texts: [String]) -> Bool {
    texts.count == 1 && range(texts[0]).map { $0.count == 1 } ?? true
  }

  /// The largest number of a column; nil if all are named.
  var largestNumber: Int? {
    parts.values.joined().compactMap { Self.range($0)?.upperBound }.filter { $0 < .max }.max()
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

  /// The columns, from 0, of some texts in a file with `count` columns and these names, if it has any; nil without texts.
  static func columns(_ texts: [String]?, of count: Int, names: [String]?) throws(LineProblem) -> [Int]? {
    guard let texts else { return nil }
    var columns: [Int] = []
    for text in texts {
      if let range = range(text) {
        let last = range.upperBound == .max ? max(count, range.lowerBound) : range.upperBound
        guard last <= count else { throw .columnBeyond(last, count: count) }
        columns += range.lowerBound - 1..<last
      } else {
        columns.append(try column(named: text, names ?? []))
      }
    }
    var seen: Set<Int> = []
    if let twice = columns.first(where: { !seen.insert($0).inserted }) { throw .columnTwice(twice + 1) }
    return columns
  }

  /// The only column with a name, or, if there is none, with that name in other upper and lower case.
  static func column(named text: String, _ names: [String]) throws(LineProblem) -> Int {
    let exact = names.indices.filter { names[$0].utf8.elementsEqual(text.utf8) }
    let found =
      exact.isEmpty ? names.indices.filter { names[$0].lowercased() == text.lowercased() } : exact
    guard let column = found.first else { throw .noColumn(text, names: names) }
    guard found.count == 1 else { throw .nameTwice(text, columns: [column + 1, found[1] + 1]) }
    return column
  }

  /// Whether the user named every column of source and target, so that their order in a file does not matter.
  var areAllNamed: Bool {
    [parts.source, parts.target].allSatisfy { $0?.allSatisfy { Self.range($0) == nil } ?? false }
  }

  /// Throws if a header names other columns than that of the training data: they would be read by their position.
  ///
  /// - Parameters:
  ///   - found: the names of the columns that are read, of the source first.
  ///   - known: those of the training data; nil if they had no header.
  ///   - choice: the user's choice of columns.
  static func check(
    _ found: [String], against known: [String]?, choice: DataColumns?
  ) throws(LineProblem) {
    guard let known, choice?.areAllNamed != true else { return }
    func key(_ name: String) -> String {
      let name = name.lowercased()
      return ColumnName.labels.contains(name) ? "label" : name
    }
    if let (name, expected) = zip(found, known).first(where: { key($0) != key($1) }) {
      throw .otherColumn(name, expected: expected)
    }
  }
}
