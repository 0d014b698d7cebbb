import Communication
import Glibc
import Tasks

/// Reads lines of standard input: waits for the first, and takes what else is there already.
final class LineInput {
  private var buffer: [UInt8] = []
  /// Where unread lines begin in the buffer.
  private var start = 0
  /// Up to here the buffer holds no line feed.
  private var searched = 0
  private var isAtEnd = false
  /// A longer line is none that a person or a corpus has.
  private static let longestLine = 1 << 24

  /// The next lines, without their line feeds; nil at the end. Throws `InputFailure`.
  func next(atMost limit: Int) throws(InputFailure) -> [[UInt8]]? {
    var lines: [[UInt8]] = []
    while lines.count < limit {
      if let line = takeLine() {
        lines.append(line)
        continue
      }
      guard !isAtEnd, lines.isEmpty || hasMore() else { break }
      try fill()
    }
    if lines.isEmpty && isAtEnd { return nil }
    return lines
  }

  private func takeLine() -> [UInt8]? {
    guard let end = buffer[max(start, searched)...].firstIndex(of: UInt8(ascii: "\n")) else {
      searched = buffer.count
      guard isAtEnd, start < buffer.count else { return nil }
      defer { start = buffer.count }
      return trimmed(buffer[start...])
    }
    defer {
      start = end + 1
      searched = start
    }
    return trimmed(buffer[start..<end])
  }

  /// A line that was written on Windows ends in a carriage return.
  private func trimmed(_ line: ArraySlice<UInt8>) -> [UInt8] {
    Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
  }

  /// Whether a read would not wait.
  private func hasMore() -> Bool {
    var request = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    return poll(&request, 1, 0) > 0
  }

  private func fill() throws(InputFailure) {
    if start > 0 {
      buffer.removeFirst(start)
      (searched, start) = (max(0, searched - start), 0)
    }
    guard buffer.count < Self.longestLine else { throw InputFailure.lineTooLong(limit: Self.longestLine) }
    let old = buffer.count
    buffer.append(contentsOf: repeatElement(0, count: 1 << 16))
    let count = buffer.withUnsafeMutableBytes { room in
      var count: Int
      repeat {
        count = read(STDIN_FILENO, room.baseAddress! + old, room.count - old)
      } while count < 0 && errno == EINTR
      return count
    }
    buffer.removeLast(buffer.count - old - max(0, count))
    if count < 0 { throw InputFailure.unreadable(errno: errno) }
    isAtEnd = count == 0
  }
}

/// Standard input can't be read.
enum InputFailure: Error, CustomStringConvertible, ExitCoded {
  case unreadable(errno: Int32)
  case lineTooLong(limit: Int)

  var exitCode: Int32 {
    switch self {
    case .unreadable: ExitCode.readWriteFailed
    case .lineTooLong: ExitCode.badData
    }
  }

  var description: String {
    switch self {
    case .unreadable(let number): "standard input can't be read: \(String(cString: strerror(number)))"
    case .lineTooLong(let limit): "standard input: a line of more than \(limit) bytes"
    }
  }
}
