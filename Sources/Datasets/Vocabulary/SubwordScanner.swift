/// Reads a text, given in parts, as stretches that a subword model can cut: lines, and of very long lines the parts between
/// some of their spaces. No subword spans a space, so the cuts change nothing.
struct SubwordScanner {
  /// A part of a line.
  struct Stretch {
    /// UTF-8 without the line's end.
    var bytes: [UInt8]
    /// Whether a line feed follows.
    var endsLine: Bool
    /// Where it begins, in bytes from the beginning of the text.
    var start: Int
    /// The number of its line, from 1.
    var line: Int
  }

  /// A line is cut at the first space behind so many bytes.
  static let usualLength = 1 << 12

  /// Named in errors.
  private let name: String
  private var bytes: [UInt8] = []
  private var start = 0
  private var offset = 0
  private var lineFeeds = 0

  private init(name: String) { self.name = name }

  /// Calls `body` with every stretch of a text. Throws `DataError` for what isn't text.
  static func scan(_ source: TextSource, _ body: (Stretch) throws -> Void) throws {
    var scanner = SubwordScanner(name: source.name)
    try scanner.scan(source, body)
  }

  private mutating func scan(_ source: TextSource, _ body: (Stretch) throws -> Void) throws {
    try source.forEachChunk { part in
      for byte in part {
        offset += 1
        switch byte {
        case UInt8(ascii: "\n"):
          if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
          try end(endsLine: true, body)
          lineFeeds += 1
        case UInt8(ascii: " ") where bytes.count >= Self.usualLength: try end(endsLine: false, body)
        default:
          bytes.append(byte)
          guard bytes.count <= SymbolScanner.longestWord else {
            throw DataError.wordTooLong(name: name, line: lineFeeds + 1, limit: SymbolScanner.longestWord)
          }
        }
      }
    }
    if !bytes.isEmpty { try end(endsLine: false, body) }
  }

  private mutating func end(endsLine: Bool, _ body: (Stretch) throws -> Void) throws {
    if start == 0, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
    if let problem = textProblem(in: bytes) {
      throw DataError.line(name: name, line: lineFeeds + 1, problem: problem)
    }
    try body(Stretch(bytes: bytes, endsLine: endsLine, start: start, line: lineFeeds + 1))
    bytes.removeAll(keepingCapacity: true)
    start = offset
  }
}
