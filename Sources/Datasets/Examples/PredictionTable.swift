/// A csv file to predict from. Its header names the columns that a model reads; the others are passed on, and the predictions become
/// further columns.
public struct PredictionTable: Sendable {
  /// A row of the file.
  public struct Row: Sendable {
    /// All fields of the row.
    public let fields: [[UInt8]]
    /// The text that the model reads, or its numbers with commas between them.
    public let source: [UInt8]
    public let secondSource: [UInt8]?
    /// The line in which the row begins, from 1.
    public let line: Int
    let name: String
    /// The column of each number of the source, from 0; empty for a text.
    let sourceColumns: [Int]
  }

  /// The names of all columns.
  public let names: [String]
  private let header: [[UInt8]]
  /// The names of the columns that the answer has after those of the file.
  private let addedNames: [String]
  private let name: String
  private let source: [Int]
  private let second: Int?
  private let hasNumbers: Bool
  private var parser: CSVParser
  private var firstLine = 0

  /// Reads a header; nil if the line does not name any of the columns that are read. Throws `DataError` if it lacks others of them, names one
  /// twice, or has a column with the name of one that is added.
  ///
  /// - Parameter addedNames: the names of the columns that the answer has after those of the file.
  init?(
    header line: [UInt8], name: String, _ options: ExampleOptions, _ encoding: DataEncoding,
    hasNumbers: Bool, addedNames: [String]
  ) throws {
    parser = CSVParser(options.delimiter, options.decimal)
    guard let read = Self.columnNames(options, encoding), (try? parser.add(line)) == true else { return nil }
    let names = parser.row.names
    let wanted = read.source + (read.second.map { [$0] } ?? [])
    var found: [Int] = []
    var problem: LineProblem?
    for text in wanted {
      do {
        found.append(try DataColumns.column(named: text, names))
      } catch {
        problem = problem ?? error
        if case .nameTwice = error { found.append(0) }
      }
    }
    guard !found.isEmpty else { return nil }
    if let problem { throw DataError.line(name: name, line: 1, problem: problem) }
    source = Array(found.prefix(read.source.count))
    second = read.second == nil ? nil : found.last
    // Columns are found without regard to case, so these would be the same name.
    if let taken = names.first(where: { addedNames.contains($0.lowercased()) }) {
      throw DataError.input(
        name: name,
        reason: "has a column \(quoted(taken)), but the output gets a new column of that name; rename it")
    }
    self.addedNames = addedNames
    (self.names, header, self.name, self.hasNumbers) = (names, parser.row.fields, name, hasNumbers)
  }

  /// The names of the columns of source and second source: those that the user chose, or those in the training data. nil if they
  /// have none.
  private static func columnNames(
    _ options: ExampleOptions, _ encoding: DataEncoding
  ) -> (source: [String], second: String?)? {
    if let columns = options.columns, columns.areAllNamed {
      return (columns.parts.source ?? [], columns.parts[.secondSource]?.first)
    }
    // The target is between source and second source.
    guard let names = encoding.columnNames else { return nil }
    let hasSecond = encoding.hasSecondSource == true
    let sources = names.dropLast(hasSecond ? 2 : 1)
    return sources.isEmpty ? nil : (Array(sources), hasSecond ? names.last : nil)
  }

  /// Whether a row has begun that continues in the next line.
  public var isOpen: Bool { parser.isOpen }

  /// Adds a line; nil if its row continues in the next line. Throws `DataError`.
  public mutating func add(_ line: [UInt8], number: Int) throws -> Row? {
    if !isOpen { firstLine = number }
    do throws(LineProblem) {
      guard try parser.add(line) else { return nil }
      guard parser.row.count == names.count else {
        throw LineProblem.columns(
          found: parser.row.count, expected: names.count, delimiter: parser.delimiter)
      }
      return Row(
        fields: parser.row.fields,
        source: try hasNumbers ? parser.series(source) : Array(parser.row[source[0]]),
        secondSource: second.map { Array(parser.row[$0]) }, line: firstLine, name: name,
        sourceColumns: hasNumbers ? source : [])
    } catch {
      throw DataError.line(name: name, line: firstLine, problem: error)
    }
  }

  /// Throws `DataError` if the file ends within a row.
  public func finish() throws {
    if isOpen { throw DataError.line(name: name, line: firstLine, problem: .openQuotes) }
  }

  /// The header of the answer, with a line feed.
  public var answerHeader: [UInt8] { parser.line(header + addedNames.map { Array($0.utf8) }) }

  /// A row of the answer, with a line feed.
  public func answer(_ row: Row, adding fields: [[UInt8]]) -> [UInt8] { parser.line(row.fields + fields) }
}
