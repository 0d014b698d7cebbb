import Foundation

extension CheckpointStore {
  /// Returns the steps of which there are checkpoints, damaged ones too, ascending; none without a directory.
  ///
  /// - Throws: `FileFailure` where the directory can't be listed.
  public func steps() throws -> [Int] {
    try names().compactMap(Name.checkpointStep).sorted()
  }

  /// Opens the newest checkpoint that verifies.
  ///
  /// Those that don't are left as they are and listed in `rejected`.
  ///
  /// - Returns: nil where no checkpoint was ever completed.
  /// - Throws: `NoValidCheckpoint` where there are some, but none verifies; `FileFailure`.
  public func loadNewestValid() throws -> LoadedCheckpoint? {
    var before: [Candidate] = []
    while true {
      let candidates = try candidates()
      if candidates.isEmpty { return nil }
      var rejected: [RejectedCheckpoint] = []
      for candidate in candidates {
        do {
          return try LoadedCheckpoint(
            verifying: candidate.path, expectedStep: candidate.step, rejected: rejected)
        } catch {
          rejected.append(RejectedCheckpoint(path: candidate.path, reason: "\(error)"))
        }
      }
      // A run in progress may have removed an old checkpoint after it was listed: then there are newer ones.
      if candidates == before { throw NoValidCheckpoint(directory: directory, rejected: rejected) }
      before = candidates
    }
  }

  /// Opens and verifies the checkpoint of a step.
  ///
  /// - Throws: `CheckpointFailure`, `SafetensorsFailure`, `FileFailure`.
  public func load(step: Int) throws -> LoadedCheckpoint {
    guard let candidate = try candidates().first(where: { $0.step == step }) else {
      throw CheckpointFailure(path: path(step: step), reason: .missing)
    }
    return try LoadedCheckpoint(verifying: candidate.path, expectedStep: step)
  }

  /// Opens and verifies a checkpoint's directory, or a link to one.
  ///
  /// - Throws: `CheckpointFailure`, `SafetensorsFailure`, `FileFailure`.
  public static func load(path: String) throws -> LoadedCheckpoint {
    guard FileManager.default.fileExists(atPath: path) else {
      throw CheckpointFailure(path: path, reason: .missing)
    }
    return try LoadedCheckpoint(verifying: path)
  }

  /// Returns the directory of the best checkpoint, nil where there is none.
  public func best() -> String? { destination(of: "best") }

  /// Returns the directory of the checkpoint written last, nil where there is none.
  public func last() -> String? { destination(of: "last") }

  private func destination(of link: String) -> String? {
    let path = "\(directory)/\(link)"
    guard let name = try? FileManager.default.destinationOfSymbolicLink(atPath: path),
      Name.checkpointStep(name) != nil, FileManager.default.fileExists(atPath: path)
    else { return nil }
    return "\(directory)/\(name)"
  }

  private struct Candidate: Equatable {
    let step: Int
    let path: String
  }

  /// The checkpoints, newest first, and those whose replacement was cut short between two renames.
  private func candidates() throws -> [Candidate] {
    let names = try names()
    let complete = Set(names.compactMap(Name.checkpointStep))
    let replaced = Set(names.compactMap(Name.replacedStep)).subtracting(complete)
    let list =
      complete.map { Candidate(step: $0, path: path(step: $0)) }
      + replaced.map { Candidate(step: $0, path: "\(directory)/\(Name.replaced(step: $0))") }
    return list.sorted { $0.step > $1.step }
  }
}
