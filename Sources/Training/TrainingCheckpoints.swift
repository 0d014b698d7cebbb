import Checkpoints
import Communication
import Optimizers
import Parameters
import Tasks

/// Saves and restores a run. Rank 0 reads and writes, and every rank receives the same bits.
final class TrainingCheckpoints {
  private let store: CheckpointStore?
  /// Writes the checkpoints whose outcome does not affect the run; nil: training waits for every checkpoint.
  private let background: BackgroundSave?
  private let task: any TrainingTask
  private let step: TrainingStep
  private let average: WeightAverage?
  /// The metadata for weight files.
  private let metadata: [String: String]
  private let communicator: any Communicator

  /// - Parameter background: whether a separate thread writes the checkpoints.
  init(
    store: CheckpointStore?, background: Bool, task: any TrainingTask, step: TrainingStep,
    average: WeightAverage?, metadata: [String: String], communicator: any Communicator
  ) {
    self.average = average
    self.metadata = metadata
    self.store = store
    self.background = background ? store.map { BackgroundSave(store: $0) } : nil
    self.task = task
    self.step = step
    self.communicator = communicator
  }

  // MARK: Saving

  /// Writes a checkpoint. Returns whether it was written, or whether the background thread has started to write it
  /// (collective).
  ///
  /// Training always waits for the best and the last checkpoint, because the state of the run depends on their success.
  ///
  /// - Parameters:
  ///   - required: whether an error on rank 0 is thrown on all ranks instead of reported, because there is no later
  ///     attempt.
  ///   - isPostponed: skips the write, because rank 0 failed to write a short time ago.
  @discardableResult
  func save(
    _ state: TrainingState, isBest: Bool, required: Bool, isPostponed: Bool = false,
    _ observer: (any TrainingObserver)?
  ) throws -> Bool {
    communicator.enter(.save, step: state.step)
    let carried = try task.carriedState.gather(communicator)
    try requireEqualReplicas()
    let moments = WholeMoments(of: step.optimizer, parts: step.momentParts, communicator)
    try moments.gather()
    // The tensors to write point into memory of the moments.
    return try withExtendedLifetime(moments) {
      try save(
        state, optimizerTensors(moments) + carried, isBest: isBest, required: required,
        isPostponed: isPostponed, observer)
    }
  }

  /// - Parameter tensors: those of the file of the optimizer, on rank 0.
  private func save(
    _ state: TrainingState, _ tensors: [TensorToWrite], isBest: Bool, required: Bool, isPostponed: Bool,
    _ observer: (any TrainingObserver)?
  ) throws -> Bool {
    reportBackgroundSave(waits: true, observer)
    guard required else {
      if let background, !isBest, !isPostponed, communicator.rank == 0 {
        background.start(
          state, model: modelTensors, optimizer: tensors, metadata: metadata)
        return try communicator.allgather([1])[0] == [1]
      }
      let failure = isPostponed ? nil : write(state, tensors, isBest: isBest, observer)
      if let failure { observer?.handle(.saveFailed(step: state.step, reason: "\(failure)")) }
      // Every rank needs the outcome, because the best step of the run depends on it.
      return try communicator.allgather([failure == nil && !isPostponed ? 1 : 0])[0] == [1]
    }
    try communicator.agree {
      if let error = write(state, tensors, isBest: isBest, observer) {
        throw TrainingFailure.notSaved("\(error)")
      }
    }
    return true
  }

  /// Whether a save on the background thread is in progress, or its outcome has not been reported.
  var isBackgroundSavePending: Bool { background?.isPending ?? false }

  /// Reports the outcome of a background save that has ended. Returns whether it failed, or nil if no save has ended.
  ///
  /// - Parameter waits: whether to wait for a save in progress.
  @discardableResult
  func reportBackgroundSave(waits: Bool, _ observer: (any TrainingObserver)?) -> Bool? {
    guard let outcome = background?.takeOutcome(waits: waits) else { return nil }
    switch outcome.path {
    case .success(let path):
      observer?.handle(.saved(step: outcome.step, path: path, seconds: outcome.seconds))
      return false
    case .failure(let error):
      observer?.handle(.saveFailed(step: outcome.step, reason: "\(error)"))
      return true
    }
  }

  /// Throws if the parameters of the ranks differ by a bit. Called before every checkpoint.
  private func requireEqualReplicas() throws {
    guard communicator.worldSize > 1 else { return }
    try communicator.allEqual(
      withUnsafeBytes(of: task.parameters.digest.littleEndian, Array.init),
      what: "the parameters after the last update")
  }

  private func write(
    _ state: TrainingState, _ tensors: [TensorToWrite], isBest: Bool, _ observer: (any TrainingObserver)?
  ) -> (any Error)? {
    guard communicator.rank == 0, let store else { return nil }
    let clock = ContinuousClock()
    let started = clock.now
    do {
      let path = try store.save(
        step: state.step, model: modelTensors, optimizer: tensors, state: state,
        isBest: isBest, metadata: metadata)
      observer?.handle(.saved(step: state.step, path: path, seconds: (clock.now - started) / .seconds(1)))
      return nil
    } catch {
      return error
    }
  }

  /// The weights under the names of PyTorch. A tied weight has both of its names, as in a state dictionary, so that the
  /// PyTorch module loads the file strictly.
  private var modelTensors: [TensorToWrite] {
    let layout = task.parameters.layout
    return (layout.parameters.map { ($0.name, $0) } + layout.aliases.map { ($0.name, $0.parameter) }).map {
      name, parameter in
      TensorToWrite(name: name, shape: parameter.shape, floats: values(of: parameter))
    }
  }

  /// The values to save as the model: the average of the weights if there is one.
  private func values(of parameter: Parameter) -> UnsafeBufferPointer<Float> {
    guard let average else { return UnsafeBufferPointer(task.parameters.elements(parameter)) }
    return UnsafeBufferPointer(rebasing: average.values.elements[parameter.range])
  }

  /// The buffers in the file of the optimizer, with the names that come before those of the parameters: the moments; the weights that
  /// training continues with, if those of the model are their average; the momentum of the updates after local steps.
  private func buffers(_ moments: WholeMoments) -> [(name: String, buffer: UnsafeMutableBufferPointer<Float>)]
  {
    var buffers = moments.all
    if average != nil { buffers.append(("weights", task.parameters.elements)) }
    if let outer = step.outerUpdate { buffers.append(("outer_momentum", outer.momentum.elements)) }
    return buffers
  }

  private func optimizerTensors(_ moments: WholeMoments) -> [TensorToWrite] {
    guard communicator.rank == 0 else { return [] }
    return buffers(moments).flatMap { name, buffer in
      task.parameters.layout.parameters.map { parameter in
        TensorToWrite(
          name: Self.momentName(name, parameter), shape: parameter.shape,
          floats: UnsafeBufferPointer(rebasing: buffer[parameter.range]))
      }
    }
  }

  private static func momentName(_ moment: String, _ parameter: Parameter) -> String {
    "\(moment).\(parameter.name)"
  }

  // MARK: Restoring

  /// A checkpoint that ``restore(expecting:)`` has read.
  struct Restored {
    let state: TrainingState
    let path: String
    let rejected: [String]
  }

  /// Restores the newest checkpoint that passes verification; returns nil if there is none (collective). Rank 0 reads
  /// and broadcasts, so that other hosts need not see its disk.
  func restore(expecting identity: RunIdentity) throws -> Restored? {
    var found: (restored: Restored, carried: [[Float]])?
    let moments = WholeMoments(of: step.optimizer, parts: step.momentParts, communicator)
    try communicator.agree {
      guard communicator.rank == 0, let checkpoint = try store?.loadNewestValid() else { return }
      let state: TrainingState
      do { state = try checkpoint.state() } catch {
        // SGD without momentum has no tensors either, but an import is at step 0.
        guard checkpoint.step == 0, checkpoint.optimizer.tensors.isEmpty else { throw error }
        throw TrainingFailure.onlyWeights(path: checkpoint.path)
      }
      try identity.requireSame(as: state.identity)
      let rejected = checkpoint.rejected.map { "\($0)" }
      found = (
        Restored(state: state, path: checkpoint.path, rejected: rejected),
        try readTensors(of: checkpoint, moments)
      )
    }
    guard let text = try broadcast(found.map { try ExactJSON.encode($0.restored.state) } ?? []) else {
      return nil
    }
    let state = try ExactJSON.decode(TrainingState.self, from: text)
    // Ranks that share one copy of the parameters all write the same bits.
    try broadcastBits(task.parameters.elements)
    if let average { try broadcastBits(average.values.elements) }
    if let outer = step.outerUpdate {
      try broadcastBits(outer.momentum.elements)
      outer.begin(at: task.parameters)
    }
    try moments.scatter()
    var carried =
      found?.carried ?? task.carriedState.shapes.map { [Float](repeating: 0, count: $0.shape.reduce(1, *)) }
    for index in carried.indices {
      try carried[index].withUnsafeMutableBufferPointer { try broadcastBits($0) }
    }
    task.carriedState.restore(carried)
    task.parameters.didChange()
    step.optimizer.updates = state.optimizerUpdates
    return found?.restored ?? Restored(state: state, path: "", rejected: [])
  }

  private func readTensors(of checkpoint: LoadedCheckpoint, _ moments: WholeMoments) throws -> [[Float]] {
    let model = average?.values.elements ?? task.parameters.elements
    for parameter in task.parameters.layout.parameters {
      func read(_ name: String, of file: SafetensorsFile, into buffer: UnsafeMutableBufferPointer<Float>)
        throws
      {
        try self.read(
          name, parameter.shape, of: file, into: UnsafeMutableBufferPointer(rebasing: buffer[parameter.range])
        )
      }
      try read(parameter.name, of: checkpoint.model, into: model)
      for (name, buffer) in buffers(moments) {
        try read(Self.momentName(name, parameter), of: checkpoint.optimizer, into: buffer)
      }
    }
    return try task.carriedState.shapes.map { entry in
      var values = [Float](repeating: 0, count: entry.shape.reduce(1, *))
      try values.withUnsafeMutableBufferPointer {
        try read(entry.name, entry.shape, of: checkpoint.optimizer, into: $0)
      }
      return values
    }
  }

  private func read(
    _ name: String, _ shape: [Int], of file: SafetensorsFile, into values: UnsafeMutableBufferPointer<Float>
  ) throws {
    guard let info = file.tensors[name], info.shape == shape, info.dtype == .float32 else {
      throw TrainingFailure.unfittingCheckpoint(path: file.path, problem: "has no \(name) of shape \(shape)")
    }
    try file.read(name, into: UnsafeMutableRawBufferPointer(values))
  }

  private func broadcastBits(_ values: UnsafeMutableBufferPointer<Float>) throws {
    try communicator.broadcast(UnsafeMutableRawBufferPointer(values), from: 0)
  }

  /// Returns rank 0's bytes on every rank; nil if rank 0 has none.
  private func broadcast(_ bytes: [UInt8]) throws -> [UInt8]? {
    let all = try communicator.allgather(communicator.rank == 0 ? bytes : [])
    return all[0].isEmpty ? nil : all[0]
  }
}
