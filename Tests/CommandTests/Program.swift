import Foundation
import TestSupport

/// The result of a finished process.
struct Outcome: CustomStringConvertible {
  let exitCode: Int32
  /// True if a signal ended it, for example after a trap.
  let wasKilled: Bool
  let standardOutput: Data
  let standardError: String

  var output: String { String(decoding: standardOutput, as: UTF8.self) }

  /// The lines of standard error that are errors; paragraphs that mpirun adds are not counted.
  var errors: [String] {
    standardError.split(separator: "\n").map(String.init).filter { $0.lowercased().hasPrefix("error:") }
  }

  var description: String {
    "exit code \(exitCode)\(wasKilled ? " (signal)" : "")\n--- stdout\n\(output)\n--- stderr\n\(standardError)"
  }
}

/// The built program as a process, alone or under mpirun.
///
/// Tests wait for it without blocking a thread, so several run at the same time; ``ProcessSlots`` limits their number.
final class Program {
  struct Unusable: Error, CustomStringConvertible {
    let description: String
  }

  private let process = Process()
  private let folder: TemporaryDirectory
  private let deadline: ContinuousClock.Instant
  private let limit: Int

  /// Starts the program as soon as there is a slot; it is killed after `limit` seconds.
  ///
  /// - Parameters:
  ///   - ranks: the number of ranks under mpirun; nil for a process without a launcher.
  ///   - input: the bytes of standard input; none by default.
  ///   - output: receives standard output, which is kept otherwise.
  convenience init(
    _ arguments: [String], ranks: Int? = nil, in directory: String? = nil, input: [UInt8] = [],
    output: FileHandle? = nil, limit: Int = 60, environment: [String: String] = [:]
  ) async throws {
    try await self.init(
      [arguments], ranks: ranks, in: directory, input: input, output: output, limit: limit,
      environment: environment)
  }

  /// Starts `ranks` ranks for each of several lists of arguments, with additional variables in the environment.
  ///
  /// - Parameter shell: a script that every rank, or the one process, runs in a shell instead, in which `$PROGRAM` is the
  ///   program and `$MPIRUN` mpirun.
  private init(
    _ groups: [[String]], ranks: Int?, in directory: String?, input: [UInt8] = [],
    output: FileHandle? = nil, limit: Int = 60, environment: [String: String] = [:], shell: String? = nil
  ) async throws {
    folder = try TemporaryDirectory()
    self.limit = limit
    let program = try Self.executable()
    let mpirun = try MPILauncher.path()
    process.executableURL = ranks != nil ? mpirun : shell != nil ? URL(fileURLWithPath: "/bin/sh") : program
    process.arguments =
      (ranks == nil ? shell.map { ["-ec", $0] } : nil) ?? ranks.map { ranks in
        let parts = groups.map {
          ["-np", "\(ranks)"] + (shell.map { ["sh", "-c", $0] } ?? [program.path]) + $0
        }
        return MPILauncher.options + Array(parts.joined(separator: [":"]))
      } ?? groups.flatMap { $0 }
    // Another test or the user must not see the cache that a test writes.
    let cache = (directory ?? folder.path) + "/cache"
    process.environment = MPILauncher.environment(sessions: folder.path, limit: limit).merging([
      "XDG_CACHE_HOME": cache, "PROGRAM": program.path, "MPIRUN": mpirun.path, "OPENBLAS_NUM_THREADS": "1",
      // There are more ranks than cores, so a waiting rank must yield its core to another.
      "OMPI_MCA_mpi_yield_when_idle": "1",
    ]) { $1 }
    .merging(environment) { $1 }
    process.currentDirectoryURL = directory.map { URL(fileURLWithPath: $0) }
    process.standardInput =
      input.isEmpty
      ? FileHandle.nullDevice
      : try FileHandle(forReadingFrom: URL(fileURLWithPath: folder.write(input, to: "stdin")))
    // Files, unlike pipes, never fill up.
    process.standardOutput = try output ?? Self.file(at: folder.file("stdout"))
    process.standardError = try Self.file(at: folder.file("stderr"))
    let size = (ranks ?? 1) * groups.count
    await ProcessSlots.shared.take(size)
    deadline = .now + .seconds(limit)
    process.terminationHandler = { _ in Task { await ProcessSlots.shared.giveBack(size) } }
    do {
      try Self.withoutBlockedSignals { try process.run() }
    } catch {
      await ProcessSlots.shared.giveBack(size)
      throw error
    }
  }

  /// Runs the program to its end.
  static func run(
    _ arguments: [String], ranks: Int? = nil, in directory: String? = nil, input: [UInt8] = [],
    output: FileHandle? = nil
  ) async throws -> Outcome {
    try await Program(arguments, ranks: ranks, in: directory, input: input, output: output).wait()
  }

  /// Runs a job in which every rank has its own arguments.
  static func run(
    eachRank arguments: [[String]], in directory: String, environment: [String: String] = [:]
  ) async throws -> Outcome {
    try await Program(arguments, ranks: 1, in: directory, environment: environment).wait()
  }

  /// Runs the program without a launcher, but with variables that a launcher would set.
  static func run(
    _ arguments: [String], in directory: String, input: [UInt8] = [], environment: [String: String]
  ) async throws -> Outcome {
    try await Program([arguments], ranks: nil, in: directory, input: input, environment: environment).wait()
  }

  /// Runs a job whose ranks are shells that run a script, in which `$PROGRAM` is the program.
  static func run(shell script: String, ranks: Int, in directory: String) async throws -> Outcome {
    try await Program([[]], ranks: ranks, in: directory, shell: script).wait()
  }

  /// Runs a script by a shell without a launcher, and stops at the first command that fails.
  static func run(shell script: String, in directory: String, environment: [String: String]) async throws
    -> Outcome
  {
    try await Program([[]], ranks: nil, in: directory, environment: environment, shell: script).wait()
  }

  /// Waits for the end.
  func wait() async throws -> Outcome {
    try await wait(for: "the end") { !process.isRunning }
    process.waitUntilExit()
    return Outcome(
      exitCode: process.terminationStatus, wasKilled: process.terminationReason == .uncaughtSignal,
      standardOutput: (try? Data(contentsOf: URL(fileURLWithPath: folder.file("stdout")))) ?? Data(),
      standardError: standardError)
  }

  /// Waits until the program opens a named pipe to read it, and opens the other end.
  func writer(to pipe: String) async throws -> FileHandle {
    var descriptor: Int32 = -1
    try await wait(for: "a reader of \(pipe)") {
      descriptor = open(pipe, O_WRONLY | O_NONBLOCK)
      return descriptor >= 0
    }
    return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  /// Waits until a condition of the running program is true.
  func wait(for what: String, _ isTrue: () -> Bool) async throws {
    while !isTrue() {
      guard .now < deadline, what == "the end" || process.isRunning else {
        kill(process.processIdentifier, SIGKILL)
        throw Unusable(
          description:
            "waited for \(what); \(process.isRunning ? "\(limit) s are over" : "the program has ended"):\n\(standardError)"
        )
      }
      try await Task.sleep(for: .milliseconds(2))
    }
  }

  /// Sends a signal to the process that was started: the program, or mpirun.
  func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

  /// Sends a signal to a rank that mpirun has started.
  func send(_ signal: Int32, toRank rank: Int) throws {
    let processes = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }
    func children(of parent: pid_t) -> [pid_t] { processes.filter { Self.parent(of: $0) == parent }.sorted() }
    var ranks = children(of: process.processIdentifier)
    // MPICH's mpiexec has one child, which starts the ranks.
    if let proxy = ranks.first, Self.status("Name", of: proxy) == "hydra_pmi_proxy" {
      ranks = children(of: proxy)
    }
    guard ranks.indices.contains(rank) else {
      throw Unusable(description: "mpirun has started \(ranks.count) processes, none for rank \(rank)")
    }
    kill(ranks[rank], signal)
  }

  /// Whether the process ignores a signal, according to the kernel's mask of ignored signals.
  func ignores(_ signal: Int32) -> Bool {
    let mask = Self.status("SigIgn", of: process.processIdentifier).flatMap { UInt64($0, radix: 16) } ?? 0
    return mask >> UInt64(signal - 1) & 1 == 1
  }

  private var standardError: String {
    (try? String(contentsOfFile: folder.file("stderr"), encoding: .utf8)) ?? ""
  }

  private static func parent(of process: pid_t) -> pid_t? {
    status("PPid", of: process).flatMap { pid_t($0) }
  }

  /// The value of a field of /proc/PID/status.
  private static func status(_ field: String, of process: pid_t) -> String? {
    let text = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = text?.split(separator: "\n").first { $0.hasPrefix("\(field):") }
    return line.map { $0.dropFirst(field.count + 1).trimmingCharacters(in: .whitespaces) }
  }

  private static func file(at path: String) throws -> FileHandle {
    try Data().write(to: URL(fileURLWithPath: path))
    return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
  }

  /// Threads that run tests block signals, and child processes inherit this, so mpirun would not forward any signal.
  private static func withoutBlockedSignals(_ body: () throws -> Void) rethrows {
    var (none, before) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try body()
  }

  /// The program that is built with the tests, or the one that RNN_DIST_PROGRAM names: an optimized build can have errors
  /// that a debug build doesn't have, such as a use of freed memory.
  private static func executable() throws -> URL {
    try MPILauncher.program("rnn-dist", variable: "RNN_DIST_PROGRAM")
  }
}

/// Limits the number of processes that run at the same time, counted in ranks. Without a limit every test would start its
/// program at once, and all would be too slow for their deadlines.
private actor ProcessSlots {
  static let shared = ProcessSlots(5 * ProcessInfo.processInfo.activeProcessorCount)

  private var free: Int
  private let total: Int
  private var waiting: [(size: Int, resume: CheckedContinuation<Void, Never>)] = []

  private init(_ total: Int) {
    free = total
    self.total = total
  }

  /// Waits, in the order of the calls, until `size` slots are free. A job that is larger than the number of slots runs alone.
  func take(_ size: Int) async {
    let size = min(size, total)
    guard !waiting.isEmpty || free < size else {
      free -= size
      return
    }
    await withCheckedContinuation { waiting.append((size, $0)) }
  }

  func giveBack(_ size: Int) {
    free += min(size, total)
    while let first = waiting.first, first.size <= free {
      free -= first.size
      waiting.removeFirst().resume.resume()
    }
  }
}
