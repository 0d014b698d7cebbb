import Foundation

/// A file that grows by whole records: one that can't be written completely is taken back.
///
/// Each record is handed to the system at once, so that a reader, or a death of this process, finds it there.
final class RecordFile {
  let path: String
  private let descriptor: Int32
  private let write: WriteCall
  /// The end of the last complete record.
  private var end: off_t
  private var hasTornTail = false

  /// Opens a file for appending, creating it if needed; throws `RunFileFailure`.
  init(path: String, write: @escaping WriteCall) throws {
    self.path = path
    self.write = write
    descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw RunFileFailure(path: path, operation: .create, errno: errno) }
    end = lseek(descriptor, 0, SEEK_END)
    guard end >= 0 else {
      let number = errno
      _ = close(descriptor)
      throw RunFileFailure(path: path, operation: .write, errno: number)
    }
  }

  deinit { _ = close(descriptor) }

  /// Appends a record. Where that fails the file ends after the record before, and the next one can be tried.
  func append(_ record: [UInt8]) throws {
    if hasTornTail { try takeBack() }
    var done = 0
    while done < record.count {
      let count = record.withUnsafeBytes { write(descriptor, $0.baseAddress! + done, $0.count - done) }
      if count >= 0 {
        done += count
      } else if errno != EINTR {
        let number = errno
        hasTornTail = true
        try? takeBack()
        throw RunFileFailure(path: path, operation: .write, errno: number)
      }
    }
    end += off_t(record.count)
  }

  /// Waits until everything is on the disk.
  func flush() throws {
    guard fsync(descriptor) == 0 else { throw RunFileFailure(path: path, operation: .flush, errno: errno) }
  }

  private func takeBack() throws {
    guard ftruncate(descriptor, end) == 0, lseek(descriptor, end, SEEK_SET) == end else {
      throw RunFileFailure(path: path, operation: .write, errno: errno)
    }
    hasTornTail = false
  }
}

/// The system's `write`, or what a test puts in its place.
public typealias WriteCall = (_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int

/// Replaces a file in one step: a reader finds the old content or the new one, whatever happens meanwhile.
func replaceFile(at path: String, with contents: Data) throws {
  let url = URL(fileURLWithPath: path)
  let directory = url.deletingLastPathComponent().path
  let temporary = "\(directory)/.\(url.lastPathComponent).tmp-\(getpid())"
  _ = unlink(temporary)
  do {
    let file = try RecordFile(path: temporary, write: Foundation.write)
    try file.append([UInt8](contents))
    try file.flush()
    guard rename(temporary, path) == 0 else {
      throw RunFileFailure(path: path, operation: .rename, errno: errno)
    }
  } catch {
    _ = unlink(temporary)
    throw error
  }
  let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { return }
  // Best effort: the content is on the disk already, and some file systems can't flush a directory.
  _ = fsync(descriptor)
  _ = close(descriptor)
}
