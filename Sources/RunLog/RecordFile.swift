import Checkpoints
import Foundation

/// A file to which complete records are appended. A record that can't be written completely is removed.
///
/// Each record is passed to the system immediately, so that other processes can read it and it survives the death of
/// this process.
final class RecordFile {
  let path: String
  private let descriptor: Int32
  private let write: WriteCall
  /// The end of the last complete record.
  private var end: off_t
  private var hasTornTail = false

  /// Opens a file for appending, creating it if needed; throws `FileFailure`.
  init(path: String, write: @escaping WriteCall) throws {
    self.path = path
    self.write = write
    descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileFailure(path: path, operation: .create, errno: errno) }
    end = lseek(descriptor, 0, SEEK_END)
    guard end >= 0 else {
      let number = errno
      _ = close(descriptor)
      throw FileFailure(path: path, operation: .write, errno: number)
    }
  }

  deinit { _ = close(descriptor) }

  /// Appends a record. If that fails, the file ends with the previous record, and another attempt is possible.
  func append(_ record: [UInt8]) throws {
    if hasTornTail { try removeTornTail() }
    var done = 0
    while done < record.count {
      let count = record.withUnsafeBytes { write(descriptor, $0.baseAddress! + done, $0.count - done) }
      if count >= 0 {
        done += count
      } else if errno != EINTR {
        let number = errno
        hasTornTail = true
        try? removeTornTail()
        throw FileFailure(path: path, operation: .write, errno: number)
      }
    }
    end += off_t(record.count)
  }

  /// Waits until all records are on the disk.
  func flush() throws {
    guard fsync(descriptor) == 0 else { throw FileFailure(path: path, operation: .flush, errno: errno) }
  }

  private func removeTornTail() throws {
    guard ftruncate(descriptor, end) == 0, lseek(descriptor, end, SEEK_SET) == end else {
      throw FileFailure(path: path, operation: .write, errno: errno)
    }
    hasTornTail = false
  }
}

/// The `write` function of the system, or a replacement in a test.
public typealias WriteCall = (_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int
