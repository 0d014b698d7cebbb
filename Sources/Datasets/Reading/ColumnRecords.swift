/// Sentences with a word a line and a blank line between them.
final class ColumnRecords: RecordReader {
  private let reader: LineReader
  private let isCoNLLU: Bool
  private static let conlluColumns = 10
  let blankLines = BlankLines(.skip)
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
      } else {
        try isCoNLLU ? addCoNLLU(to: &record) : addColumns(to: &record)
      }
    }
    return !record.tokenLines.isEmpty
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
    guard reader.bytes.first != UInt8(ascii: "#") else { return }
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
