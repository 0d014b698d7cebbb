import Foundation

/// The lines of a source, one after the other, with their numbers.
///
/// A line ends with a line feed, or a carriage return and a line feed; a byte order mark before the first is
/// skipped. Memory is bounded by the longest line, which has a limit.
final class LineReader {
  /// Longest line, in bytes; more is no file of lines, and would only fill the memory.
  static let longestLine = 1 << 24

  private let reader: ByteReader
  private var part = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
  private var position = 0
  private var isAtEnd = false

  /// The number of the current line, from 1.
  private(set) var number = 0
  /// The current line without its end.
  private(set) var bytes: [UInt8] = []

  /// Opens the source. Throws `DataError`.
  init(_ source: TextSource) throws { reader = try ByteReader(source) }

  /// Named in errors.
  var name: String { reader.name }

  /// An error in the current line.
  func problem(_ problem: LineProblem) -> DataError { .line(name: name, line: number, problem: problem) }

  /// Goes to the next line; false at the end. Throws `DataError`.
  func next() throws -> Bool {
    bytes.removeAll(keepingCapacity: true)
    var isComplete = false
    var isStarted = false
    while !isComplete {
      if position == part.count {
        guard !isAtEnd else { break }
        part = try reader.next()
        position = 0
        isAtEnd = part.isEmpty
        continue
      }
      if !isStarted { number += 1 }
      isStarted = true
      isComplete = appendRest()
      guard bytes.count <= Self.longestLine else { throw problem(.tooManyBytes(limit: Self.longestLine)) }
    }
    if number == 1, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
    if isComplete, bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
    return isStarted
  }

  /// Appends what the current part holds of the line; true if that is its end.
  private func appendRest() -> Bool {
    let rest = UnsafeBufferPointer(rebasing: part[position...])
    guard let start = rest.baseAddress, let end = memchr(start, Int32(UInt8(ascii: "\n")), rest.count) else {
      bytes.append(contentsOf: rest)
      position = part.count
      return false
    }
    let length = UnsafeRawPointer(end) - UnsafeRawPointer(start)
    bytes.append(contentsOf: rest[..<length])
    position += length + 1
    return true
  }
}
