import Foundation

/// Where everything is in a run directory.
public struct RunPaths: Sendable, Equatable {
  /// The run directory itself.
  public let root: String

  /// Describes the directory at `root`, whether there is one or not.
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
  public var record: String { file("run.json") }
  public var metrics: String { file("metrics.jsonl") }
  /// Widths and numbers of the data that a model of sequences was made for.
  public var dataShape: String { file("shape.json") }
  public var checkpoints: String { file("checkpoints") }
  public var samples: String { file("samples") }
  public var attention: String { file("attention") }
  public var report: String { file("report.html") }
  public var lock: String { file(Self.lockName) }
  /// Whether a job on this host is training into it.
  public var isBeingTrained: Bool { RunLock.isHeld(path: lock) }

  /// `vocab.txt`, or `vocab-NAME.txt` where a run has several vocabularies.
  public func vocabulary(_ name: String? = nil) -> String {
    file(name.map { "vocab-\($0).txt" } ?? "vocab.txt")
  }

  /// The file of this name in the run directory.
  public func file(_ name: String) -> String { "\(root)/\(name)" }

  static let lockName = "run.lock"
  /// A directory with one of these is a run.
  static let marks = ["run.json", "config.yaml", "checkpoints"]
  static let eventFilePrefix = "events.out.tfevents."

  /// Whether a name in a run directory is one that this program gives to its files.
  static func isDocumented(_ name: String) -> Bool {
    switch name {
    case "config.yaml", "run.json", "metrics.jsonl", "shape.json", "checkpoints", "samples", "attention",
      "report.html":
      true
    default:
      name.hasPrefix(eventFilePrefix)
        || (name.hasPrefix("vocab") && (name.hasSuffix(".txt") || name.hasSuffix(".model")))
        || isTemporary(name)
    }
  }

  /// Whether a file is a replacement that was cut short by a death.
  static func isTemporary(_ name: String) -> Bool { name.hasPrefix(".") && name.contains(".tmp-") }

  /// Whether a name in `checkpoints` is one that the checkpoint store gives.
  static func isCheckpoint(_ name: String) -> Bool {
    name == "last" || name == "best" || name.hasPrefix("step-") || name.hasPrefix(".step-")
      || isTemporary(name)
  }
}

/// What is at the path of a run directory.
enum RunContent {
  case absent
  case empty
  case run
  /// Somebody's files that aren't a run's.
  case foreign
  case notADirectory

  init(of paths: RunPaths) throws {
    var status = stat()
    if stat(paths.root, &status) != 0 {
      guard errno == ENOENT else {
        throw RunFileFailure(path: paths.root, operation: .list, errno: errno)
      }
      self = .absent
    } else if status.st_mode & S_IFMT != S_IFDIR {
      self = .notADirectory
    } else {
      let names = try listDirectory(paths.root)
      if names.contains(where: RunPaths.marks.contains) {
        self = .run
      } else {
        // A job that died right after its start leaves just these.
        let others = names.filter { $0 != RunPaths.lockName && !RunPaths.isTemporary($0) }
        self = others.isEmpty ? .empty : .foreign
      }
    }
  }
}

func listDirectory(_ path: String) throws -> [String] {
  do {
    return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  } catch {
    throw RunFileFailure(path: path, operation: .list, errno: systemErrorNumber(error))
  }
}

/// The system's error number in an error of Foundation, EIO where there is none.
func systemErrorNumber(_ error: any Error) -> Int32 {
  let cocoa = error as NSError
  if let posix = cocoa.userInfo[NSUnderlyingErrorKey] as? POSIXError { return posix.code.rawValue }
  let underlying = cocoa.userInfo[NSUnderlyingErrorKey] as? NSError
  return underlying.map { Int32(truncatingIfNeeded: $0.code) } ?? EIO
}
