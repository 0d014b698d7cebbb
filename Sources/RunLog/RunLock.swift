import Foundation

/// The lock that keeps two jobs from training into the same directory; the system lets go of it at a death.
final class RunLock: Sendable {
  let isHeld: Bool
  private let descriptor: Int32

  /// Takes the lock without waiting.
  ///
  /// - Throws: `RunDirectoryFailure.Reason.locked` where another job has it, `RunFileFailure`.
  init(path: String) throws {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw RunFileFailure(path: path, operation: .create, errno: errno) }
    var number: Int32 = 0
    repeat { number = flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : errno } while number == EINTR
    switch number {
    case 0: isHeld = true
    // File systems without locks, as some of clusters are: better to train unguarded than not at all.
    case ENOLCK, ENOSYS, ENOTSUP: isHeld = false
    default:
      let holder = Self.holder(descriptor)
      _ = close(descriptor)
      if number == EWOULDBLOCK {
        let directory = URL(fileURLWithPath: path).deletingLastPathComponent().relativePath
        throw RunDirectoryFailure(path: directory, reason: .locked(holder: holder))
      }
      throw RunFileFailure(path: path, operation: .lock, errno: number)
    }
    let note = "process \(getpid()) on \(ProcessInfo.processInfo.hostName)\n"
    // Only a help for whoever finds it locked: the lock holds without it.
    _ = ftruncate(descriptor, 0)
    _ = note.withCString { pwrite(descriptor, $0, strlen($0), 0) }
  }

  deinit { _ = close(descriptor) }

  /// Whether a job of this host holds the lock at present.
  static func isHeld(path: String) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { _ = close(descriptor) }
    return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
  }

  /// What the holder wrote about itself.
  private static func holder(_ descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = max(0, pread(descriptor, &bytes, bytes.count, 0))
    return String(decoding: bytes[..<count], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
