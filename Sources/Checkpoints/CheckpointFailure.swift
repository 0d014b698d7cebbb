/// One checkpoint can't be written, or can't be used.
public struct CheckpointFailure: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Reason: Sendable, Equatable {
    /// There is no such checkpoint.
    case missing
    /// `state.json` isn't what was written.
    case damagedState(String)
    /// A tensor file isn't the one that belongs to this state.
    case fileMismatch(file: String, recorded: String, found: String)
    /// The directory's name gives another step than the state in it.
    case wrongStep(recorded: Int, expected: Int)
    /// The state is intact, but not of the type asked for.
    case undecodableState(String)
    /// The state given has a value that JSON can't hold.
    case unencodableState(String)
  }

  /// The checkpoint's directory, or the file in it.
  public let path: String
  public let reason: Reason

  public init(path: String, reason: Reason) {
    self.path = path
    self.reason = reason
  }

  /// 66 where there is no checkpoint, 1 where the state given can't be written, 65 for bad data.
  public var exitCode: Int32 {
    switch reason {
    case .missing: 66
    case .unencodableState: 1
    default: 65
    }
  }

  public var description: String {
    switch reason {
    case .missing: "\(path): there is no such checkpoint; list the directory for those that exist"
    case .damagedState(let problem): "\(path): damaged: \(problem); use another checkpoint"
    case .fileMismatch(let file, let recorded, let found):
      "\(path)/\(file): \(found) found, \(recorded) recorded in state.json; use another checkpoint"
    case .wrongStep(let recorded, let expected):
      "\(path): holds step \(recorded) instead of \(expected); rename the directory to step-\(recorded)"
    case .undecodableState(let problem):
      "\(path): the state is that of another version of this program: \(problem); use that version"
    case .unencodableState(let problem): "\(path): the state can't be written: \(problem); report this"
    }
  }
}

/// A checkpoint that was passed over, and why.
public struct RejectedCheckpoint: Sendable, Equatable, CustomStringConvertible {
  public let path: String
  public let reason: String

  public var description: String { reason.hasPrefix(path) ? reason : "\(path): \(reason)" }
}

/// There are checkpoints, but none that verifies: training must not begin anew as if there were none.
public struct NoValidCheckpoint: Error, Sendable, Equatable, CustomStringConvertible {
  public let directory: String
  /// Every checkpoint there is, newest first.
  public let rejected: [RejectedCheckpoint]

  /// 65: bad data.
  public var exitCode: Int32 { 65 }

  public var description: String {
    let list = rejected.map { "\n  \($0)" }.joined()
    return "\(directory): none of the checkpoints can be used; restore one of them, or begin anew with "
      + "--overwrite:\(list)"
  }
}
