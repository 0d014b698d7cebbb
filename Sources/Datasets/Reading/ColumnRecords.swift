/// Sentences with one word per line and a blank line between them.
final class ColumnRecords: RecordReader {
  private let reader: LineReader
  private let isCoNLLU: Bool
  private let choice: DataColumns?
  private static let conlluColumns = [
    "ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC",
  ]
  let blankLines = BlankLines(.skip)
  private(set) var layoutNotes = LayoutNotes()
  /// Columns of the first line; others must have as many.
  private var columnCount = 0
  /// The columns of word and tag, from 0.
  private var columns = (word: 1, tag: 3)

  /// Lines that were read ahead, up to the first one that does not begin with `#`; the first of them is the current one.
  private var held: ArraySlice<(bytes: [UInt8], number: Int)> = []
  private var hasLookedAhead = false
  /// The cells of the first line that does not begin with `#`, and whether tabs are between them; nil without such a line.
  private var firstCells: (count: Int, hasTabs: Bool)?
  /// Most lines that are read ahead.
  private static let mostHeld = 1000

  init(_ file: TextSource, _ layout: RecordLayout, _ options: ExampleOptions) throws {
    reader = try LineReader(file)
    isCoNLLU = layout.cut == .conllu
    choice = options.columns
    layoutNotes.headerIsRequired = choice?.hasNames == true
  }

  // MARK: The current line

  private var bytes: [UInt8] { held.first?.bytes ?? reader.bytes }
  private var number: Int { held.first?.number ?? reader.number }
  private var place: String { "\(reader.name):\(number)" }

  /// Goes to the next line; false at the end.
  private func advance() throws -> Bool {
    guard hasLookedAhead else {
      hasLookedAhead = true
      try lookAhead()
      return !held.isEmpty
    }
    held = held.dropFirst()
    return try !held.isEmpty || reader.nextRecordLine()
  }

  /// Reads up to the first line that is surely not a comment, whose columns tell comments from words.
  private func lookAhead() throws {
    while held.count < Self.mostHeld, try reader.nextRecordLine() {
      held.append((reader.bytes, reader.number))
      guard let first = reader.bytes.first(where: { !isASCIISpace($0) }), first != UInt8(ascii: "#") else {
        continue
      }
      let hasTabs = reader.bytes.contains(0x09)
      firstCells = (Self.cells(of: reader.bytes, hasTabs: hasTabs), hasTabs)
      return
    }
  }

  private static func cells(of line: [UInt8], hasTabs: Bool) -> Int {
    line.split { hasTabs ? $0 == 0x09 : isASCIISpace($0) }.count
  }

  // MARK: Sentences

  func next(_ record: inout RawRecord) throws -> Bool {
    record.tokenLines.removeAll(keepingCapacity: true)
    record.source.bytes.removeAll(keepingCapacity: true)
    record.target.bytes.removeAll(keepingCapacity: true)
    while try advance() {
      if bytes.allSatisfy(isASCIISpace) {
        if !record.tokenLines.isEmpty { return true }
      } else if !isComment(inSentence: !record.tokenLines.isEmpty) {
        do {
          try addWord(to: &record)
        } catch let problem as LineProblem {
          throw DataError.line(name: reader.name, line: number, problem: problem)
        }
      }
    }
    return !record.tokenLines.isEmpty
  }

  /// Whether the line is a comment: in CoNLL-U every line that begins with `#`, which belongs to the format and is not counted.
  ///
  /// Other files of columns have no rule, and `#` is a word too. Before the first word of a sentence, a line that begins with it
  /// is a comment unless it has the columns of a word: as many as the first other line, between tabs if that line has tabs. `# key = value`
  /// is always a comment.
  private func isComment(inSentence: Bool) -> Bool {
    guard bytes.first == UInt8(ascii: "#") else { return false }
    if isCoNLLU { return true }
    guard !inSentence else { return false }
    let isAlone = bytes.count == 1 || isASCIISpace(bytes[1])
    if hasColumnsOfAWord(isAlone: isAlone) {
      if isAlone { layoutNotes.firstNumberSign = layoutNotes.firstNumberSign ?? place }
      return false
    }
    layoutNotes.comments += 1
    layoutNotes.firstComment = layoutNotes.firstComment ?? place
    return true
  }

  /// - Parameter isAlone: white space follows the `#` of the line.
  private func hasColumnsOfAWord(isAlone: Bool) -> Bool {
    guard let firstCells else { return !isAlone }
    let cells = bytes.split(whereSeparator: isASCIISpace)
    if isAlone, cells.count > 2, cells[2].elementsEqual("=".utf8) { return false }
    return Self.cells(of: bytes, hasTabs: firstCells.hasTabs) == firstCells.count
  }

  /// Adds the word and the tag of the line, unless it is a header or a line of CoNLL-U without a word.
  private func addWord(to record: inout RawRecord) throws {
    let cells =
      isCoNLLU
      ? bytes.split(separator: 0x09, omittingEmptySubsequences: false)
      : bytes.split(whereSeparator: isASCIISpace)
    if columnCount == 0, try begin(cells.map { String(decoding: $0, as: UTF8.self) }) {
      layoutNotes.header = place
      return
    }
    guard cells.count == columnCount else {
      throw isCoNLLU
        ? LineProblem.conlluColumns(found: cells.count)
        : .columns(found: cells.count, expected: columnCount, delimiter: nil)
    }
    if isCoNLLU {
      guard let isWord = Self.isWord(cells[0]) else {
        throw LineProblem.badWordNumber(String(decoding: cells[0], as: UTF8.self))
      }
      guard isWord else { return }
      guard !cells[columns.word].isEmpty else {
        throw LineProblem.empty(field: Self.conlluColumns[columns.word])
      }
      guard !cells[columns.tag].isEmpty, !cells[columns.tag].elementsEqual("_".utf8) else {
        throw LineProblem.missingTag(word: String(decoding: cells[columns.word], as: UTF8.self))
      }
    }
    for cell in [cells[columns.word], cells[columns.tag]] {
      // Here, because the fields of the whole sentence don't show the place in the line.
      if let problem = textProblem(in: cell) { throw problem.moved(by: cell.startIndex) }
    }
    try add(cells[columns.word], cells[columns.tag], to: &record)
  }

  /// Takes the columns from the first line. Returns whether it is a header.
  private func begin(_ cells: [String]) throws(LineProblem) -> Bool {
    columnCount = isCoNLLU ? Self.conlluColumns.count : max(2, cells.count)
    if !isCoNLLU { columns = (0, columnCount - 1) }
    let names = isCoNLLU ? Self.conlluColumns : choice?.hasNames == true ? cells : nil
    func found(_ texts: [String]?, or usual: Int) throws(LineProblem) -> Int {
      try DataColumns.columns(texts, of: columnCount, names: names)?.first ?? usual
    }
    columns.word = try found(choice?.parts.source, or: columns.word)
    columns.tag = try found(choice?.parts.target, or: columns.tag)
    guard columns.word != columns.tag else { throw .columnTwice(columns.tag + 1) }
    guard !isCoNLLU, cells.count == columnCount else { return false }
    return names != nil
      || [columns.word, columns.tag].allSatisfy { ColumnName.isKnown(cells[$0].lowercased()) }
  }

  /// True for the number of a word; false for the range of a token of several words (`3-4`) and for a word
  /// that isn't in the text (`5.1`); nil for anything else.
  private static func isWord(_ number: ArraySlice<UInt8>) -> Bool? {
    let separators = [UInt8(ascii: "-"), UInt8(ascii: ".")]
    let parts = number.split(omittingEmptySubsequences: false) { separators.contains($0) }
    let isDigit = { (byte: UInt8) in byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
    guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(isDigit) }) else { return nil }
    return parts.count == 1
  }

  private func add(_ word: ArraySlice<UInt8>, _ tag: ArraySlice<UInt8>, to record: inout RawRecord) throws {
    if record.tokenLines.isEmpty {
      record.source.set(word, name: reader.name, line: number)
      record.target.set(tag, name: reader.name, line: number)
    } else {
      record.source.bytes.append(0x09)
      record.source.bytes.append(contentsOf: word)
      record.target.bytes.append(0x09)
      record.target.bytes.append(contentsOf: tag)
    }
    record.tokenLines.append(number)
    guard record.source.bytes.count <= LineReader.longestLine else {
      throw LineProblem.tooManyBytes(limit: LineReader.longestLine)
    }
  }
}
