// Tables of numbers with one row per time step, cut into windows: examples of forecasting.

/// The columns of a table and the numbers of its rows.
struct TableParser {
  /// The numbers of a row.
  struct Values {
    /// NaN where a number is missing.
    var source: [Float]
    var target: [Float]
    /// The name of the series; rows with another one are another series.
    var series: [UInt8]
  }

  private let choice: DataColumns?
  /// The encoding of the training data; nil: these are the training data.
  private let known: DataEncoding?
  private let allowsMissing: Bool
  private var csv: CSVParser
  /// From 0; set by the first row.
  private var columns: (source: [Int], target: [Int], series: Int?)?
  private var fieldCount = 0
  /// The first row was a header.
  private(set) var hasHeader = false
  /// The names of the columns that are read, of the source first, by the header.
  private(set) var columnNames: [String]?
  /// The names of all columns, by the header.
  private var allNames: [String]?
  /// A row of numbers has been read.
  private var hasNumbers = false
  /// The numbers so far in each column.
  private var spreads: [NumberSpread] = []

  /// - Parameter known: the encoding of the training data, with whose header a header must agree; nil: these are the
  ///   training data.
  init(_ options: ExampleOptions, _ known: DataEncoding?) {
    choice = options.columns
    self.known = known
    allowsMissing = options.missing == .mask
    csv = CSVParser(options.delimiter, options.decimal)
  }

  var delimiter: Delimiter? { csv.delimiter }

  /// Whether a row continues in the next line.
  var isOpen: Bool { csv.isOpen }

  /// Leaves out a row that was begun.
  mutating func abandonRow() { csv.abandonRow() }

  /// Adds a line; nil if it was a header, or if the row continues in the next line.
  mutating func add(_ line: [UInt8]) throws(LineProblem) -> Values? {
    guard try csv.add(line) else { return nil }
    let columns: (source: [Int], target: [Int], series: Int?)
    if let known = self.columns {
      columns = known
    } else {
      columns = try findColumns()
      self.columns = columns
      fieldCount = csv.row.count
      spreads = Array(repeating: NumberSpread(), count: fieldCount)
      if hasHeader {
        let (names, read) = (csv.row.names, columns.source + columns.target)
        allNames = names
        columnNames = read.map { names[$0] }
        try DataColumns.check(columnNames ?? [], against: known?.columnNames, choice: choice)
        return nil
      }
    }
    guard csv.row.count == fieldCount else {
      throw .columns(found: csv.row.count, expected: fieldCount, delimiter: csv.delimiter)
    }
    let series = columns.series.map { Array(csv.row[$0]) } ?? []
    let values = Values(
      source: try numbers(columns.source), target: try numbers(columns.target), series: series)
    hasNumbers = true
    return values
  }

  /// The columns by the first row, which is a header if columns are named or if none of its numbers is one. By default the first
  /// column is forecast, and all but that of the series are read.
  private mutating func findColumns() throws(LineProblem) -> (source: [Int], target: [Int], series: Int?) {
    let (row, names) = (csv.row, choice?.hasNames == true ? csv.row.names : nil)
    func found(_ texts: [String]?) throws(LineProblem) -> [Int]? {
      try DataColumns.columns(texts, of: row.count, names: names)
    }
    let target = try found(choice?.parts.target) ?? [0]
    let series = try found(choice?.parts[.series])?.first
    let source = try found(choice?.parts.source) ?? (0..<row.count).filter { $0 != series }
    hasHeader =
      names != nil
      || !(source + target).contains {
        isMissingNumber(row[$0]) || parsedNumber(csv.number(row[$0])[...]) != nil
      }
    return (source, target, series)
  }

  /// The first column with numbers that can't be rounded to 32 bits, and the reason.
  var coarseColumn: String? {
    for (column, spread) in spreads.enumerated() {
      if let problem = spread.problem { return "the numbers of column \(column + 1) \(problem)" }
    }
    return nil
  }

  private mutating func numbers(_ columns: [Int]) throws(LineProblem) -> [Float] {
    var numbers: [Float] = []
    numbers.reserveCapacity(columns.count)
    for column in columns {
      let field = csv.row[column]
      if allowsMissing, isMissingNumber(field) {
        numbers.append(.nan)
      } else if let number = parsedDouble(csv.number(field)[...]) {
        guard Float(number).isFinite else {
          throw .notFinite(String(decoding: field, as: UTF8.self), column: column + 1)
        }
        numbers.append(Float(number))
        spreads[column].add(number)
      } else {
        throw notANumber(field, column)
      }
    }
    return numbers
  }

  /// The problem of a field. A column of the training data whose first field is a text, such as a time, should not be read
  /// at all.
  private func notANumber(_ field: ArraySlice<UInt8>, _ column: Int) -> LineProblem {
    let text = String(decoding: field, as: UTF8.self)
    let others = (0..<fieldCount).filter {
      $0 != columns?.series
        && (isMissingNumber(csv.row[$0]) || parsedNumber(csv.number(csv.row[$0])[...]) != nil)
    }
    guard known == nil, !hasNumbers, !others.contains(column), !hasDecimalComma(text), !others.isEmpty else {
      return .notANumber(text, column: column + 1)
    }
    let targets = choice?.parts.target == nil ? nil : columns?.target
    return .tableText(
      text, column: column + 1, name: allNames?[column], numbers: others.map { $0 + 1 },
      choosesTarget: targets?.allSatisfy { others.contains($0) } ?? false)
  }
}

/// The series of each row of a table.
private struct SeriesOfRows {
  /// The values in the column of series, in the order of their first rows.
  private(set) var names = WordTable()
  private var numbers: [Int32] = []

  mutating func add(_ name: [UInt8]) { numbers.append(names.intern(name)) }

  /// The first row of each series when the rows of each series are consecutive, and after the last one the number of rows.
  var starts: [Int] {
    var starts = [Int](repeating: 0, count: names.count + 1)
    for number in numbers { starts[Int(number) + 1] += 1 }
    for series in starts.indices.dropFirst() { starts[series] += starts[series - 1] }
    return starts
  }

  /// Rows of numbers, those of each series together and in their order.
  func gathered(_ values: [Float], width: Int) -> [Float] {
    guard zip(numbers, numbers.dropFirst()).contains(where: { $0 > $1 }) else { return values }
    var next = starts
    var gathered = [Float](repeating: 0, count: values.count)
    for (row, series) in numbers.enumerated() {
      let place = next[Int(series)]
      next[Int(series)] += 1
      for column in 0..<width { gathered[place * width + column] = values[row * width + column] }
    }
    return gathered
  }
}

/// All rows of a table, with the rows of each series one after the other.
struct WindowedTable {
  let name: String
  private(set) var source: [Float] = []
  private(set) var target: [Float] = []
  /// The targets as they are in the file; set by ``prepare(_:masked:)``.
  private var unscaledTarget: [Float] = []
  /// The first row of each series, and after the last one the number of rows.
  private let series: [Int]
  /// The reason why the numbers of a column can't be rounded to 32 bits.
  private let coarseColumn: String?
  /// nil without a column of series.
  private var seriesNames: WordTable?
  private(set) var notes = LayoutNotes()
  let sourceWidth: Int
  let targetWidth: Int

  /// Reads a file. Throws `DataError`.
  ///
  /// - Parameter known: the encoding of the training data; nil: these are the training data.
  init(_ file: TextSource, _ options: ExampleOptions, _ known: DataEncoding?) throws {
    name = file.name
    let reader = try LineReader(file)
    var parser = TableParser(options, known)
    var (rows, widths) = (0, (source: 0, target: 0))
    var seriesOfRows = SeriesOfRows()
    while try reader.nextRecordLine() {
      if !parser.isOpen, reader.bytes.isEmpty { continue }
      let row: TableParser.Values?
      do {
        row = try parser.add(reader.bytes)
      } catch {
        throw reader.problem(error)
      }
      guard let values = row else {
        if parser.hasHeader, notes.header == nil {
          notes.header = "\(reader.name):\(reader.number)"
        }
        continue
      }
      seriesOfRows.add(values.series)
      source += values.source
      target += values.target
      widths = (values.source.count, values.target.count)
      rows += 1
    }
    if parser.isOpen { throw reader.problem(.openQuotes) }
    guard rows > 0 else { throw DataError.noExamples(name: name) }
    if let delimiter = parser.delimiter, options.delimiter == .auto, delimiter != .comma {
      notes.delimiter = delimiter
    }
    notes.headerIsRequired = options.columns?.hasNames == true
    notes.columnNames = parser.columnNames
    coarseColumn = parser.coarseColumn
    (sourceWidth, targetWidth) = widths
    series = seriesOfRows.starts
    source = seriesOfRows.gathered(source, width: sourceWidth)
    target = seriesOfRows.gathered(target, width: targetWidth)
    if options.columns?.parts[.series] != nil { seriesNames = seriesOfRows.names }
  }

  /// The numbers as a model sees them: masked, scaled, missing ones filled.
  mutating func prepare(_ encoding: DataEncoding, masked: Bool) {
    unscaledTarget = target
    if masked { source = Self.withMask(source, sourceWidth) }
    let width = masked ? 2 * sourceWidth : sourceWidth
    if let scale = encoding.sourceScale { source = scale.apply(source, width: width) }
    if let scale = encoding.targetScale { target = scale.apply(target, width: targetWidth) }
  }

  /// Each step of numbers followed, for each of them, by 1 if it is there and 0 if it is missing.
  static func withMask(_ numbers: [Float], _ width: Int) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(2 * numbers.count)
    for start in stride(from: 0, to: numbers.count, by: width) {
      let step = numbers[start..<start + width]
      result += step + step.map { $0.isNaN ? 0 : 1 }
    }
    return result
  }

  /// The windows of a part of the table.
  struct Windows {
    /// The last row of the input of each window.
    private(set) var rows: [Int] = []
    /// The windows that are left out because a target is missing.
    private(set) var incomplete = 0

    mutating func add(_ row: Int, isComplete: Bool) {
      if isComplete { rows.append(row) } else { incomplete += 1 }
    }
  }

  /// All windows, in two parts: those whose targets lie before the cut of their series, and those whose targets lie behind it. A
  /// window with targets on both sides belongs to neither, one with a missing target is left out.
  func windows(_ options: ExampleOptions, validFraction: Double) -> (first: Windows, second: Windows) {
    var (first, second) = (Windows(), Windows())
    for (start, end) in zip(series, series.dropFirst()) {
      let cut = cut(start, end, validFraction)
      for last in stride(from: start + options.window - 1, to: end - options.horizon, by: 1) {
        let targets = last + 1..<last + 1 + options.horizon
        let isComplete = !target[targets.lowerBound * targetWidth..<targets.upperBound * targetWidth]
          .contains(where: \.isNaN)
        if targets.upperBound <= cut {
          first.add(last, isComplete: isComplete)
        } else if targets.lowerBound >= cut {
          second.add(last, isComplete: isComplete)
        }
      }
    }
    return (first, second)
  }

  /// The row of a series at which the validation part begins.
  private func cut(_ start: Int, _ end: Int, _ validFraction: Double) -> Int {
    end - Int((Double(end - start) * validFraction).rounded())
  }

  /// Measures the rows of the training part of each series.
  func measure(_ options: ExampleOptions, validFraction: Double, _ encoding: inout DataEncoding) {
    let masked = options.missing == .mask
    guard masked || options.scaling == .standard else { return }
    var (sources, targets): ([Float], [Float]) = ([], [])
    for (start, end) in zip(series, series.dropFirst()) {
      let cut = cut(start, end, validFraction)
      sources += source[start * sourceWidth..<cut * sourceWidth]
      targets += target[start * targetWidth..<cut * targetWidth]
    }
    if masked { sources = Self.withMask(sources, sourceWidth) }
    encoding.sourceScale = Standardization(
      of: sources, width: masked ? 2 * sourceWidth : sourceWidth, masked: masked, options.scaling)
    encoding.targetScale = Standardization(of: targets, width: targetWidth, masked: false, options.scaling)
  }

  /// The examples of windows. Requires ``prepare(_:masked:)``.
  func examples(_ windows: Windows, _ options: ExampleOptions) -> ExampleSet {
    let rows = windows.rows
    let width = source.count / (series.last ?? 1)
    var report = ReadingReport()
    report.layout = notes
    report.incompleteWindows = windows.incomplete
    if let first = rows.first {
      let number = series.lastIndex { $0 <= first } ?? 0
      let last = first - series[number]
      let name = seriesNames.map { " of series \(quoted(String(decoding: $0[number], as: UTF8.self)))" }
      report.firstExample =
        "rows \(last - options.window + 2) to \(last + 1)\(name ?? ""), then \(options.horizon) to forecast"
    }
    return ExampleSet(
      name: name, count: rows.count,
      source: .vectors(
        RaggedVectors(
          windowsOf: source, width: width, starts: rows.map { ($0 - options.window + 1) * width },
          steps: options.window)),
      target: .vectors(
        RaggedVectors(
          windowsOf: target, width: options.horizon * targetWidth,
          starts: rows.map { ($0 + 1) * targetWidth }, steps: 1)),
      naive: NaiveForecasts(
        values: unscaledTarget, width: targetWidth, rows: rows, window: options.window),
      report: report)
  }
}

/// Forecasts without a model, which a model should beat: the last known value, and the value one season before. Both are in the units
/// of the data, and NaN where the window holds no such value.
public struct NaiveForecasts: Sendable {
  /// The targets of all rows; NaN where a number is missing.
  let values: [Float]
  let width: Int
  /// The last row of each window.
  let rows: [Int]
  /// Rows of a window, beyond which no forecast looks back.
  let window: Int

  /// The last known targets, for each step of the horizon.
  public func persistence(_ example: Int, horizon: Int) -> [Float] {
    let last = rows[example]
    let known = (0..<width).map { value($0, stride(from: last, to: last - window, by: -1)) }
    return (0..<horizon).flatMap { _ in known }
  }

  /// The latest known targets that are a whole number of seasons before each step of the horizon.
  public func seasonal(_ example: Int, horizon: Int, season: Int) -> [Float] {
    let last = rows[example]
    return (1...horizon).flatMap { step -> [Float] in
      let latest = last + step - (step + season - 1) / season * season
      return (0..<width).map { value($0, stride(from: latest, to: last - window, by: -season)) }
    }
  }

  /// The first known value of a column in some rows.
  private func value(_ column: Int, _ rows: StrideTo<Int>) -> Float {
    rows.lazy.map { values[$0 * width + column] }.first { !$0.isNaN } ?? .nan
  }
}

extension Corpus<ExampleSet> {
  /// Reads tables and cuts them into windows. Without a validation file, the end of each series is for validation: the share
  /// `options.validFraction` of its rows. Throws `DataError`.
  static func loadTables(
    _ sources: DataSources, options: ExampleOptions, encoding known: DataEncoding?
  ) throws -> ExampleCorpus {
    var table = try WindowedTable(sources.train.table(options), options, known)
    let isCut = sources.valid == nil && options.validFraction > 0
    let fraction = isCut ? options.validFraction : 0
    var encoding = known ?? DataEncoding()
    if known == nil {
      encoding.sourceWidth = table.sourceWidth * (options.missing == .mask ? 2 : 1)
      encoding.targetWidth = table.targetWidth * options.horizon
      try table.checkPrecision()
      encoding.columnNames = table.notes.columnNames
      if options.equalSteps { encoding.sourceSteps = options.window }
      table.measure(options, validFraction: fraction, &encoding)
    }
    try table.check(encoding, options)
    let windows = table.windows(options, validFraction: fraction)
    guard !windows.first.rows.isEmpty, !isCut || !windows.second.rows.isEmpty else {
      throw DataError.tooFewRows(
        name: table.name, needed: options.window + options.horizon,
        part: !isCut ? nil : windows.first.rows.isEmpty ? "training" : "validation")
    }
    table.prepare(encoding, masked: options.missing == .mask)
    let read = { (source: DataSource) in
      try Self.readTable(source, options: options, encoding: encoding)
    }
    return ExampleCorpus(
      encoding: encoding,
      train: table.examples(windows.first, options).notingScale(
        try RecordLayout(options, sources.train), options),
      valid: try sources.valid.map(read) ?? (isCut ? table.examples(windows.second, options) : nil),
      test: try sources.test.map(read))
  }

  /// All windows of a table to evaluate on. Throws `DataError`.
  static func readTable(
    _ source: DataSource, options: ExampleOptions, encoding: DataEncoding
  ) throws -> ExampleSet {
    var table = try WindowedTable(source.table(options), options, encoding)
    try table.check(encoding, options)
    let windows = table.windows(options, validFraction: 0).first
    guard !windows.rows.isEmpty else {
      throw DataError.tooFewRows(name: table.name, needed: options.window + options.horizon, part: nil)
    }
    table.prepare(encoding, masked: options.missing == .mask)
    return table.examples(windows, options).notingHeader(encoding, options.columns)
  }
}

extension WindowedTable {
  /// Throws if rounding the numbers of a column to 32 bits would lose what a model is to learn from.
  fileprivate func checkPrecision() throws {
    if let coarseColumn { throw DataError.input(name: name, reason: coarseColumn) }
  }

  /// Throws if a model for other columns is to read the table.
  fileprivate func check(_ encoding: DataEncoding, _ options: ExampleOptions) throws {
    let width = sourceWidth * (options.missing == .mask ? 2 : 1)
    if let expected = encoding.sourceWidth, width != expected {
      throw DataError.line(name: name, line: 1, problem: .width(found: width, expected: expected))
    }
    if let expected = encoding.targetWidth, targetWidth * options.horizon != expected {
      throw DataError.line(
        name: name, line: 1,
        problem: .width(found: targetWidth, expected: expected / max(1, options.horizon)))
    }
  }
}

extension DataSource {
  fileprivate func table(_ options: ExampleOptions) throws -> TextSource {
    guard case .file(let file) = self else { throw options.unsupported("windows are cut from one file") }
    return file
  }
}

/// The rows of a table that have been given to forecast from: from each, the window that ends there.
struct ForecastInputs {
  private let options: ExampleOptions
  private let encoding: DataEncoding
  private var parser: TableParser
  /// The latest rows of each series by its name, at most a window of them.
  private var histories: [[UInt8]: [[Float]]] = [:]
  private var windows: RaggedVectors
  private(set) var count = 0

  init(_ options: ExampleOptions, _ encoding: DataEncoding) {
    self.options = options
    self.encoding = encoding
    parser = TableParser(options, encoding)
    windows = RaggedVectors(width: encoding.sourceWidth ?? 1)
  }

  /// Adds a row. Throws `empty` for a row after which nothing can be forecast: a header, or one of the first rows of a window.
  mutating func append(_ line: [UInt8]) throws(LineProblem) {
    guard let values = try parser.add(line) else {
      if parser.isOpen {
        // The next line is a row of its own.
        parser.abandonRow()
        throw .openQuotes
      }
      throw .empty(field: "row of numbers")
    }
    let masked = options.missing == .mask
    let row = masked ? WindowedTable.withMask(values.source, values.source.count) : values.source
    guard row.count == windows.width else { throw .width(found: row.count, expected: windows.width) }
    histories[values.series, default: []].append(row)
    if histories[values.series, default: []].count > options.window {
      histories[values.series]?.removeFirst()
    }
    let history = histories[values.series] ?? []
    guard history.count == options.window else { throw .empty(field: "window of \(options.window) rows") }
    windows.append(history.joined())
    count += 1
  }

  /// The windows since the last call.
  mutating func take() -> ExampleSet {
    defer {
      windows = RaggedVectors(width: windows.width)
      count = 0
    }
    return ExampleSet(name: "input", count: count, source: .vectors(windows)).scaled(encoding)
  }
}
