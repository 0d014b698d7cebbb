/// A checkpoint with all files verified.
public struct LoadedCheckpoint: Sendable {
  /// The names of the files in the directory of a checkpoint.
  public enum FileName {
    public static let model = "model.safetensors"
    public static let optimizer = "optimizer.safetensors"
    public static let state = CheckpointState.fileName
  }

  /// The number of optimizer steps that were done when it was written.
  public let step: Int
  /// Its directory.
  public let path: String
  /// The weights.
  public let model: SafetensorsFile
  /// The moments of the optimizer and any other tensors as large as the model.
  public let optimizer: SafetensorsFile
  /// The newer checkpoints that were skipped because they are damaged. They still exist.
  public let rejected: [RejectedCheckpoint]
  private let contents: CheckpointState

  /// Returns the trainer's state; throws `CheckpointFailure.undecodableState` if it is of another type.
  public func state<State: Decodable>(as type: State.Type = State.self) throws -> State {
    do {
      return try contents.decode(type)
    } catch {
      throw CheckpointFailure(path: path, reason: .undecodableState(decodingProblem(error)))
    }
  }

  /// Opens a checkpoint and verifies all its files.
  ///
  /// - Parameter expectedStep: the step in the name of the directory; nil if the name doesn't contain it.
  /// - Throws: `FileFailure`, `SafetensorsFailure`, `CheckpointFailure`.
  init(verifying path: String, expectedStep: Int? = nil, rejected: [RejectedCheckpoint] = []) throws {
    let contents = try CheckpointState(checkpoint: path)
    if let expectedStep, expectedStep != contents.step {
      throw CheckpointFailure(path: path, reason: .wrongStep(recorded: contents.step, expected: expectedStep))
    }
    self.contents = contents
    self.path = path
    self.rejected = rejected
    step = contents.step
    model = try Self.verified(FileName.model, in: path, contents)
    optimizer = try Self.verified(FileName.optimizer, in: path, contents)
  }

  private static func verified(
    _ name: String, in path: String, _ contents: CheckpointState
  ) throws -> SafetensorsFile {
    let file = try SafetensorsFile(path: path + "/" + name)
    // The first check shows that the file is intact, the second that it was saved together with this state.
    try file.verifyDigest()
    let recorded = contents.files[name]?.digest ?? "no digest"
    let found = file.metadata[SafetensorsFile.digestKey] ?? "no digest"
    guard recorded == found else {
      throw CheckpointFailure(path: path, reason: .fileMismatch(file: name, recorded: recorded, found: found))
    }
    return file
  }
}

/// A checkpoint can't be written or can't be used.
public struct CheckpointFailure: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Reason: Sendable, Equatable {
    /// The checkpoint doesn't exist.
    case missing
    /// `state.json` was changed after it was written.
    case damagedState(String)
    /// A tensor file doesn't belong to this state.
    case fileMismatch(file: String, recorded: String, found: String)
    /// The name of the directory has a different step than its state.
    case wrongStep(recorded: Int, expected: Int)
    /// The state is intact but not of the requested type.
    case undecodableState(String)
    /// The state to write has a value that JSON can't represent.
    case unencodableState(String)
  }

  /// The directory of the checkpoint, or a file in it.
  public let path: String
  public let reason: Reason

  /// 66 if the checkpoint doesn't exist, 1 if the state can't be written, 65 for bad data.
  public var exitCode: Int32 {
    switch reason {
    case .missing: 66
    case .unencodableState: 1
    default: 65
    }
  }

  public var description: String {
    switch reason {
    case .missing: "\(path): no such checkpoint; list the directory to see which exist"
    case .damagedState(let problem): "\(path): damaged: \(problem); use another checkpoint"
    case .fileMismatch(let file, let recorded, let found):
      "\(path)/\(file): it has \(found), but state.json records \(recorded); use another checkpoint"
    case .wrongStep(let recorded, let expected):
      "\(path): it holds step \(recorded) instead of \(expected); rename the directory to step-\(recorded)"
    case .undecodableState(let problem):
      "\(path): the state was written by another version of this program: \(problem); use that version"
    case .unencodableState(let problem): "\(path): the state can't be written: \(problem); report this"
    }
  }
}

/// A checkpoint that was skipped, and the reason.
public struct RejectedCheckpoint: Sendable, Equatable, CustomStringConvertible {
  public let path: String
  public let reason: String

  public var description: String { reason.hasPrefix(path) ? reason : "\(path): \(reason)" }
}

/// All existing checkpoints are damaged. Training must not start from scratch as if there were no checkpoints.
public struct NoValidCheckpoint: Error, Sendable, Equatable, CustomStringConvertible {
  public let directory: String
  /// Every existing checkpoint, newest first.
  public let rejected: [RejectedCheckpoint]

  /// The exit code for bad data.
  public var exitCode: Int32 { 65 }

  public var description: String {
    let list = rejected.map { "\n  \($0)" }.joined()
    return
      "\(directory): none of the checkpoints can be used; restore one of them, or start from scratch with "
      + "--overwrite:\(list)"
  }
}
