import Checkpoints
import Foundation

/// Tests the file system features that a run needs in its directory: locks, atomic replacement, flushing.
public struct DirectoryProbe: Sendable {
  /// The directory of the run, or its nearest existing parent.
  public let path: String

  public init(runDirectory: String) {
    var url = URL(fileURLWithPath: runDirectory).standardizedFileURL
    while url.path != "/", !FileManager.default.fileExists(atPath: url.path) {
      url.deleteLastPathComponent()
    }
    path = url.path
  }

  /// Runs the tests with small files in a new folder, and removes the folder.
  public func findings() -> [Finding] {
    let folder = "\(path)/.rnn-dist-doctor.tmp-\(getpid())"
    let name = "run directory"
    do {
      try FileSystemOperations.standard.createDirectories(folder)
      defer { try? FileSystemOperations.standard.remove(folder) }
      return [try locks(folder), try replacement(folder), room()]
    } catch {
      return [
        Finding(name, .problem, "\(error)", cure: "choose a directory that can be written with --run-dir")
      ]
    }
  }

  /// Tests whether a second lock on a directory and on a file is refused.
  private func locks(_ folder: String) throws -> Finding {
    let file = "\(folder)/lock"
    try DurableFile.write(Data(), to: file)
    let missing = [("directories", folder), ("files", file)].filter { !refusesSecondLock($0.1) }.map(\.0)
    guard missing.isEmpty else {
      return Finding(
        "run directory: locks", missing.count == 2 ? .warning : .ok,
        "\(path) has no locks of \(missing.joined(separator: " and "))",
        cure: missing.count == 2
          ? "make sure yourself that no two jobs train in one directory, or use another file system" : nil)
    }
    return Finding("run directory: locks", .ok, "a second job in \(path) is refused")
  }

  private func refusesSecondLock(_ path: String) -> Bool {
    let (first, second) = (open(path, O_RDONLY | O_CLOEXEC), open(path, O_RDONLY | O_CLOEXEC))
    defer { for descriptor in [first, second] where descriptor >= 0 { _ = close(descriptor) } }
    return flock(first, LOCK_EX | LOCK_NB) == 0 && flock(second, LOCK_EX | LOCK_NB) != 0
  }

  /// Measures the time to replace a small file so that it survives a loss of power, as the median of five.
  private func replacement(_ folder: String) throws -> Finding {
    let clock = ContinuousClock()
    var times: [Double] = []
    for number in 0..<5 {
      let begin = clock.now
      try DurableFile.write(Data("\(number)".utf8), to: "\(folder)/file")
      times.append((clock.now - begin) / .seconds(1))
    }
    let median = times.sorted()[2] * 1000
    let text = "a flushed replacement of a file takes \(String(format: "%.1f", median)) ms"
    guard median > 200 else { return Finding("run directory: flushing", .ok, text) }
    return Finding(
      "run directory: flushing", .warning, text,
      cure: "save less often (checkpoint.every_steps), or use a local disk and copy the run afterwards")
  }

  private func room() -> Finding {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return Finding("run directory: room", .ok, "unknown") }
    let free = Double(status.f_bavail) * Double(status.f_frsize)
    let text = "\(Assessment.size(free)) free in \(path)"
    guard free < Double(1 << 30) else { return Finding("run directory: room", .ok, text) }
    return Finding(
      "run directory: room", .warning, text,
      cure:
        "free some space: a checkpoint takes parameters x 12 bytes with Adam, and checkpoint.keep of them are kept"
    )
  }
}
