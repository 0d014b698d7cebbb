import Foundation

/// Where a text is read from. It may be read several times and must give the same bytes each time.
public enum TextSource: Sendable, Equatable {
  /// A regular file.
  case file(String)
  /// Text in memory, with a name for messages.
  case memory([UInt8], name: String)

  /// The name in messages: the path of a file.
  public var name: String {
    switch self {
    case .file(let path): path
    case .memory(_, let name): name
    }
  }

  /// Largest part of a file that is in memory at a time, in bytes.
  static let chunkSize = 1 << 18

  /// Calls `body` with the bytes from the beginning to the end, in parts of at most `chunkSize`.
  ///
  /// Files are read, not mapped: a mapped file that another program shortens ends this one with a bus error,
  /// while a short read is noticed and reported. Throws `DataError`, or what `body` throws.
  func forEachChunk(_ body: (UnsafeBufferPointer<UInt8>) throws -> Void) throws {
    switch self {
    case .file(let path):
      try Self.read(path, body)
    case .memory(let bytes, _):
      try bytes.withUnsafeBufferPointer { all in
        for start in stride(from: 0, to: all.count, by: Self.chunkSize) {
          try body(UnsafeBufferPointer(rebasing: all[start..<min(start + Self.chunkSize, all.count)]))
        }
      }
    }
  }

  private static func read(_ path: String, _ body: (UnsafeBufferPointer<UInt8>) throws -> Void) throws {
    // Without O_NONBLOCK opening a named pipe would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let code = errno
      throw code == ENOENT || code == ENOTDIR
        ? DataError.missing(path: path) : .unreadable(path: path, reason: systemText(code))
    }
    defer { _ = close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw DataError.notAFile(path: path)
    }

    let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: chunkSize)
    defer { buffer.deallocate() }
    while true {
      let count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw DataError.unreadable(path: path, reason: systemText(errno)) }
      guard count > 0 else { return }
      try body(UnsafeBufferPointer(start: buffer.baseAddress, count: count))
    }
  }
}

/// The system's words for an error number.
func systemText(_ code: Int32) -> String { String(cString: strerror(code)) }
