import Checkpoints
import Foundation

/// The directory of a run that is being trained. It is locked as long as this value exists.
public final class RunDirectory: Sendable {
  /// How to treat a directory that already holds a run.
  public enum ExistingRun: Sendable, CaseIterable {
    /// Refuse the directory. This is the default.
    case refuse
    /// Continue the run: `--resume`. If there is none yet, a new run starts, so that a supervisor can always resume.
    case resume
    /// Remove the files of the run first: `--overwrite`.
    case overwrite
  }

  public let paths: RunPaths
  /// Whether the directory held a run that this job continues.
  public let isResumed: Bool
  private let lock: RunLock

  /// Creates the directory or takes over an existing one, according to `existing`, and locks it.
  ///
  /// A directory with files that don't belong to a run is never changed, regardless of `existing`.
  ///
  /// - Throws: `RunDirectoryFailure` if the directory is refused, `FileFailure` if a system call fails.
  public init(path: String, existing: ExistingRun = .refuse) throws {
    let paths = RunPaths(root: path)
    self.paths = paths
    // Check before locking, because the lock would add a file to a directory that doesn't belong to a run ...
    if try Self.check(paths, existing) == .absent {
      try FileSystemOperations.standard.createDirectories(path)
    }
    lock = try RunLock(paths)
    // ... and again under the lock, because another job may have started a run between the two.
    let content = try Self.check(paths, existing)
    isResumed = content == .run && existing == .resume
    if content == .run && existing == .overwrite { try Self.removeRun(paths) }
    let files = FileSystemOperations.standard
    for name in try files.names(in: path) where DurableFile.isLeftover(name) {
      try files.remove(paths.file(name))
    }
  }

  /// Throws `RunDirectoryFailure.Reason.replaced` unless the path still leads to the directory that is locked.
  public func requireInPlace() throws { try lock.requireSame(as: paths.root) }

  /// Makes the files that are in the directory now, and their names, survive a loss of power; throws `FileFailure`.
  public func flush() throws { try FileSystemOperations.standard.flushFiles(in: paths.root) }

  private static func check(_ paths: RunPaths, _ existing: ExistingRun) throws -> RunContent {
    let content = try RunContent(of: paths)
    let isForeign = try content == .run && !isWritten(paths, existing)
    let refusal: RunDirectoryFailure.Reason? =
      switch content {
      case .absent, .empty: nil
      case .run: isForeign ? .foreignFiles : existing == .refuse ? .alreadyARun : nil
      case .foreign: .foreignFiles
      case .notADirectory: .notADirectory
      }
    if let refusal { throw RunDirectoryFailure(path: paths.root, reason: refusal) }
    return content
  }

  /// Whether this program has written the directory. Other folders have a `config.yaml` or `checkpoints` too, such as a
  /// prepared text or the project of a user, and their files must not be removed. Without a `run.json` a run therefore
  /// has no files of other names, except that checkpoints can be resumed after a damaged record was moved aside.
  private static func isWritten(_ paths: RunPaths, _ existing: ExistingRun) throws -> Bool {
    let names = try FileSystemOperations.standard.names(in: paths.root)
    return names.contains(RunPaths.recordName)
      || names.allSatisfy { RunPaths.isDocumented($0) || $0 == RunPaths.lockName }
      || (existing == .resume && names.contains(RunPaths.checkpointsName))
  }

  // MARK: - Overwriting

  /// Removes the files that a run writes, by their documented names, and no others.
  private static func removeRun(_ paths: RunPaths) throws {
    let files = FileSystemOperations.standard
    let names = try files.names(in: paths.root).filter(RunPaths.isDocumented)
    // The files that mark the directory as a run are removed last, so that an interrupted removal can be repeated.
    let others = names.filter { !RunPaths.marks.contains($0) }
    for name in others + RunPaths.marks.reversed().filter(names.contains) {
      let path = paths.file(name)
      switch name {
      case RunPaths.checkpointsName: try removeContents(of: path, where: RunPaths.isCheckpoint)
      case "attention": try removeContents(of: path) { $0.hasSuffix(".svg") }
      case "samples": try removeContents(of: path) { $0.hasPrefix("step-") && $0.hasSuffix(".json") }
      default: try files.remove(path)
      }
    }
  }

  /// Removes the entries of a directory that belong to a run, and the directory if it is empty then.
  private static func removeContents(of directory: String, where isOurs: (String) -> Bool) throws {
    let files = FileSystemOperations.standard
    for name in try files.names(in: directory) where isOurs(name) { try files.remove("\(directory)/\(name)") }
    let isDone = rmdir(directory) == 0 || [ENOTEMPTY, EEXIST, ENOTDIR].contains(errno)
    guard isDone else { throw FileFailure(path: directory, operation: .remove, errno: errno) }
  }
}

/// A directory can't be used as the run directory.
public struct RunDirectoryFailure: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Reason: Sendable, Equatable {
    case missing
    case notADirectory
    /// The command reads a run, but the directory holds none.
    case notARun
    /// The job should resume a run, but the directory holds none.
    case nothingToResume
    /// The job should start a new run, but the directory already holds one.
    case alreadyARun
    /// The job should start a run, but the directory has files that don't belong to a run.
    case foreignFiles
    /// The path leads to a directory other than the one that this job has locked, or to none.
    case replaced
    /// Another job trains in the directory. `holder` names that job, if it is known.
    case locked(holder: String)
  }

  public let path: String
  public let reason: Reason

  public init(path: String, reason: Reason) {
    self.path = path
    self.reason = reason
  }

  /// 66 if a run to read or resume doesn't exist, 73 if a run can't be created.
  public var exitCode: Int32 {
    switch reason {
    case .missing, .notARun, .nothingToResume: 66
    case .replaced: 74
    default: 73
    }
  }

  public var description: String {
    switch reason {
    case .missing where path.isEmpty: "the path of the run directory is empty; name one"
    case .missing: "\(path): no such run directory; check the path"
    case .notADirectory: "\(path) isn't a directory; choose another run directory"
    case .notARun:
      "\(path) isn't a run directory: it has none of \(RunPaths.marks.joined(separator: ", ")); check the path"
    case .nothingToResume:
      "\(path): there is no run to resume; check --run-dir, or name a configuration to start a new run there"
    case .alreadyARun:
      "\(path) already holds a run; continue it with --resume, replace it with --overwrite, or choose another"
    case .foreignFiles:
      "\(path) isn't empty and isn't a run directory, so nothing is written there; choose another or empty it"
    case .replaced:
      "\(path): the directory of this run was moved, removed or replaced; move it back, or stop the run and resume it "
        + "under its new path"
    case .locked(let holder):
      "\(path): another job trains in it\(holder.isEmpty ? "" : " (\(holder))"); end it or choose another"
    }
  }
}

/// The paths of the files in a run directory.
public struct RunPaths: Sendable, Equatable {
  /// The run directory itself.
  public let root: String

  /// Describes the directory at `root`, whether it exists or not.
  public init(root: String) {
    self.root = root
  }

  /// Describes an existing run, for the commands that read one; throws `RunDirectoryFailure`.
  public init(existing root: String) throws {
    self.init(root: root)
    switch try RunContent(of: self) {
    case .run: break
    case .absent: throw RunDirectoryFailure(path: root, reason: .missing)
    case .empty, .foreign, .notADirectory: throw RunDirectoryFailure(path: root, reason: .notARun)
    }
  }

  public var configuration: String { file("config.yaml") }
  public var record: String { file(Self.recordName) }
  public var metrics: String { file("metrics.jsonl") }
  /// The counts of each class at the best evaluation, of a model that chooses classes or tags.
  public var classes: String { file("classes.json") }
  /// The last actions of all ranks, if the watchdog ended the run.
  public var flightRecord: String { file("flight-record.json") }
  public var checkpoints: String { file(Self.checkpointsName) }
  public var attention: String { file("attention") }
  public var lock: String { file(Self.lockName) }
  /// Whether a job on this host is training in the directory.
  public var isBeingTrained: Bool { RunLock.isHeld(self) }

  /// Returns the path of a file in the run directory.
  public func file(_ name: String) -> String { "\(root)/\(name)" }

  fileprivate static let lockName = "run.lock"
  fileprivate static let recordName = "run.json"
  fileprivate static let checkpointsName = "checkpoints"
  /// The names that mark a directory as a run, the surest one first. One of them is enough to read it.
  fileprivate static let marks = [recordName, "config.yaml", checkpointsName]
  static let eventFilePrefix = "events.out.tfevents."

  /// Whether this program writes a file of this name to a run directory.
  fileprivate static func isDocumented(_ name: String) -> Bool {
    switch name {
    case "config.yaml", "run.json", "metrics.jsonl", "classes.json", "flight-record.json", "shape.json",
      "checkpoints", "samples", "attention", "report.html":
      true
    default:
      name.hasPrefix(eventFilePrefix)
        || (name.hasPrefix("vocab") && (name.hasSuffix(".txt") || name.hasSuffix(".model")))
        || isTemporary(name)
    }
  }

  /// Whether a file is left over from an interrupted replacement.
  fileprivate static func isTemporary(_ name: String) -> Bool {
    name.hasPrefix(".") && name.contains(".tmp-")
  }

  /// Whether the checkpoint store creates an entry of this name in `checkpoints`.
  fileprivate static func isCheckpoint(_ name: String) -> Bool {
    name == "last" || name == "best" || name.hasPrefix("step-") || name.hasPrefix(".step-")
      || isTemporary(name)
  }
}

/// The content at the path of a run directory.
private enum RunContent {
  case absent
  case empty
  case run
  /// Files that don't belong to a run.
  case foreign
  case notADirectory

  init(of paths: RunPaths) throws {
    var status = stat()
    if stat(paths.root, &status) != 0 {
      guard errno == ENOENT else {
        throw FileFailure(path: paths.root, operation: .list, errno: errno)
      }
      self = .absent
    } else if status.st_mode & S_IFMT != S_IFDIR {
      self = .notADirectory
    } else {
      let names = try FileSystemOperations.standard.names(in: paths.root)
      if names.contains(where: RunPaths.marks.contains) {
        self = .run
      } else {
        // A job that died right after its start leaves only the lock and temporary files.
        let others = names.filter { $0 != RunPaths.lockName && !RunPaths.isTemporary($0) }
        self = others.isEmpty ? .empty : .foreign
      }
    }
  }
}

/// The lock that keeps two jobs from training in the same directory. The system releases it when the process dies.
///
/// The directory itself is locked, so that neither renaming it nor deleting a file admits a second job. A file is
/// locked as well, because some network file systems can only lock files. The file names the holder.
private final class RunLock: Sendable {
  private let directory: Int32
  private let file: Int32

  /// Takes the lock. It makes several attempts, because a command that checks whether the lock is taken holds it for an
  /// instant.
  ///
  /// - Throws: `RunDirectoryFailure.Reason.locked` if another job has it, `FileFailure`.
  init(_ paths: RunPaths) throws {
    directory = open(paths.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw FileFailure(path: paths.root, operation: .open, errno: errno) }
    file = open(paths.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    // All properties are initialized from here on, so `deinit` closes the open files.
    guard file >= 0 else { throw FileFailure(path: paths.lock, operation: .create, errno: errno) }
    for (descriptor, path) in [(directory, paths.root), (file, paths.lock)] {
      switch Self.take(descriptor) {
      // Some cluster file systems don't support locks, or don't support them for directories. Training without a lock
      // is better than not training.
      case 0, ENOLCK, ENOSYS, ENOTSUP, EBADF, EINVAL: break
      case EWOULDBLOCK:
        throw RunDirectoryFailure(path: paths.root, reason: .locked(holder: Self.holder(file)))
      case let number: throw FileFailure(path: path, operation: .lock, errno: number)
      }
    }
    let note = "process \(getpid()) on \(ProcessInfo.processInfo.hostName)\n"
    // The note only serves the message of a second job; the lock works without it.
    _ = ftruncate(file, 0)
    _ = note.withCString { pwrite(file, $0, strlen($0), 0) }
  }

  deinit {
    _ = close(file)
    _ = close(directory)
  }

  /// Tries for a quarter of a second; returns the error number of the last attempt, or 0.
  private static func take(_ descriptor: Int32) -> Int32 {
    var number: Int32 = 0
    for attempt in 0..<6 {
      if attempt > 0 { usleep(50_000) }
      repeat { number = flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : errno } while number == EINTR
      if number != EWOULDBLOCK { break }
    }
    return number
  }

  /// Throws `RunDirectoryFailure.Reason.replaced` unless `path` still leads to the locked directory.
  func requireSame(as path: String) throws {
    var (locked, found) = (stat(), stat())
    guard fstat(directory, &locked) == 0, stat(path, &found) == 0, locked.st_ino == found.st_ino,
      locked.st_dev == found.st_dev
    else { throw RunDirectoryFailure(path: path, reason: .replaced) }
  }

  /// Whether a job on this host holds the lock now.
  static func isHeld(_ paths: RunPaths) -> Bool {
    [paths.root, paths.lock].contains { path in
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return false }
      defer { _ = close(descriptor) }
      return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }
  }

  /// Returns the note that the holder wrote about itself.
  private static func holder(_ descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = max(0, pread(descriptor, &bytes, bytes.count, 0))
    return String(decoding: bytes[..<count], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
