/// Examples that are a line each.
final class LineRecords: RecordReader {
  private let reader: LineReader
  private let layout: RecordLayout
  private let expected: String
  private(set) var blankLines: BlankLines
  /// Fields of the first line; others must have as many.
  private var fieldCount = 0

  init(_ file: TextSource, _ layout: RecordLayout, _ options: SequenceOptions) throws {
    reader = try LineReader(file)
    self.layout = layout
    blankLines = BlankLines(options.emptySequences)
    expected =
      switch (options.format, options.task) {
      case (.npy, _): "target<TAB>file.npy"
      case (_, .seq2seq): "source<TAB>target, or source<TAB>target<TAB>second source in every line"
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
      switch layout.cut {
      case .comma:
        if fieldCount == 0, isHeader(reader.bytes) {
          fieldCount = reader.bytes.count { $0 == UInt8(ascii: ",") } + 1
          continue
        }
        try cutAtComma(&record)
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

  /// True if the line names columns: it has some, and none but the first is a number.
  private func isHeader(_ line: [UInt8]) -> Bool {
    let cells = line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).dropFirst()
    return !cells.isEmpty && cells.allSatisfy { !$0.isEmpty && parsedNumber($0) == nil }
  }
}

/// Examples of which each file holds a field, a line each.
final class ParallelRecords: RecordReader {
  private let source: LineReader
  private let target: LineReader
  private let second: LineReader?
  private(set) var blankLines: BlankLines

  init(
    _ source: TextSource, _ target: TextSource, _ second: TextSource?,
    _ policy: SequenceOptions.EmptySequences
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
        guard reader.bytes.isEmpty else { throw reader.problem(.noPartner(file: ended.name)) }
      } while try reader.next()
    }
  }
}
