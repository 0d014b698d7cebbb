/// Lines to predict from. Each is the source of an example, without a target.
///
/// A line is, by format and kind of data: the text (of columns the words with white space between them), for seq2seq
/// `source[<TAB>second source]`, for a matcher `first<TAB>second`, for csv `x0,x1,…`, for npy the path of an array, relative to the current
/// directory, for multihot the steps, and for a generator the class. A tab is part of the text where it could be in the
/// training data: in parallel files. For windows over a table it is a row, with which the window ends.
public struct PredictionInputs: Sendable {
  private let options: ExampleOptions
  private let layout: RecordLayout
  /// Whether the fields of the training data had tabs between them.
  private let hasTabs: Bool
  private var builder: ExampleBuilder
  private var record = RawRecord()
  private let encoding: DataEncoding
  /// Of windows over a table.
  private var forecast: ForecastInputs?

  /// Creates inputs for a model that was trained with these options on a source of this kind. Throws
  /// `DataError.unsupported`, also for a generator without a source.
  public init(options: ExampleOptions, encoding: DataEncoding, like source: DataSource) throws {
    let trained = try RecordLayout(options, source)
    guard let layout = trained.input else {
      throw options.unsupported("the model was trained without a source; it takes no input")
    }
    // No line is left out: one line in, one line out.
    var options = options
    options.emptySequences = .error
    if options.tooLong == .skip { options.tooLong = .error }
    self.options = options
    self.layout = layout
    if case .tabs = trained.cut { hasTabs = true } else { hasTabs = false }
    self.encoding = encoding
    forecast = options.window > 0 ? ForecastInputs(options, encoding) : nil
    builder = ExampleBuilder(options, layout, encoding, folder: nil, isEvaluation: true)
  }

  /// Number of lines since the last `take`.
  public var count: Int { forecast?.count ?? builder.count }

  /// Adds a line. Throws `DataError` without adding anything. It also throws for lines that are skipped in other data:
  /// empty lines, and overlong lines unless the options truncate them.
  public mutating func append(_ line: some Sequence<UInt8>, name: String, line number: Int) throws {
    record.source.set(line, name: name, line: number)
    record.sourceColumns.removeAll(keepingCapacity: true)
    record.hasSecondSource = false
    if forecast != nil {
      do throws(LineProblem) {
        try forecast?.append(record.source.bytes)
      } catch {
        throw record.source.problem(error)
      }
      return
    }
    if layout.source == .series { try cutSeries() }
    if options.kind == .labeled, hasTabs, layout.source == .text, record.source.bytes.contains(0x09) {
      // Most likely a line of the training data: its class would be read as a word.
      let fields = record.source.bytes.count { $0 == 0x09 } + 1
      throw record.source.problem(.fields(found: fields, expected: "the text alone, without a class"))
    }
    if layout.source == .array || layout.source == .arrayVector, record.source.bytes.contains(0x09) {
      // Most likely a line of the training data as well.
      let fields = record.source.bytes.count { $0 == 0x09 } + 1
      throw record.source.problem(.fields(found: fields, expected: "the path of the array alone"))
    }
    if options.kind.takesSecondSource, layout.source == .text, hasTabs || encoding.hasSecondSource == true,
      let tab = record.source.bytes.firstIndex(of: 0x09)
    {
      let fields = record.source.bytes.count { $0 == 0x09 } + 1
      guard fields == 2 else {
        let expected = encoding.hasSecondSource == true ? "source<TAB>second source" : "one"
        throw record.source.problem(.fields(found: fields, expected: expected))
      }
      record.secondSource = record.source
      record.secondSource.bytes.removeFirst(tab + 1)
      record.secondSource.offset = tab + 1
      record.source.bytes.removeLast(record.source.bytes.count - tab)
      record.hasSecondSource = true
    }
    try builder.append(record)
  }

  /// Adds the source of a row of csv. Throws `DataError` without adding anything, as for a line.
  public mutating func append(_ row: PredictionTable.Row) throws {
    record.source.set(row.source, name: row.name, line: row.line)
    record.sourceColumns = row.sourceColumns
    record.hasSecondSource = row.secondSource != nil
    record.secondSource.set(row.secondSource ?? [], name: row.name, line: row.line)
    try builder.append(record)
  }

  /// The csv file that begins with a line; nil if the model does not read csv, or the line does not name its columns.
  ///
  /// - Parameter addedNames: the names of the columns that the answer has after those of the file.
  public func table(header line: [UInt8], name: String, adding addedNames: [String]) throws
    -> PredictionTable?
  {
    guard options.format == .csv, forecast == nil else { return nil }
    return try PredictionTable(
      header: line, name: name, options, encoding, hasNumbers: layout.source == .series,
      addedNames: addedNames)
  }

  /// Whether a line, which is read as a text, was most likely meant as a row of csv.
  public func looksLikeRow(_ line: [UInt8]) -> Bool {
    guard options.format == .csv, layout.source == .text else { return false }
    var parser = CSVParser(options.delimiter, options.decimal)
    guard (try? parser.add(line)) == true else { return false }
    return line.first == UInt8(ascii: "\"") || parser.row.count >= options.columns?.largestNumber ?? .max
  }

  /// Replaces the csv line by its numbers in the form of a record.
  private mutating func cutSeries() throws {
    do {
      var csv = CSVParser(options.delimiter, options.decimal)
      guard try csv.add(record.source.bytes) else { throw LineProblem.openQuotes }
      record.source.bytes = try csv.series(Array(0..<csv.row.count))
    } catch let problem as LineProblem {
      throw record.source.problem(problem)
    }
  }

  /// Returns the lines since the last call, with their text.
  public mutating func take() -> ExampleSet {
    if let set = forecast?.take() { return set }
    return builder.take(name: record.source.name).scaled(encoding)
  }
}
