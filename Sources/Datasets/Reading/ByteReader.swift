import Foundation

/// Reads a source part by part on demand, so that several files can be read in step.
///
/// Files are read, not mapped: a mapped file that another program shortens ends this one with a bus error,
/// while a short read is noticed and reported.
final class ByteReader {
  private enum Origin {
    case file(descriptor: Int32)
    case memory([UInt8], position: Int)
  }

  /// Named in errors.
  let name: String
  private var origin: Origin
  private let buffer: UnsafeMutableBufferPointer<UInt8>

  /// Opens the source. Throws `DataError`.
  init(_ source: TextSource) throws {
    name = source.name
    origin =
      switch source {
      case .file(let path): .file(descriptor: try Self.open(path))
      case .memory(let bytes, _): .memory(bytes, position: 0)
      }
    buffer = .allocate(capacity: TextSource.chunkSize)
  }

  deinit {
    buffer.deallocate()
    if case .file(let descriptor) = origin { _ = close(descriptor) }
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
    case .file(let descriptor):
      while true {
        let count = read(descriptor, buffer.baseAddress, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw DataError.unreadable(path: name, reason: systemText(errno)) }
        return UnsafeBufferPointer(rebasing: buffer[..<count])
      }
    }
  }
}

/// The system's words for an error number.
func systemText(_ code: Int32) -> String { String(cString: strerror(code)) }
