import Foundation

/// A file open for reading at any position; reads on several threads don't disturb each other.
final class InputFile: Sendable {
  private let path: String
  private let descriptor: Int32
  /// The file's size; nil where the path leads to something else than a regular file.
  let byteCount: Int?

  /// Opens a file without waiting, even where the path leads to a pipe; throws `FileFailure`.
  init(path: String) throws {
    self.path = path
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileFailure(path: path, operation: .open, errno: errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let number = errno
      _ = close(descriptor)
      throw FileFailure(path: path, operation: .read, errno: number)
    }
    byteCount = status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
  }

  deinit { _ = close(descriptor) }

  /// Fills `destination` from `position` on; returns false where the file ends before that, throws `FileFailure`.
  func read(into destination: UnsafeMutableRawBufferPointer, at position: Int) throws -> Bool {
    var done = 0
    while done < destination.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: destination[done...])
      let count = pread(descriptor, rest.baseAddress, min(rest.count, 1 << 30), position + done)
      if count == 0 { return false }
      if count > 0 {
        done += count
      } else if errno != EINTR {
        throw FileFailure(path: path, operation: .read, errno: errno)
      }
    }
    return true
  }

  /// Returns the number stored at `position`, or throws `cut` where the file ends before that.
  func value(at position: Int, else cut: SafetensorsFailure) throws -> UInt64 {
    var value: UInt64 = 0
    guard try withUnsafeMutableBytes(of: &value, { try read(into: $0, at: position) }) else { throw cut }
    return value
  }

  /// Returns everything in a file of at most `limit` bytes, nil where it is larger or no regular file.
  static func contents(of path: String, limit: Int) throws -> Data? {
    let input = try InputFile(path: path)
    guard let byteCount = input.byteCount, byteCount <= limit else { return nil }
    var data = Data(count: byteCount)
    return try data.withUnsafeMutableBytes({ try input.read(into: $0, at: 0) }) ? data : nil
  }
}
