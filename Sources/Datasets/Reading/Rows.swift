import Options

/// The character between the fields of a csv file.
public enum Delimiter: String, OptionChoice {
  /// A tab if the first line has one, otherwise a semicolon if it has one, otherwise a comma.
  case auto
  case comma, semicolon, tab

  /// The character; for `auto` the comma.
  var byte: UInt8 {
    switch self {
    case .auto, .comma: UInt8(ascii: ",")
    case .semicolon: UInt8(ascii: ";")
    case .tab: 0x09
    }
  }
}

/// The mark before the decimals of the numbers of a csv file.
public enum DecimalMark: String, OptionChoice {
  case point, comma
}

/// The fields of one row, concatenated.
struct Row {
  private(set) var bytes: [UInt8] = []
  private var ends: [Int] = []

  var count: Int { ends.count }

  subscript(field: Int) -> ArraySlice<UInt8> { bytes[(field == 0 ? 0 : ends[field - 1])..<ends[field]] }

  /// The bytes before a field of a line that was cut at tabs.
  func offset(_ field: Int) -> Int { self[field].startIndex + field }

  /// The text of each field, without white space around it.
  var names: [String] { fields.map { String(decoding: $0.trimmed(), as: UTF8.self) } }

  /// The bytes of each field.
  var fields: [[UInt8]] { (0..<count).map { Array(self[$0]) } }

  mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    ends.removeAll(keepingCapacity: true)
  }

  /// Overwrites the row with a line that is cut at tabs.
  mutating func cutAtTabs(_ line: [UInt8]) {
    removeAll()
    for byte in line {
      if byte == 0x09 { endField() } else { bytes.append(byte) }
    }
    endField()
  }

  fileprivate mutating func append(_ byte: UInt8) { bytes.append(byte) }
  fileprivate mutating func endField() { ends.append(bytes.count) }

  /// Removes the bytes of the field that has not ended yet.
  fileprivate mutating func clearField() { bytes.removeLast(bytes.count - (ends.last ?? 0)) }
}

/// Cuts the lines of a csv file into fields (RFC 4180): a field in quotation marks may hold delimiters, line ends, and
/// quotation marks, which are doubled. Spaces around the quotation marks are left out. A quotation mark within a field that does not
/// begin with one is text.
///
/// No package is used: SwiftCSV, the only one for Linux, holds the whole file as a `String` and cuts it by `Character`,
/// so that a combining mark swallows the delimiter before it. Its errors don't name a line.
struct CSVParser {
  private enum State { case start, plain, quoted, closing, closed }

  private static let quote = UInt8(ascii: "\"")
  private let decimal: DecimalMark
  /// nil before the first line, if it is detected from that line.
  private(set) var delimiter: Delimiter?
  private(set) var row = Row()
  private var state = State.start

  init(_ delimiter: Delimiter, _ decimal: DecimalMark) {
    self.delimiter = delimiter == .auto ? nil : delimiter
    self.decimal = decimal
  }

  /// Whether the row continues in the next line.
  var isOpen: Bool { state == .quoted }

  /// Leaves out a row that was begun.
  mutating func abandonRow() { state = .start }

  /// Adds a line to the row, or starts a new row if the previous one is complete. Returns false if a quoted field continues in the
  /// next line. Throws also for a row that is too long.
  mutating func add(_ line: [UInt8]) throws(LineProblem) -> Bool {
    if isOpen {
      guard row.bytes.count <= LineReader.longestLine else {
        // The next line is a row of its own.
        state = .start
        throw .tooManyBytes(limit: LineReader.longestLine)
      }
      row.append(0x0A)
    } else {
      row.removeAll()
      state = .start
    }
    let found = delimiter ?? detected(line)
    delimiter = found
    let separator = found.byte
    for byte in line {
      switch state {
      case .start where byte == Self.quote:
        row.clearField()
        state = .quoted
      case .quoted where byte == Self.quote: state = .closing
      case .closing where byte == Self.quote:
        row.append(byte)
        state = .quoted
      case .quoted: row.append(byte)
      case .start, .plain, .closing, .closed:
        if byte == separator {
          row.endField()
          state = .start
        } else if state == .start || state == .plain {
          row.append(byte)
          if byte != 0x20 { state = .plain }
        } else if byte == 0x20 {
          state = .closed
        } else {
          throw .afterQuotes(column: row.count + 1)
        }
      }
    }
    if isOpen { return false }
    row.endField()
    return true
  }

  private func detected(_ line: [UInt8]) -> Delimiter {
    var isQuoted = false
    let outside = line.filter { byte in
      if byte == Self.quote { isQuoted.toggle() }
      return !isQuoted
    }
    if outside.contains(0x09) { return .tab }
    return outside.contains(UInt8(ascii: ";")) || decimal == .comma ? .semicolon : .comma
  }

  /// The fields of some columns as numbers with decimal points, separated by commas.
  ///
  /// - Throws: `notANumber` or `columnOfText` for a field that would become several numbers.
  func series(_ columns: [Int]) throws(LineProblem) -> [UInt8] {
    var line: [UInt8] = []
    for column in columns {
      if !line.isEmpty || column != columns.first { line.append(UInt8(ascii: ",")) }
      let number = number(row[column])
      guard !number.contains(UInt8(ascii: ",")) else {
        let text = String(decoding: row[column], as: UTF8.self)
        throw text.contains(" ")
          ? .columnOfText(text, column: column + 1) : .notANumber(text, column: column + 1)
      }
      line += number
    }
    return line
  }

  /// A row of some fields, with quotation marks where they are needed.
  func line(_ fields: [[UInt8]]) -> [UInt8] {
    let separator = (delimiter ?? .comma).byte
    var line: [UInt8] = []
    for (index, field) in fields.enumerated() {
      if index > 0 { line.append(separator) }
      guard field.contains(where: { [Self.quote, separator, 0x0A, 0x0D].contains($0) }) else {
        line += field
        continue
      }
      line.append(Self.quote)
      for byte in field { line += byte == Self.quote ? [byte, byte] : [byte] }
      line.append(Self.quote)
    }
    line.append(0x0A)
    return line
  }

  /// A field with a decimal point in place of the file's decimal mark.
  func number(_ field: ArraySlice<UInt8>) -> [UInt8] {
    guard decimal == .comma else { return Array(field) }
    return field.map { $0 == UInt8(ascii: ",") ? UInt8(ascii: ".") : $0 }
  }
}
