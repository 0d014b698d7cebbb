/// The bytes of one example, as in the file.
struct RawRecord {
  /// The bytes of a field and where they are.
  struct Field {
    var bytes: [UInt8] = []
    var name = ""
    var line = 0
    /// Bytes of the line before the field; 0 for csv, whose quotation marks are not in the field.
    var offset = 0

    /// - Parameter line: where the field begins.
    mutating func set(_ bytes: some Sequence<UInt8>, name: String, line: Int, offset: Int = 0) {
      self.bytes.removeAll(keepingCapacity: true)
      self.bytes.append(contentsOf: bytes)
      (self.name, self.line, self.offset) = (name, line, offset)
    }

    func problem(_ problem: LineProblem) -> DataError {
      .line(name: name, line: line, problem: problem.moved(by: offset))
    }
  }

  var source = Field()
  var secondSource = Field()
  var target = Field()
  var hasSecondSource = false
  /// The line of each token, if each token has its own line.
  var tokenLines: [Int] = []
  /// The column of each number of the source, from 0, if it has columns.
  var sourceColumns: [Int] = []

  /// An error in the source. The columns of a problem are those of the file.
  ///
  /// - Parameter hasClass: the target is a class, which may be in another column.
  func sourceProblem(_ problem: LineProblem, hasClass: Bool) -> DataError {
    let problem = problem.movedColumn {
      sourceColumns.indices.contains($0 - 1) ? sourceColumns[$0 - 1] + 1 : $0
    }
    if !sourceColumns.isEmpty, case .notANumber(let text, let column) = problem, text.contains(" ") {
      return source.problem(.columnOfText(text, column: column))
    }
    if hasClass, sourceColumns.first == 1, parsedNumber(target.bytes[...]) != nil,
      case .notANumber(let text, let column) = problem, !text.isEmpty
    {
      return source.problem(.textColumn(text, column: column))
    }
    return source.problem(problem)
  }

  /// An error in the target at a step.
  func targetProblem(_ problem: LineProblem, step: Int) -> DataError {
    guard step < tokenLines.count else { return target.problem(problem) }
    return .line(name: target.name, line: tokenLines[step], problem: problem)
  }
}

/// Reads the examples of a file one after the other.
protocol RecordReader: AnyObject {
  /// Overwrites `record` with the next example; false at the end. Throws `DataError`.
  func next(_ record: inout RawRecord) throws -> Bool
  /// The blank lines so far in places where an example was expected.
  var blankLines: BlankLines { get }
  /// Observations so far about the layout of the file.
  var layoutNotes: LayoutNotes { get }
}

/// The lines that were left out because they are not data, and the detected delimiter.
struct LayoutNotes: Sendable, Equatable {
  /// The place of a header, as `file:line`.
  var header: String?
  /// Whether columns are given by name, which requires a header.
  var headerIsRequired = false
  /// The names of the columns that are read, of the source first, by the header.
  var columnNames: [String]?
  var comments = 0
  /// The place of the first comment.
  var firstComment: String?
  /// The place of the first sentence that begins with the word `#`, where a comment could be meant.
  var firstNumberSign: String?
  /// The delimiter of a csv file, if it was detected and is not the comma.
  var delimiter: Delimiter?
  /// The place of a first row of csv with the numbers 0, 1, 2, … or 1, 2, 3, …, which was read as an example.
  var countingRow: String?
}

/// Counts blank lines. Those at the end of a file don't count. Others are errors or left out, depending on the options.
struct BlankLines {
  let policy: EmptyExamples
  private(set) var skipped = 0
  private(set) var first: DataError?
  private var pending = 0
  private var firstPending: DataError?

  init(_ policy: EmptyExamples) { self.policy = policy }

  /// Notes a blank line.
  mutating func add(_ reader: LineReader) {
    if pending == 0 { firstPending = reader.problem(.empty(field: "sequence")) }
    pending += 1
  }

  /// Reports the blank lines that were read before this line. Blank lines at the end of a file are not reported, so they
  /// wait until another line follows.
  mutating func settle() throws {
    guard let error = firstPending else { return }
    if policy == .error { throw error }
    if first == nil { first = error }
    skipped += pending
    pending = 0
    firstPending = nil
  }
}

extension DataSource {
  /// Creates a reader for the examples of this source.
  ///
  /// - Parameter columnNames: the names in the header of the training data, with which a header must agree.
  func records(
    _ layout: RecordLayout, _ options: ExampleOptions, columnNames: [String]? = nil
  ) throws -> any RecordReader {
    switch self {
    case .parallel(let source, let target, let second):
      return try ParallelRecords(source, target, second, options.emptySequences)
    case .file(let file):
      switch layout.cut {
      case .columns, .conllu: return try ColumnRecords(file, layout, options)
      default: return try LineRecords(file, layout, options, columnNames)
      }
    }
  }
}

/// Examples that are one line each, whole or cut at tabs, or one row of csv.
final class LineRecords: RecordReader {
  private let reader: LineReader
  private let layout: RecordLayout
  private let choice: DataColumns?
  /// The names of columns in the training data.
  private let columnNames: [String]?
  /// Whether every example has two sources.
  private let comparesTwo: Bool
  private let expected: String
  private(set) var blankLines: BlankLines
  private(set) var layoutNotes = LayoutNotes()
  private var csv: CSVParser?
  private var row = Row()
  /// The columns of the parts, from 0; set by the first row.
  private var columns = (source: [0], target: 1, second: Int?.none)
  /// The number of fields of the first row, which the others must have, too.
  private var fieldCount = 0

  init(
    _ file: TextSource, _ layout: RecordLayout, _ options: ExampleOptions, _ columnNames: [String]?
  ) throws {
    reader = try LineReader(file)
    self.layout = layout
    self.columnNames = columnNames
    choice = options.columns
    comparesTwo = options.kind == .matched
    blankLines = BlankLines(options.emptySequences)
    if layout.cut == .csv { csv = CSVParser(options.delimiter, options.decimal) }
    expected =
      switch (options.format, options.kind) {
      case (_, .matched): "label<TAB>first text<TAB>second text"
      case (.npy, _): "target<TAB>file.npy"
      case (_, .paired): "source<TAB>target, or source<TAB>target<TAB>second source in every line"
      case (.multihot, _): "label<TAB>steps"
      default: "label<TAB>text"
      }
    layoutNotes.headerIsRequired = choice?.hasNames == true
  }

  func next(_ record: inout RawRecord) throws -> Bool {
    while try reader.nextRecordLine() {
      guard !reader.bytes.isEmpty else {
        blankLines.add(reader)
        continue
      }
      try blankLines.settle()
      let line = reader.number
      guard layout.cut != .wholeLine else {
        if layout.source != nil { record.source.set(reader.bytes, name: reader.name, line: line) }
        if layout.target != nil { record.target.set(reader.bytes, name: reader.name, line: line) }
        return true
      }
      do {
        try cutLine()
        if fieldCount == 0, try begin() {
          layoutNotes.header = "\(reader.name):\(line)"
          continue
        }
        try checkCount()
        try fill(&record, line)
      } catch let problem as LineProblem {
        throw DataError.line(name: reader.name, line: line, problem: problem)
      }
      return true
    }
    return false
  }

  /// Cuts the current line into a row; a row of csv may continue in the following lines.
  private func cutLine() throws {
    guard var parser = csv else { return row.cutAtTabs(reader.bytes) }
    // Releases the other reference, so that the parser's row is not copied when it grows.
    csv = nil
    row = Row()
    defer { csv = parser }
    while try !parser.add(reader.bytes) {
      guard try reader.next() else { throw LineProblem.openQuotes }
    }
    row = parser.row
  }

  /// Sets the number of fields and the columns from the first row. Returns whether it is a header.
  private func begin() throws(LineProblem) -> Bool {
    let names = row.names
    if let csv, csv.delimiter != .comma { layoutNotes.delimiter = csv.delimiter }
    var isHeader = choice?.hasNames == true
    try setColumns(isHeader ? names : nil)
    if !isHeader { isHeader = try looksLikeHeader(names.map { $0.lowercased() }) }
    if csv != nil || choice != nil || isHeader { fieldCount = max(2, row.count) }
    if layout.source == .series, !isHeader, names.count > 2,
      [0, 1].contains(where: { counts(names, from: $0) })
    {
      layoutNotes.countingRow = "\(reader.name):\(reader.number)"
    }
    if isHeader { try note(names) }
    return isHeader
  }

  /// Notes the names of the columns that are read. Throws if they contradict those of the training data: any other name of csv, and the
  /// same names of texts in another order, such as two languages.
  private func note(_ names: [String]) throws(LineProblem) {
    let found = usedColumns.filter { $0 < names.count }.map { names[$0] }
    layoutNotes.columnNames = found
    if csv != nil || columnNames.map({ Set($0) == Set(found) }) == true {
      try DataColumns.check(found, against: columnNames, choice: choice)
    }
  }

  /// All columns that are read, of the source first.
  private var usedColumns: [Int] {
    columns.source + [columns.target] + (columns.second.map { [$0] } ?? [])
  }

  /// Whether texts are consecutive numbers.
  private func counts(_ texts: some Collection<String>, from first: Int) -> Bool {
    texts.enumerated().allSatisfy { Int($1) == first + $0 }
  }

  private func setColumns(_ names: [String]?) throws(LineProblem) {
    let isLabelFirst = layout.cut == .csv || layout.cut == .tabs(targetFirst: true)
    columns.target = isLabelFirst ? 0 : 1
    columns.source = layout.cut == .csv ? Array(1..<max(2, row.count)) : [isLabelFirst ? 1 : 0]
    guard let choice else {
      let mayHaveSecond = layout.source == .text && !isLabelFirst
      columns.second = comparesTwo || mayHaveSecond && row.count > 2 ? 2 : nil
      return
    }
    func found(_ texts: [String]?) throws(LineProblem) -> [Int]? {
      try DataColumns.columns(texts, of: row.count, names: names)
    }
    columns.target = try found(choice.parts.target)?.first ?? columns.target
    let others = (0..<row.count).filter { $0 != columns.target }
    columns.source = try found(choice.parts.source) ?? (comparesTwo ? Array(others.prefix(1)) : others)
    columns.second =
      try found(choice.parts[.secondSource])?.first
      ?? (comparesTwo ? others.last { $0 != columns.source.first } : nil)
    let used = usedColumns
    if let twice = used.first(where: { column in used.count { $0 == column } > 1 }) {
      throw .columnTwice(twice + 1)
    }
  }

  /// Whether the first row names the columns.
  ///
  /// A row between tabs does if all fields that are read are names of columns, or of the languages of two texts. A row of csv does if no field of the source is a
  /// number, or if the label is the name of labels and the fields of the source count from 0 or 1. Throws for a row that has
  /// a name of labels elsewhere than the reader expects it, unless the user chose the columns.
  private func looksLikeHeader(_ names: [String]) throws(LineProblem) -> Bool {
    guard names.count > 1 else { return false }
    let labelColumn =
      layout.source == .label ? columns.source[0] : layout.target == .text ? nil : columns.target
    if layout.source == .series {
      let cells = columns.source.map { names[$0] }
      let isNumbered = [0, 1].contains { counts(cells, from: $0) }
      let hasNumbers = columns.source.contains { column in
        isMissingNumber(row[column]) || isNumber(row[column])
      }
      guard !hasNumbers || ColumnName.labels.contains(names[columns.target]) && isNumbered else {
        return false
      }
    } else {
      guard usedColumns.allSatisfy({ $0 < names.count }) else { return false }
      let readNames = usedColumns.map { names[$0] }
      if layout.source == .text, layout.target == .text, ColumnName.areLanguages(readNames) { return true }
      guard readNames.allSatisfy(ColumnName.isKnown), choice != nil || names.allSatisfy(ColumnName.isKnown)
      else { return false }
    }
    if choice == nil, let labelColumn, !ColumnName.labels.contains(names[labelColumn]),
      let found = names.firstIndex(where: { ColumnName.labels.contains($0) })
    {
      throw .labelColumn(names[found], column: found + 1, expected: labelColumn + 1)
    }
    return true
  }

  /// Whether a field is a number, with a point or a comma before its decimals.
  private func isNumber(_ field: ArraySlice<UInt8>) -> Bool {
    parsedNumber(field) != nil || parsedNumber(ArraySlice(field.map { $0 == 0x2C ? 0x2E : $0 })) != nil
  }

  private func checkCount() throws(LineProblem) {
    if csv != nil || choice != nil {
      guard row.count == fieldCount else {
        throw .columns(found: row.count, expected: fieldCount, delimiter: csv?.delimiter)
      }
    } else {
      let most = columns.second == nil ? 2 : 3
      guard row.count == most else { throw .fields(found: row.count, expected: expected) }
      fieldCount = row.count
    }
  }

  private func fill(_ record: inout RawRecord, _ line: Int) throws(LineProblem) {
    if let csv, layout.source == .series {
      record.sourceColumns = columns.source
      record.source.set(try csv.series(columns.source), name: reader.name, line: line)
    } else {
      set(&record.source, columns.source[0], line)
    }
    if let csv, holdsNumbers(row[columns.target]) {
      record.target.set(csv.number(row[columns.target]), name: reader.name, line: line)
    } else {
      set(&record.target, columns.target, line)
    }
    record.hasSecondSource = columns.second != nil
    if let second = columns.second { set(&record.secondSource, second, line) }
  }

  /// Whether a field of targets holds numbers, not the path of an array.
  private func holdsNumbers(_ field: ArraySlice<UInt8>) -> Bool {
    layout.target == .numbers || layout.target == .stepNumbers && !isArrayPath(field)
  }

  /// Sets a field to a column of the row, which begins in a line.
  private func set(_ field: inout RawRecord.Field, _ column: Int, _ line: Int) {
    field.set(
      row[column], name: reader.name, line: line, offset: csv == nil ? row.offset(column) : 0)
  }
}

/// Examples of parallel files: each file holds one field, and each line one example.
final class ParallelRecords: RecordReader {
  private let source: LineReader
  private let target: LineReader
  private let second: LineReader?
  private(set) var blankLines: BlankLines
  let layoutNotes = LayoutNotes()

  init(
    _ source: TextSource, _ target: TextSource, _ second: TextSource?,
    _ policy: EmptyExamples
  ) throws {
    self.source = try LineReader(source)
    self.target = try LineReader(target)
    self.second = try second.map { try LineReader($0) }
    blankLines = BlankLines(policy)
  }

  private var readers: [LineReader] { [source, target] + (second.map { [$0] } ?? []) }

  func next(_ record: inout RawRecord) throws -> Bool {
    while true {
      let more = try readers.map { try $0.nextRecordLine() }
      guard !more.contains(false) else {
        try checkEnd(more)
        return false
      }
      if readers.allSatisfy(\.bytes.isEmpty) {
        blankLines.add(source)
        continue
      }
      try blankLines.settle()
      record.source.set(source.bytes, name: source.name, line: source.number)
      record.target.set(target.bytes, name: target.name, line: target.number)
      record.hasSecondSource = second != nil
      if let second { record.secondSource.set(second.bytes, name: second.name, line: second.number) }
      return true
    }
  }

  /// After one file has ended, the others may hold only blank lines.
  private func checkEnd(_ more: [Bool]) throws {
    guard let ended = zip(readers, more).first(where: { !$1 })?.0 else { return }
    for (reader, hasLine) in zip(readers, more) where hasLine {
      repeat {
        guard reader.bytes.isEmpty else { throw reader.problem(.missingCounterpart(file: ended.name)) }
      } while try reader.nextRecordLine()
    }
  }
}
