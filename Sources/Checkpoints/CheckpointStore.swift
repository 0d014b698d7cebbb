import Foundation

/// The checkpoints of a run.
///
///     step-N/ {model.safetensors, optimizer.safetensors, state.json}    last -> step-N    best -> step-N
///
/// If the process dies, at most the checkpoint that is being written is lost. The newest `keep` checkpoints and the best
/// one are kept, and checkpoints are verified when they are loaded. One process writes; any number of processes may read
/// at the same time.
public struct CheckpointStore: Sendable {
  /// The directory of the checkpoints, `checkpoints` of a run.
  public let directory: String
  /// The number of newest checkpoints that are kept. The best one is kept in addition.
  public let keep: Int
  private let operations: FileSystemOperations

  /// Creates a description of the store without any access to the disk.
  public init(directory: String, keep: Int, operations: FileSystemOperations = .standard) {
    precondition(keep > 0, "keep is \(keep), it must be positive")
    self.directory = directory
    self.keep = keep
    self.operations = operations
  }

  // MARK: - Writing

  /// Writes a checkpoint, points `last` (and `best`) to it, and removes old ones.
  ///
  /// The same arguments give the same bytes. If it throws, all earlier checkpoints still exist. If it throws while it
  /// updates links or removes old checkpoints, the new one exists too.
  ///
  /// - Parameters:
  ///   - step: the number of finished optimizer steps.
  ///   - model: the weights.
  ///   - optimizer: the moments of the optimizer and any other tensors as large as the model.
  ///   - state: all other state that is needed to continue; encoded as JSON.
  ///   - isBest: whether this is the best checkpoint so far.
  ///   - metadata: the metadata of the weight file: facts that its names and shapes don't show.
  /// - Returns: the directory of the checkpoint.
  /// - Throws: `FileFailure`, `CheckpointFailure.unencodableState`.
  @discardableResult public func save(
    step: Int, model: [TensorToWrite], optimizer: [TensorToWrite], state: some Encodable & Sendable,
    isBest: Bool, metadata: [String: String] = [:]
  ) throws -> String {
    precondition(step >= 0, "step is \(step), it can't be negative")
    let path = path(step: step)
    try operations.createDirectory(directory, isDurable: true)
    try recover()
    let temporary = "\(directory)/\(Name.temporary(step: step))"
    do {
      let files = try writeTensors(to: temporary, model: model, optimizer: optimizer, metadata)
      let data: Data
      do { data = try CheckpointState.encode(step: step, files: files, state: state) } catch {
        throw CheckpointFailure(path: path, reason: .unencodableState("\(error)"))
      }
      try DurableFile.write(data, to: "\(temporary)/\(CheckpointState.fileName)", operations: operations)
      try replace(step: step, by: temporary)
    } catch {
      try? operations.remove(temporary)
      throw error
    }
    if isBest { try point("best", to: step) }
    try point("last", to: step)
    try operations.flushDirectory(directory)
    try prune(newest: step)
    return path
  }

  private func writeTensors(
    to temporary: String, model: [TensorToWrite], optimizer: [TensorToWrite], _ metadata: [String: String]
  ) throws -> [String: CheckpointState.File] {
    try operations.remove(temporary)
    try operations.createDirectory(temporary)
    var files: [String: CheckpointState.File] = [:]
    for (name, tensors, metadata) in [
      (LoadedCheckpoint.FileName.model, model, metadata),
      (LoadedCheckpoint.FileName.optimizer, optimizer, [:]),
    ] {
      let file = "\(temporary)/\(name)"
      // Readers in the PyTorch world require "format": "pt".
      let digest = try SafetensorsFile.write(
        to: file, tensors: tensors, metadata: metadata.merging(["format": "pt"]) { _, new in new },
        operations: operations)
      files[name] = .init(bytes: try Self.byteCount(file), digest: digest)
    }
    return files
  }

  /// Renames a complete directory to its final name. An earlier directory of that name is kept until the rename has
  /// succeeded.
  private func replace(step: Int, by temporary: String) throws {
    let path = path(step: step)
    let old = "\(directory)/\(Name.replaced(step: step))"
    let replaces = Self.exists(path)
    if replaces { try operations.rename(path, to: old) }
    do {
      try operations.rename(temporary, to: path)
    } catch {
      if replaces { try? operations.rename(old, to: path) }
      throw error
    }
    try operations.flushDirectory(directory)
    if replaces { try operations.remove(old) }
  }

  private func point(_ link: String, to step: Int) throws {
    let temporary = "\(directory)/.\(link).tmp-\(getpid())"
    try operations.remove(temporary)
    try operations.link(temporary, target: Name.checkpoint(step: step))
    try operations.rename(temporary, to: "\(directory)/\(link)")
  }

  // MARK: - Loading

  /// Returns the steps of all checkpoints, including damaged ones, in ascending order. The result is empty if there is
  /// no directory.
  ///
  /// - Throws: `FileFailure` if the directory can't be listed.
  public func steps() throws -> [Int] {
    try operations.names(in: directory).compactMap(Name.checkpointStep).sorted()
  }

  /// Opens the newest intact checkpoint. Damaged ones are left as they are and listed in `rejected`.
  ///
  /// - Returns: nil if there is no checkpoint.
  /// - Throws: `NoValidCheckpoint` if all checkpoints are damaged; `FileFailure`.
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
      // A run in progress may have removed a checkpoint after it was listed. In that case there are newer ones.
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

  /// Opens and verifies the checkpoint in a directory, or the target of a link.
  ///
  /// - Throws: `CheckpointFailure`, `SafetensorsFailure`, `FileFailure`.
  public static func load(path: String) throws -> LoadedCheckpoint {
    guard FileManager.default.fileExists(atPath: path) else {
      throw CheckpointFailure(path: path, reason: .missing)
    }
    return try LoadedCheckpoint(verifying: path)
  }

  /// Opens and verifies the best checkpoint; nil if no checkpoint is marked as the best.
  ///
  /// - Throws: `CheckpointFailure`, `SafetensorsFailure`, `FileFailure`.
  public func loadBest() throws -> LoadedCheckpoint? {
    while let path = best() {
      do {
        return try Self.load(path: path)
      } catch {
        // A run in progress may have found a better one, and removed this one meanwhile.
        if best() == path { throw error }
      }
    }
    return nil
  }

  /// Returns the directory of the best checkpoint, nil if there is none.
  public func best() -> String? { destination(of: "best") }

  /// Returns the directory of the checkpoint that was written last, nil if there is none.
  public func last() -> String? { destination(of: "last") }

  private func destination(of link: String) -> String? {
    var missing: Int?
    while let step = linkedStep(link), step != missing {
      if Self.exists(path(step: step)) { return path(step: step) }
      // A run in progress may have updated the link after it was read, and removed this checkpoint. The link is
      // therefore read again.
      missing = step
    }
    return nil
  }

  private struct Candidate: Equatable {
    let step: Int
    let path: String
  }

  /// The checkpoints, newest first, including those whose replacement was interrupted between two renames.
  private func candidates() throws -> [Candidate] {
    let names = try operations.names(in: directory)
    let complete = Set(names.compactMap(Name.checkpointStep))
    let replaced = Set(names.compactMap(Name.replacedStep)).subtracting(complete)
    let list =
      complete.map { Candidate(step: $0, path: path(step: $0)) }
      + replaced.map { Candidate(step: $0, path: "\(directory)/\(Name.replaced(step: $0))") }
    return list.sorted { $0.step > $1.step }
  }

  // MARK: - Cleaning up

  /// Restores a checkpoint whose replacement was interrupted, and removes the leftovers of dead processes.
  private func recover() throws {
    for name in try operations.names(in: directory) {
      let path = "\(directory)/\(name)"
      if let step = Name.replacedStep(name) {
        let original = self.path(step: step)
        if Self.exists(original) {
          try operations.remove(path)
        } else {
          try operations.rename(path, to: original)
        }
      } else if DurableFile.isLeftover(name) {
        try operations.remove(path)
      }
    }
  }

  /// Keeps this checkpoint and the `keep - 1` before it, and removes all older ones except the best.
  ///
  /// Damaged checkpoints aren't counted, because they would displace good ones. Checkpoints of later steps aren't
  /// counted either: a run that resumed from an earlier checkpoint leaves them until it reaches those steps again.
  private func prune(newest step: Int) throws {
    let older = try steps().filter { $0 < step }.sorted(by: >)
    let best = linkedStep("best")
    var kept = 1
    for old in older {
      if kept >= keep {
        if old != best { try removeCheckpoint(step: old) }
      } else if isPlausible(step: old) {
        kept += 1
      }
    }
  }

  /// Renames the checkpoint first, so that a reader never sees a partly removed one.
  private func removeCheckpoint(step: Int) throws {
    let temporary = "\(directory)/\(Name.temporary(step: step))"
    try operations.remove(temporary)
    try operations.rename(path(step: step), to: temporary)
    try operations.remove(temporary)
  }

  /// Returns whether a checkpoint looks intact, without reading its tensors.
  private func isPlausible(step: Int) -> Bool {
    let path = path(step: step)
    guard let state = try? CheckpointState(checkpoint: path), state.step == step else { return false }
    return state.files.allSatisfy { name, file in (try? Self.byteCount("\(path)/\(name)")) == file.bytes }
  }

  private static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  private static func byteCount(_ path: String) throws -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else { throw FileFailure(path: path, operation: .read, errno: errno) }
    return Int(status.st_size)
  }

  // MARK: - Names

  private func path(step: Int) -> String { "\(directory)/\(Name.checkpoint(step: step))" }

  /// Returns the step that a link points to.
  private func linkedStep(_ link: String) -> Int? {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\(link)"))
      .flatMap(Name.checkpointStep)
  }

  /// The names in the directory of a store.
  private enum Name {
    static func checkpoint(step: Int) -> String { "step-\(step)" }
    static func temporary(step: Int) -> String { ".step-\(step).tmp-\(getpid())" }
    static func replaced(step: Int) -> String { ".step-\(step).replaced" }

    static func checkpointStep(_ name: String) -> Int? {
      guard name.hasPrefix("step-"), let step = Int(name.dropFirst(5)), checkpoint(step: step) == name else {
        return nil
      }
      return step
    }

    static func replacedStep(_ name: String) -> Int? {
      guard name.hasPrefix("."), name.hasSuffix(".replaced") else { return nil }
      return checkpointStep(String(name.dropFirst().dropLast(".replaced".count)))
    }
  }
}
