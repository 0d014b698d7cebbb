import Foundation

/// Replaces a file so that at any time a reader finds the complete old content or the complete new content.
///
/// The bytes are written to a temporary file in the same directory and flushed to the disk. Then the temporary file is
/// renamed, and the directory is flushed. A failure before the rename removes the temporary file and leaves the old
/// file unchanged.
public enum DurableFile {
  /// Appends bytes to the new file.
  public typealias Append = (UnsafeRawBufferPointer) throws -> Void

  /// Replaces the file at `path` with a file of the bytes that `body` appends; throws `FileFailure`.
  public static func write(
    to path: String, operations: FileSystemOperations = .standard, body: (Append) throws -> Void
  ) throws {
    let location = URL(fileURLWithPath: path)
    let directory = location.deletingLastPathComponent().path
    let temporary = "\(directory)/.\(location.lastPathComponent).tmp-\(getpid())"
    do {
      let descriptor = try operations.create(temporary)
      do {
        try body { try operations.write($0, to: descriptor, path: temporary) }
        try operations.flush(descriptor, path: temporary)
      } catch {
        try? operations.close(descriptor, path: temporary)
        throw error
      }
      try operations.close(descriptor, path: temporary)
      try operations.rename(temporary, to: path)
    } catch {
      try? operations.remove(temporary)
      throw error
    }
    try operations.flushDirectory(directory)
  }

  /// Replaces the file at `path` with a file of `contents`; throws `FileFailure`.
  public static func write(
    _ contents: Data, to path: String, operations: FileSystemOperations = .standard
  ) throws {
    try write(to: path, operations: operations) { append in try contents.withUnsafeBytes(append) }
  }

  /// Whether a name is that of a temporary file or directory whose writer is dead. A name of this process counts as
  /// well, because it is not writing a file while it looks for leftovers.
  public static func isLeftover(_ name: String) -> Bool {
    guard name.hasPrefix("."), let mark = name.range(of: ".tmp-", options: .backwards),
      let process = pid_t(name[mark.upperBound...])
    else { return false }
    return process == getpid() || (kill(process, 0) != 0 && errno == ESRCH)
  }

  /// Returns the content of a regular file of at most `limit` bytes, nil for any other file; throws `FileFailure`.
  public static func read(_ path: String, limit: Int) throws -> Data? {
    let input = try InputFile(path: path)
    guard let byteCount = input.byteCount, byteCount <= limit else { return nil }
    var data = Data(count: byteCount)
    return try data.withUnsafeMutableBytes({ try input.read(into: $0, at: 0) }) ? data : nil
  }
}

/// A file that is open for reading at any position. Several threads can read at the same time.
final class InputFile: Sendable {
  private let path: String
  private let descriptor: Int32
  /// The size of the file, nil if it isn't a regular file.
  let byteCount: Int?

  /// Opens a file without waiting, even if it is a pipe; throws `FileFailure`.
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

  /// Fills `destination` with the bytes at `position`. Returns false if the file ends earlier; throws `FileFailure`.
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
}
