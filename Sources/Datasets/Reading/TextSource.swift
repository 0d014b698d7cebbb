import Foundation

/// Where a text is read from. All but standard input may be read several times and must give the same bytes each time.
public enum TextSource: Sendable, Equatable {
  /// A regular file.
  case file(String)
  /// Text in memory, with a name for messages.
  case memory([UInt8], name: String)
  /// The standard input of this process, which can be read only once.
  case standardInput

  /// The name in messages: the path of a file.
  public var name: String {
    switch self {
    case .file(let path): path
    case .memory(_, let name): name
    case .standardInput: "standard input"
    }
  }

  /// The folder of a file with a slash at the end; empty for the current one.
  var folder: String {
    guard case .file(let path) = self, let slash = path.lastIndex(of: "/") else { return "" }
    return String(path[...slash])
  }

  /// All bytes. Throws `DataError`, or the error `tooLarge` if there are more than `limit` bytes.
  func content(limit: Int, tooLarge: @autoclosure () -> any Error) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let reader = try ByteReader(self)
    while case let part = try reader.next(), !part.isEmpty {
      guard bytes.count + part.count <= limit else { throw tooLarge() }
      bytes.append(contentsOf: part)
    }
    return bytes
  }
}

/// Reads a source part by part on demand, so that several files can be read in step.
///
/// Files are read, not mapped: a mapped file that another program shortens ends this one with a bus error,
/// while a short read is noticed and reported.
final class ByteReader {
  private enum Origin {
    case descriptor(Int32)
    case memory([UInt8], position: Int)
  }

  /// Largest part that is in memory at a time, in bytes.
  private static let partSize = 1 << 18

  /// Named in errors.
  let name: String
  private var origin: Origin
  private let buffer: UnsafeMutableBufferPointer<UInt8>

  /// Opens the source. Throws `DataError`.
  init(_ source: TextSource) throws {
    name = source.name
    origin =
      switch source {
      case .file(let path): .descriptor(try Self.open(path))
      case .memory(let bytes, _): .memory(bytes, position: 0)
      case .standardInput: .descriptor(STDIN_FILENO)
      }
    buffer = .allocate(capacity: Self.partSize)
  }

  deinit {
    buffer.deallocate()
    if case .descriptor(let descriptor) = origin, descriptor != STDIN_FILENO { _ = close(descriptor) }
  }

  private static func open(_ path: String) throws -> Int32 {
    // Without O_NONBLOCK opening a named pipe would wait for a writer.
    let descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let code = errno
      throw code == ENOENT || code == ENOTDIR
        ? DataError.missing(path: path) : .unreadable(path: path, reason: systemText(code))
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      _ = close(descriptor)
      throw DataError.notAFile(path: path)
    }
    return descriptor
  }

  /// The next part, empty at the end; it is overwritten by the next call. Throws `DataError`.
  func next() throws -> UnsafeBufferPointer<UInt8> {
    switch origin {
    case .memory(let bytes, let position):
      let count = min(buffer.count, bytes.count - position)
      bytes.withUnsafeBufferPointer { all in
        for index in 0..<count { buffer[index] = all[position + index] }
      }
      origin = .memory(bytes, position: position + count)
      return UnsafeBufferPointer(rebasing: buffer[..<count])
    case .descriptor(let descriptor):
      while true {
        let count = read(descriptor, buffer.baseAddress, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw DataError.unreadable(path: name, reason: systemText(errno)) }
        return UnsafeBufferPointer(rebasing: buffer[..<count])
      }
    }
  }

  /// Whether `next` would return without waiting for another program.
  var isReady: Bool {
    guard case .descriptor(let descriptor) = origin else { return true }
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&request, 1, 0) > 0
  }
}

/// The system's words for an error number.
private func systemText(_ code: Int32) -> String { String(cString: strerror(code)) }
