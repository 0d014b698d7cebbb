import Foundation
import RunLog

/// A directory for one test, which is removed together with this value.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file and the directories that it is in.
  @discardableResult func write(_ text: String, to name: String) throws -> String {
    let url = URL(fileURLWithPath: file(name))
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
    return url.path
  }

  func text(_ name: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(fileURLWithPath: file(name))), as: UTF8.self)
  }

  /// Returns all paths below a directory, sorted.
  func tree(_ name: String) -> [String] {
    (FileManager.default.enumerator(atPath: file(name))?.compactMap { $0 as? String } ?? []).sorted()
  }
}

/// A disk that is full after `room` bytes.
final class SmallDisk {
  var room: Int

  init(room: Int) { self.room = room }

  var write: WriteCall {
    { [self] descriptor, bytes, count in
      guard room > 0 else {
        errno = ENOSPC
        return -1
      }
      let written = Foundation.write(descriptor, bytes, min(count, room))
      room -= max(0, written)
      return written
    }
  }
}
