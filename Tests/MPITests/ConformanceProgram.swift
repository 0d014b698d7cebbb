import Foundation
import TestSupport

/// A finished run of the conformance program.
struct ConformanceProgram {
  /// The exit code of mpirun, or of the program itself if it was started without mpirun.
  let exitCode: Int32
  /// The standard output and standard error together.
  let output: String

  /// The lines that begin with `word`.
  func lines(_ word: String) -> [String] {
    output.split(separator: "\n").map(String.init).filter { $0.hasPrefix(word) }
  }

  /// The number of checks that rank 0 reported, 0 if it reported none.
  var passed: Int {
    lines("conformance: ").first.flatMap { Int($0.split(separator: " ")[1]) } ?? 0
  }

  struct Unusable: Error, CustomStringConvertible {
    let description: String
  }

  /// Runs `suite` on `ranks` ranks under mpirun, for at most `limit` seconds.
  static func run(
    _ suite: String, ranks: Int, environment: [String: String] = [:], limit: Int = 300
  ) throws -> ConformanceProgram {
    let arguments = MPILauncher.options + ["-np", "\(ranks)", try executable().path, suite]
    return try run(try MPILauncher.path(), arguments, environment, limit: limit)
  }

  /// Runs `suite` without mpirun, with additional environment variables.
  static func runAlone(_ suite: String, environment: [String: String]) throws -> ConformanceProgram {
    try run(try executable(), [suite], environment, limit: 60)
  }

  private static func run(
    _ program: URL, _ arguments: [String], _ environment: [String: String], limit: Int
  ) throws -> ConformanceProgram {
    let process = Process()
    let pipe = Pipe()
    let sessions = try TemporaryDirectory()
    defer { withExtendedLifetime(sessions) {} }
    process.executableURL = program
    process.arguments = arguments
    process.environment = MPILauncher.environment(sessions: sessions.path, limit: limit)
      .merging(environment) { $1 }
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    // mpirun itself ends its ranks at the time limit. The watchdog is for an mpirun that hangs.
    let watchdog = Watchdog(process.processIdentifier, limit: limit + 15)
    let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    let text = String(decoding: output, as: UTF8.self)
    guard watchdog.stop() else {
      throw Unusable(description: "still running after \(limit + 15) s:\n\(text)")
    }
    return ConformanceProgram(exitCode: process.terminationStatus, output: text)
  }

  private static func executable() throws -> URL {
    try MPILauncher.program("MPIConformance", variable: "RNN_DIST_CONFORMANCE")
  }
}

/// Kills a process that takes too long.
private final class Watchdog: @unchecked Sendable {
  private let lock = NSLock()
  private var isOver = false
  private var hasKilled = false

  /// Kills the process `pid`, and its group if it leads one, after `limit` seconds.
  ///
  /// SIGTERM is not enough: the thread that runs a test may block it, and child processes inherit that.
  init(_ pid: pid_t, limit: Int) {
    DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(limit)) { [self] in
      lock.withLock {
        guard !isOver else { return }
        hasKilled = true
        kill(getpgid(pid) == pid ? -pid : pid, SIGKILL)
      }
    }
  }

  /// Records that the process has ended, and returns whether it ended by itself.
  func stop() -> Bool {
    lock.withLock {
      isOver = true
      return !hasKilled
    }
  }
}
