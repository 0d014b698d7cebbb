import Foundation

/// A checkpoint whose every file was verified.
public struct LoadedCheckpoint: Sendable {
  /// The names of the files in a checkpoint's directory.
  public enum FileName {
    public static let model = "model.safetensors"
    public static let optimizer = "optimizer.safetensors"
    public static let state = CheckpointState.fileName
  }

  /// Optimizer steps done when it was written.
  public let step: Int
  /// Its directory.
  public let path: String
  /// The weights.
  public let model: SafetensorsFile
  /// The optimizer's moments and whatever else is as large as the model.
  public let optimizer: SafetensorsFile
  /// The trainer's state as JSON.
  public let stateData: Data
  /// The newer checkpoints that were passed over because they don't verify; they are still there.
  public let rejected: [RejectedCheckpoint]

  /// Returns the trainer's state; throws `CheckpointFailure.undecodableState` where it is of another type.
  public func state<State: Decodable>(as type: State.Type = State.self) throws -> State {
    do {
      return try StateCoding.decode(type, from: stateData)
    } catch {
      throw CheckpointFailure(path: path, reason: .undecodableState("\(error)"))
    }
  }

  /// Opens a checkpoint and verifies all of it.
  ///
  /// - Parameter expectedStep: the step that the directory's name gives, if it does.
  /// - Throws: `FileFailure`, `SafetensorsFailure`, `CheckpointFailure`.
  init(verifying path: String, expectedStep: Int? = nil, rejected: [RejectedCheckpoint] = []) throws {
    let state = try CheckpointState(checkpoint: path)
    if let expectedStep, expectedStep != state.step {
      throw CheckpointFailure(path: path, reason: .wrongStep(recorded: state.step, expected: expectedStep))
    }
    self.step = state.step
    self.path = path
    self.stateData = state.state
    self.rejected = rejected
    model = try Self.verified(FileName.model, in: path, state)
    optimizer = try Self.verified(FileName.optimizer, in: path, state)
  }

  private static func verified(
    _ name: String, in path: String, _ state: CheckpointState
  ) throws -> SafetensorsFile {
    let file = try SafetensorsFile(path: path + "/" + name)
    // First that the file is whole in itself, then that it is the one saved together with this state.
    try file.verifyDigest()
    let recorded = state.files[name]?.digest ?? "no digest"
    let found = file.metadata[SafetensorsFile.digestKey] ?? "no digest"
    guard recorded == found else {
      throw CheckpointFailure(
        path: path, reason: .fileMismatch(file: name, recorded: recorded, found: found))
    }
    return file
  }
}
