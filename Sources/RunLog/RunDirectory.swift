import Foundation

/// The directory of a run that is being trained, held by a lock until this value is gone.
public final class RunDirectory: Sendable {
  /// What to do where the directory already holds a run.
  public enum ExistingRun: Sendable, CaseIterable {
    /// Refuse it: the default.
    case refuse
    /// Go on with it: `--resume`. Where there is none yet, it begins, so that a supervisor can always resume.
    case resume
    /// Remove its files first: `--overwrite`.
    case overwrite
  }

  public let paths: RunPaths
  /// Whether there was a run that is now gone on with.
  public let isResumed: Bool
  /// Whether the directory is locked; false on file systems without locks.
  public var isLocked: Bool { lock.isHeld }
  private let lock: RunLock

  /// Creates the directory or takes over an existing one, according to `existing`, and locks it.
  ///
  /// A directory with other files than a run's is never touched, whatever `existing` says.
  ///
  /// - Throws: `RunDirectoryFailure` where it is refused, `RunFileFailure` where the system refuses.
  public init(path: String, existing: ExistingRun = .refuse) throws {
    let paths = RunPaths(root: path)
    self.paths = paths
    // Looked at before the lock, which would be one file more in somebody else's directory ...
    if try Self.check(paths, existing) == .absent { try Self.makeFolder(path) }
    lock = try RunLock(path: paths.lock)
    // ... and again under it, since another job may have begun between the two.
    let content = try Self.check(paths, existing)
    isResumed = content == .run && existing == .resume
    if content == .run && existing == .overwrite { try Self.removeRun(paths) }
  }

  /// Makes a directory, and those it is in, unless it exists. Throws `RunFileFailure`.
  public static func makeFolder(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw RunFileFailure(path: path, operation: .create, errno: systemErrorNumber(error))
    }
  }

  private static func check(_ paths: RunPaths, _ existing: ExistingRun) throws -> RunContent {
    let content = try RunContent(of: paths)
    let refusal: RunDirectoryFailure.Reason? =
      switch content {
      case .absent, .empty: nil
      case .run: existing == .refuse ? .alreadyARun : nil
      case .foreign: .foreignFiles
      case .notADirectory: .notADirectory
      }
    if let refusal { throw RunDirectoryFailure(path: paths.root, reason: refusal) }
    return content
  }

  // MARK: - Overwriting

  /// Removes what a run writes, by its documented names, and nothing else.
  private static func removeRun(_ paths: RunPaths) throws {
    let names = try listDirectory(paths.root).filter(RunPaths.isDocumented)
    // What marks the directory as a run goes last, so that a removal cut short can be repeated.
    let (marks, others) = (
      names.filter(RunPaths.marks.contains), names.filter { !RunPaths.marks.contains($0) }
    )
    for name in others + marks {
      let path = paths.file(name)
      switch name {
      case "checkpoints": try removeContents(of: path, where: RunPaths.isCheckpoint)
      case "attention": try removeContents(of: path) { $0.hasSuffix(".svg") }
      default: try remove(path)
      }
    }
  }

  /// Removes the entries that are a run's, and the directory if that leaves it empty.
  private static func removeContents(of directory: String, where isOurs: (String) -> Bool) throws {
    for name in try listDirectory(directory) where isOurs(name) { try remove("\(directory)/\(name)") }
    let isEmptyOrLink = rmdir(directory) == 0 || [ENOTEMPTY, EEXIST, ENOTDIR].contains(errno)
    guard isEmptyOrLink else { throw RunFileFailure(path: directory, operation: .remove, errno: errno) }
  }

  private static func remove(_ path: String) throws {
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      throw RunFileFailure(path: path, operation: .remove, errno: systemErrorNumber(error))
    }
  }
}

/// A directory can't be used as the run directory.
public struct RunDirectoryFailure: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Reason: Sendable, Equatable {
    case missing
    case notADirectory
    /// To be read, but there is no run in it.
    case notARun
    /// To be resumed, but there is no run in it.
    case nothingToResume
    /// To be trained into, but there is a run in it.
    case alreadyARun
    /// To be trained into, but there are files in it that aren't a run's.
    case foreignFiles
    /// Another job trains into it; `holder` says which, where that is known.
    case locked(holder: String)
  }

  public let path: String
  public let reason: Reason

  public init(path: String, reason: Reason) {
    self.path = path
    self.reason = reason
  }

  /// 66 where a run to be read or resumed isn't there, 73 where none can be created.
  public var exitCode: Int32 {
    switch reason {
    case .missing, .notARun, .nothingToResume: 66
    default: 73
    }
  }

  public var description: String {
    switch reason {
    case .missing: "\(path): no such run directory; check the path"
    case .notADirectory: "\(path) isn't a directory; choose another run directory"
    case .notARun:
      "\(path) isn't a run directory: it has none of \(RunPaths.marks.joined(separator: ", ")); check the path"
    case .nothingToResume:
      "\(path): there is no run to resume; check --run-dir, or name a configuration to start a new run there"
    case .alreadyARun:
      "\(path) already holds a run; go on with it by --resume, replace it by --overwrite, or choose another"
    case .foreignFiles:
      "\(path) isn't empty and isn't a run directory, so nothing is written there; choose another or empty it"
    case .locked(let holder):
      "\(path): another job trains into it\(holder.isEmpty ? "" : " (\(holder))"); end it or choose another"
    }
  }
}
