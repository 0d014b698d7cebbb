import Foundation

/// The checkpoints of a run: written so that a death at any moment costs at most the one being written, kept as
/// many as asked for, and verified when read.
///
///     step-N/ {model.safetensors, optimizer.safetensors, state.json}    last -> step-N    best -> step-N
///
/// One process writes; any number may read meanwhile.
public struct CheckpointStore: Sendable {
  /// The directory of the checkpoints, `checkpoints` of a run.
  public let directory: String
  /// How many of the newest checkpoints stay; the best one stays besides.
  public let keep: Int
  private let operations: FileSystemOperations

  /// Describes a store; nothing is read or written.
  public init(directory: String, keep: Int, operations: FileSystemOperations = .standard) {
    precondition(keep > 0, "keep is \(keep), at least one checkpoint must stay")
    self.directory = directory
    self.keep = keep
    self.operations = operations
  }

  // MARK: - Writing

  /// Writes a checkpoint, points `last` (and `best`) at it, and removes those that need not be kept.
  ///
  /// The same arguments give the same bytes. Where it throws, the checkpoints that were there still are; where
  /// only links or old checkpoints couldn't be tended to, the new one is there too.
  ///
  /// - Parameters:
  ///   - step: optimizer steps done.
  ///   - model: the weights.
  ///   - optimizer: the optimizer's moments and whatever else is as large as the model.
  ///   - state: everything else that is needed to go on; encoded as JSON.
  ///   - isBest: whether it is the best so far.
  /// - Returns: the checkpoint's directory.
  /// - Throws: `FileFailure`, `CheckpointFailure.unencodableState`.
  @discardableResult public func save(
    step: Int, model: [TensorToWrite], optimizer: [TensorToWrite], state: some Encodable & Sendable,
    isBest: Bool
  ) throws -> String {
    precondition(step >= 0, "step is \(step), it can't be negative")
    let path = path(step: step)
    let stateData: Data
    do { stateData = try StateCoding.encode(state) } catch {
      throw CheckpointFailure(path: path, reason: .unencodableState("\(error)"))
    }
    try operations.createDirectory(directory)
    try recover()
    let temporary = "\(directory)/\(Name.temporary(step: step))"
    do {
      try write(to: temporary, step: step, model: model, optimizer: optimizer, stateData: stateData)
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

  private func write(
    to temporary: String, step: Int, model: [TensorToWrite], optimizer: [TensorToWrite], stateData: Data
  ) throws {
    try operations.remove(temporary)
    try operations.createDirectory(temporary)
    var files: [String: CheckpointState.File] = [:]
    for (name, tensors) in [
      (LoadedCheckpoint.FileName.model, model), (LoadedCheckpoint.FileName.optimizer, optimizer),
    ] {
      let file = "\(temporary)/\(name)"
      // "format": "pt" is what readers of the PyTorch world ask for.
      let digest = try SafetensorsFile.write(
        to: file, tensors: tensors, metadata: ["format": "pt"], operations: operations)
      files[name] = .init(bytes: try Self.byteCount(file), digest: digest)
    }
    try DurableFile.write(
      CheckpointState(step: step, files: files, state: stateData).encoded(),
      to: "\(temporary)/\(CheckpointState.fileName)", operations: operations)
  }

  /// Gives a complete directory its name. What had the name before stays under another until that is done.
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

  // MARK: - Tidying

  /// Brings back a checkpoint whose replacement was cut short, and removes what dead processes left behind.
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
      } else if let owner = Name.temporaryOwner(name), !Self.isAlive(owner) {
        try operations.remove(path)
      }
    }
  }

  /// Removes what is older than the newest `keep` checkpoints up to this one, except the best.
  ///
  /// Damaged checkpoints don't count, or they would displace the good ones; neither do those of later steps,
  /// which a run that had to go back to an earlier checkpoint leaves behind until it gets there again.
  private func prune(newest step: Int) throws {
    let older = try steps().filter { $0 < step }.sorted(by: >)
    let best = bestStep()
    var kept = 1
    for old in older {
      if kept >= keep {
        if old != best { try removeCheckpoint(step: old) }
      } else if isPlausible(step: old) {
        kept += 1
      }
    }
  }

  /// Takes the name away first, so that no half-removed checkpoint is ever seen.
  private func removeCheckpoint(step: Int) throws {
    let temporary = "\(directory)/\(Name.temporary(step: step))"
    try operations.remove(temporary)
    try operations.rename(path(step: step), to: temporary)
    try operations.remove(temporary)
  }

  /// Returns whether a checkpoint looks whole without reading its tensors.
  private func isPlausible(step: Int) -> Bool {
    let path = path(step: step)
    guard let state = try? CheckpointState(checkpoint: path), state.step == step else { return false }
    return state.files.allSatisfy { name, file in (try? Self.byteCount("\(path)/\(name)")) == file.bytes }
  }

  private static func isAlive(_ process: pid_t) -> Bool {
    // What this process left behind it left after a failure: it is not writing it now.
    process != getpid() && (kill(process, 0) == 0 || errno == EPERM)
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

  func path(step: Int) -> String { "\(directory)/\(Name.checkpoint(step: step))" }

  func names() throws -> [String] { try operations.names(in: directory) }

  private func bestStep() -> Int? {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/best"))
      .flatMap(Name.checkpointStep)
  }

  /// The names in a store's directory, read and written in this one place.
  enum Name {
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

    static func temporaryOwner(_ name: String) -> pid_t? {
      guard name.hasPrefix("."), let mark = name.range(of: ".tmp-", options: .backwards) else { return nil }
      return pid_t(name[mark.upperBound...])
    }
  }
}
