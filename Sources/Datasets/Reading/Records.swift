/// The bytes of one example, as they are in the file.
struct RawRecord {
  /// The bytes of a field and where they are.
  struct Field {
    var bytes: [UInt8] = []
    var name = ""
    var line = 0

    mutating func set(_ bytes: some Sequence<UInt8>, from reader: LineReader) {
      self.bytes.removeAll(keepingCapacity: true)
      self.bytes.append(contentsOf: bytes)
      name = reader.name
      line = reader.number
    }

    func problem(_ problem: LineProblem) -> DataError { .line(name: name, line: line, problem: problem) }
  }

  var source = Field()
  var secondSource = Field()
  var target = Field()
  var hasSecondSource = false
  /// The line of each token, where tokens have lines of their own.
  var tokenLines: [Int] = []

  /// An error in the target of a step.
  func targetProblem(_ problem: LineProblem, step: Int) -> DataError {
    guard step < tokenLines.count else { return target.problem(problem) }
    return .line(name: target.name, line: tokenLines[step], problem: problem)
  }
}

/// Gives the examples of a file one after the other.
protocol RecordReader: AnyObject {
  /// Overwrites `record` with the next example; false at the end. Throws `DataError`.
  func next(_ record: inout RawRecord) throws -> Bool
  /// Blank lines so far where an example was expected.
  var blankLines: BlankLines { get }
  /// Lines so far that are not data: a header or comments, as `file:line` of the first and their number.
  var asides: Asides { get }
}

/// Lines that were left out because they are not data.
struct Asides: Sendable, Equatable {
  /// The place of a header.
  var header: String?
  var comments = 0
  /// The place of the first comment.
  var firstComment: String?
}

/// Counts blank lines. Those at the end of a file don't count; others are errors or left out, as the options
/// say.
struct BlankLines {
  let policy: EmptyExamples
  private(set) var skipped = 0
  private(set) var first: DataError?
  private var pending = 0
  private var firstPending: DataError?

  init(_ policy: EmptyExamples) { self.policy = policy }

  /// Meets a blank line.
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
  /// The examples of this source.
  func records(_ layout: RecordLayout, _ options: ExampleOptions) throws -> any RecordReader {
    switch self {
    case .parallel(let source, let target, let second):
      return try ParallelRecords(source, target, second, options.emptySequences)
    case .file(let file):
      switch layout.cut {
      case .columns, .conllu: return try ColumnRecords(file, layout.cut)
      default: return try LineRecords(file, layout, options)
      }
    }
  }
}

/// Examples with one line each.
final class LineRecords: RecordReader {
  private let reader: LineReader
  private let layout: RecordLayout
  private let expected: String
  private(set) var blankLines: BlankLines
  private(set) var asides = Asides()
  /// Fields of the first line; others must have as many.
  private var fieldCount = 0

  init(_ file: TextSource, _ layout: RecordLayout, _ options: ExampleOptions) throws {
    reader = try LineReader(file)
    self.layout = layout
    blankLines = BlankLines(options.emptySequences)
    expected =
      switch (options.format, options.kind) {
      case (.npy, _): "target<TAB>file.npy"
      case (_, .paired): "source<TAB>target, or source<TAB>target<TAB>second source in every line"
      case (.multihot, _): "label<TAB>steps"
      default: "label<TAB>text"
      }
  }

  func next(_ record: inout RawRecord) throws -> Bool {
    while try reader.next() {
      guard !reader.bytes.isEmpty else {
        blankLines.add(reader)
        continue
      }
      try blankLines.settle()
      if fieldCount == 0, try isHeader() {
        asides.header = "\(reader.name):\(reader.number)"
        continue
      }
      switch layout.cut {
      case .comma: try cutAtComma(&record)
      case .tabs(let targetFirst): try cutAtTabs(&record, targetFirst)
      default:
        if layout.source != nil { record.source.set(reader.bytes, from: reader) }
        if layout.target != nil { record.target.set(reader.bytes, from: reader) }
      }
      return true
    }
    return false
  }

  private func cutAtTabs(_ record: inout RawRecord, _ targetFirst: Bool) throws {
    let bytes = reader.bytes
    let tabs = bytes.indices.filter { bytes[$0] == 0x09 }
    let most = layout.source == .text && !targetFirst ? 3 : 2
    guard (2...most).contains(tabs.count + 1), fieldCount == 0 || fieldCount == tabs.count + 1 else {
      throw reader.problem(.fields(found: tabs.count + 1, expected: expected))
    }
    fieldCount = tabs.count + 1
    let end = tabs.count > 1 ? tabs[1] : bytes.count
    let (first, second) = (bytes[..<tabs[0]], bytes[(tabs[0] + 1)..<end])
    record.target.set(targetFirst ? first : second, from: reader)
    record.source.set(targetFirst ? second : first, from: reader)
    record.hasSecondSource = tabs.count > 1
    if record.hasSecondSource { record.secondSource.set(bytes[(end + 1)...], from: reader) }
  }

  private func cutAtComma(_ record: inout RawRecord) throws {
    let bytes = reader.bytes
    let comma = UInt8(ascii: ",")
    let count = bytes.count { $0 == comma } + 1
    if fieldCount == 0 { fieldCount = max(2, count) }
    guard count == fieldCount, let first = bytes.firstIndex(of: comma) else {
      throw reader.problem(.columns(found: count, expected: fieldCount))
    }
    record.target.set(bytes[..<first], from: reader)
    record.source.set(bytes[(first + 1)...], from: reader)
  }

  /// Words that are names of a column with labels, and of one with anything else.
  private static let labelNames: Set = ["label", "labels", "class", "category", "tag", "target", "y"]
  private static let otherNames: Set = [
    "text", "sentence", "utterance", "source", "src", "tgt", "trg", "input", "output", "file", "path",
    "second source",
    "second_source",
  ]

  /// Whether the first line names the columns; sets the number of fields then.
  ///
  /// A line of fields between tabs is a header if all fields are names of columns. A line of a csv file is one if no field
  /// but the first is a number, or if the first is the name of labels and the others count from 0 or 1. Throws for a header
  /// that has the label elsewhere than the reader expects it.
  private func isHeader() throws -> Bool {
    let separator: UInt8
    var labelColumn: Int?
    switch layout.cut {
    case .comma: (separator, labelColumn) = (UInt8(ascii: ","), 0)
    case .tabs(let targetFirst):
      separator = 0x09
      if layout.target == .label { labelColumn = targetFirst ? 0 : nil }
      if layout.source == .label { labelColumn = 0 }
    default: return false
    }
    let cells = reader.bytes.split(separator: separator, omittingEmptySubsequences: false)
    let names = cells.map { String(decoding: $0.trimmed(), as: UTF8.self).lowercased() }
    guard cells.count > 1 else { return false }
    if layout.cut == .comma {
      let numbers = names.dropFirst().map { Int($0) }
      let isNumbered = [0, 1].contains { first in numbers.enumerated().allSatisfy { $1 == first + $0 } }
      guard
        cells.dropFirst().allSatisfy({ !$0.isEmpty && parsedNumber($0) == nil })
          || Self.labelNames.contains(names[0]) && isNumbered
      else { return false }
    } else if !names.allSatisfy({ Self.labelNames.contains($0) || Self.otherNames.contains($0) }) {
      return false
    }
    if let labelColumn, !Self.labelNames.contains(names[labelColumn]),
      let found = names.firstIndex(where: { Self.labelNames.contains($0) })
    {
      throw reader.problem(.labelColumn(names[found], column: found + 1, expected: labelColumn + 1))
    }
    fieldCount = cells.count
    return true
  }
}

/// Examples of parallel files: each file has one field, and each line one example.
final class ParallelRecords: RecordReader {
  private let source: LineReader
  private let target: LineReader
  private let second: LineReader?
  private(set) var blankLines: BlankLines
  let asides = Asides()

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
      let more = try readers.map { try $0.next() }
      guard !more.contains(false) else {
        try checkEnd(more)
        return false
      }
      if readers.allSatisfy(\.bytes.isEmpty) {
        blankLines.add(source)
        continue
      }
      try blankLines.settle()
      record.source.set(source.bytes, from: source)
      record.target.set(target.bytes, from: target)
      record.hasSecondSource = second != nil
      if let second { record.secondSource.set(second.bytes, from: second) }
      return true
    }
  }

  /// Where one file has ended the others may hold only blank lines.
  private func checkEnd(_ more: [Bool]) throws {
    guard let ended = zip(readers, more).first(where: { !$1 })?.0 else { return }
    for (reader, hasLine) in zip(readers, more) where hasLine {
      repeat {
        guard reader.bytes.isEmpty else { throw reader.problem(.missingCounterpart(file: ended.name)) }
      } while try reader.next()
    }
  }
}

/// Sentences with one word per line and a blank line between them.
final class ColumnRecords: RecordReader {
  private let reader: LineReader
  private let isCoNLLU: Bool
  private static let conlluColumns = 10
  let blankLines = BlankLines(.skip)
  private(set) var asides = Asides()
  /// Columns of the first line of a file that is not CoNLL-U; others must have as many.
  private var columnCount = 0

  init(_ file: TextSource, _ cut: RecordCut) throws {
    reader = try LineReader(file)
    isCoNLLU = cut == .conllu
  }

  func next(_ record: inout RawRecord) throws -> Bool {
    record.tokenLines.removeAll(keepingCapacity: true)
    record.source.bytes.removeAll(keepingCapacity: true)
    record.target.bytes.removeAll(keepingCapacity: true)
    while try reader.next() {
      if reader.bytes.allSatisfy(isASCIISpace) {
        if !record.tokenLines.isEmpty { return true }
      } else if !isComment(inSentence: !record.tokenLines.isEmpty) {
        try isCoNLLU ? addCoNLLU(to: &record) : addColumns(to: &record)
      }
    }
    return !record.tokenLines.isEmpty
  }

  /// Whether the line is a comment: in CoNLL-U every line that begins with `#`, in other columns one that begins with `#` and
  /// a space before the first word of a sentence. Comments of CoNLL-U belong to the format and are not counted.
  private func isComment(inSentence: Bool) -> Bool {
    guard reader.bytes.first == UInt8(ascii: "#") else { return false }
    if isCoNLLU { return true }
    guard !inSentence, reader.bytes.count == 1 || reader.bytes[1] == UInt8(ascii: " ") else { return false }
    asides.comments += 1
    asides.firstComment = asides.firstComment ?? "\(reader.name):\(reader.number)"
    return true
  }

  private func addColumns(to record: inout RawRecord) throws {
    let cells = reader.bytes.split(whereSeparator: isASCIISpace)
    if columnCount == 0 { columnCount = max(2, cells.count) }
    guard cells.count == columnCount, let word = cells.first, let tag = cells.last else {
      throw reader.problem(.columns(found: cells.count, expected: columnCount))
    }
    try add(word, tag, to: &record)
  }

  private func addCoNLLU(to record: inout RawRecord) throws {
    let cells = reader.bytes.split(separator: 0x09, omittingEmptySubsequences: false)
    guard cells.count == Self.conlluColumns else { throw reader.problem(.conlluColumns(found: cells.count)) }
    guard let isWord = Self.isWord(cells[0]) else {
      throw reader.problem(.badWordNumber(String(decoding: cells[0], as: UTF8.self)))
    }
    guard isWord else { return }
    guard !cells[1].isEmpty else { throw reader.problem(.empty(field: "FORM")) }
    guard !cells[3].isEmpty, !cells[3].elementsEqual("_".utf8) else {
      throw reader.problem(.missingTag(word: String(decoding: cells[1], as: UTF8.self)))
    }
    try add(cells[1], cells[3], to: &record)
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
      record.source.set(word, from: reader)
      record.target.set(tag, from: reader)
    } else {
      record.source.bytes.append(0x09)
      record.source.bytes.append(contentsOf: word)
      record.target.bytes.append(0x09)
      record.target.bytes.append(contentsOf: tag)
    }
    record.tokenLines.append(reader.number)
    guard record.source.bytes.count <= LineReader.longestLine else {
      throw reader.problem(.tooManyBytes(limit: LineReader.longestLine))
    }
  }
}
