import Foundation

/// Reads the lines of a source with their numbers. All files, standard input and prompts are read in this way.
///
/// A line ends with a line feed, or a carriage return and a line feed; a byte order mark before the first line is
/// skipped. Memory is bounded by the longest line, which has a limit.
public final class LineReader {
  /// The places where a long line may be cut into parts.
  enum Cut {
    /// Nowhere: a line of more than ``longestLine`` bytes is an error.
    case nowhere
    /// After a space, so no word or subword is cut. More than ``longestWord`` bytes without one are an error.
    case spaces
    /// After a space or, if there is none, after any character.
    case characters
  }

  /// The length of the longest line, in bytes. A longer one is not from a file of lines and would only fill the memory.
  static let longestLine = 1 << 24
  /// The length of the longest word, in bytes. A longer one is not from a text of words.
  static let longestWord = 1 << 20
  /// A line that may be cut is cut at the first opportunity after this many bytes.
  private static let usualPart = 1 << 12

  private let reader: ByteReader
  private let cut: Cut
  private let isRaw: Bool
  private var buffer = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
  private var position = 0
  private var isAtEnd = false
  /// Whether the line in `bytes` has begun but its end has not arrived.
  private var isWaiting = false

  /// The number of the current line, from 1.
  public private(set) var number = 0
  /// The current line, or the current part of it, without its end.
  public private(set) var bytes: [UInt8] = []
  /// Whether a line feed follows `bytes`.
  private(set) var endsLine = true
  /// Bytes of the source before `bytes`.
  private(set) var offset = 0
  /// Bytes of the line before `bytes`.
  private var lineOffset = 0
  /// Bytes taken from the source, line ends included.
  private var taken = 0

  /// Opens the source. Throws `DataError`.
  ///
  /// - Parameters:
  ///   - cut: where a long line may be cut into parts.
  ///   - isRaw: whether to keep the byte order mark and carriage returns, for bytes that need not be text.
  init(_ source: TextSource, cut: Cut, isRaw: Bool = false) throws {
    reader = try ByteReader(source, isText: !isRaw)
    self.cut = cut
    self.isRaw = isRaw
  }

  /// Opens a source that is read in whole lines. Throws `DataError`.
  public convenience init(_ source: TextSource) throws { try self.init(source, cut: .nowhere) }

  /// The name of the source in errors.
  var name: String { reader.name }

  /// An error in the current line.
  func problem(_ problem: LineProblem) -> DataError {
    .line(name: name, line: number, problem: problem.moved(by: lineOffset))
  }

  /// Advances to the next line, or part of one; returns false at the end. Throws `DataError`.
  public func next() throws -> Bool { try advance(waits: true) ?? false }

  /// The next lines: waits for the first, and takes the others that have already arrived, as from a pipe whose other end
  /// waits for answers. nil at the end. Throws `DataError`, also for a file whose lines end in CR.
  public func nextLines(atMost limit: Int) throws -> [[UInt8]]? {
    var lines: [[UInt8]] = []
    while lines.count < limit, try advance(waits: lines.isEmpty) == true {
      try checkLineEnds()
      lines.append(bytes)
    }
    return lines.isEmpty ? nil : lines
  }

  /// Goes to the next line of a file of examples. Throws `DataError`, also if the whole file is one line because its line ends are
  /// carriage returns.
  func nextRecordLine() throws -> Bool {
    guard try next() else { return false }
    try checkLineEnds()
    return true
  }

  private func checkLineEnds() throws {
    if number == 1, !endsLine, bytes.dropLast().contains(0x0D) { throw problem(.carriageReturns) }
  }

  /// Returns true at a line, false at the end, and nil if the whole line has not arrived and `waits` is false.
  private func advance(waits: Bool) throws -> Bool? {
    if !isWaiting {
      bytes.removeAll(keepingCapacity: true)
      lineOffset = endsLine ? 0 : lineOffset + (taken - offset)
      offset = taken
    }
    var isComplete = false
    while !isComplete {
      if position == buffer.count {
        guard !isAtEnd else { break }
        guard waits || reader.isReady else { return nil }
        buffer = try reader.next()
        position = 0
        isAtEnd = buffer.isEmpty
        continue
      }
      if !isWaiting, lineOffset == 0 { number += 1 }
      isWaiting = true
      isComplete = takePart()
      try checkLength()
    }
    defer { isWaiting = false }
    guard isWaiting else { return false }
    if !isComplete { endsLine = false }
    if !isRaw {
      if offset == 0, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
      if endsLine, bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
    }
    return true
  }

  private func checkLength() throws {
    switch cut {
    case .nowhere where bytes.count > Self.longestLine:
      throw problem(.tooManyBytes(limit: Self.longestLine))
    case .spaces where bytes.count > Self.longestWord: throw problem(.wordTooLong(limit: Self.longestWord))
    default: break
    }
  }

  /// Appends the bytes of the line or part that are in the buffer; returns true if they include its end.
  private func takePart() -> Bool {
    let rest = UnsafeBufferPointer(rebasing: buffer[position...])
    let lineFeed = Self.index(of: UInt8(ascii: "\n"), in: rest) ?? rest.count
    var length = lineFeed
    if cut != .nowhere, bytes.count + lineFeed > Self.usualPart {
      let first = max(0, Self.usualPart - bytes.count)
      let long = UnsafeBufferPointer(rebasing: rest[first..<lineFeed])
      if let space = Self.index(of: UInt8(ascii: " "), in: long) {
        length = first + space + 1
      } else if cut == .characters {
        // Cuts before the first byte of a character; a byte of the form 10xxxxxx continues one.
        let end = long.indices.first { $0 > 0 && (isRaw || long[$0] & 0xC0 != 0x80) }
        length = end.map { first + $0 } ?? lineFeed
      }
    }
    bytes.append(contentsOf: rest[..<length])
    let isLineEnd = length == lineFeed && lineFeed < rest.count
    position += length + (isLineEnd ? 1 : 0)
    taken += length + (isLineEnd ? 1 : 0)
    endsLine = isLineEnd
    return isLineEnd || length < lineFeed
  }

  private static func index(of byte: UInt8, in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    guard let start = bytes.baseAddress, let found = memchr(start, Int32(byte), bytes.count) else {
      return nil
    }
    return UnsafeRawPointer(found) - UnsafeRawPointer(start)
  }
}
