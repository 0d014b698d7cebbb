import Checkpoints
import Foundation

/// Writes checkpoints on a separate thread from a copy of the tensors, so that a step only waits for a memory copy.
///
/// One checkpoint is written at a time. The memory of the copy is reused for the next one.
final class BackgroundSave: @unchecked Sendable {
  /// The outcome of a save.
  struct Outcome {
    let step: Int
    let seconds: Double
    /// The directory of the checkpoint, or the error of the save.
    let path: Result<String, any Error>
  }

  private let store: CheckpointStore
  private let condition = NSCondition()
  /// Used by the thread while ``isWriting`` is true, otherwise by the trainer.
  private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var isWriting = false
  private var outcome: Outcome?

  init(store: CheckpointStore) { self.store = store }

  deinit { memory.deallocate() }

  /// Copies the tensors and starts to write them. The previous save must have ended.
  ///
  /// - Parameter metadata: the metadata of the weight file.
  func start(
    _ state: TrainingState, model: [TensorToWrite], optimizer: [TensorToWrite], metadata: [String: String]
  ) {
    let tensors = copies(of: model + optimizer)
    let (model, optimizer) = (Array(tensors.prefix(model.count)), Array(tensors.dropFirst(model.count)))
    condition.withLock { isWriting = true }
    // The tensors are views of `memory`, which the trainer doesn't touch before the save has ended.
    nonisolated(unsafe) let content = (model: model, optimizer: optimizer)
    Thread { [self] in
      let clock = ContinuousClock()
      let begin = clock.now
      let path = Result {
        try store.save(
          step: state.step, model: content.model, optimizer: content.optimizer, state: state, isBest: false,
          metadata: metadata)
      }
      condition.withLock {
        outcome = Outcome(step: state.step, seconds: (clock.now - begin) / .seconds(1), path: path)
        isWriting = false
        condition.broadcast()
      }
    }.start()
  }

  /// Whether a save is in progress, or its outcome has not been taken.
  var isPending: Bool { condition.withLock { isWriting || outcome != nil } }

  /// Returns the outcome of the last save once. Returns nil if it was returned before, or if the save is in progress
  /// and `waits` is false.
  func takeOutcome(waits: Bool) -> Outcome? {
    condition.withLock {
      while waits && isWriting { condition.wait() }
      defer { if !isWriting { outcome = nil } }
      return isWriting ? nil : outcome
    }
  }

  private func copies(of tensors: [TensorToWrite]) -> [TensorToWrite] {
    let alignment = 64
    let total = tensors.reduce(0) { $0 + ($1.bytes.count + alignment - 1) / alignment * alignment }
    if memory.count < total {
      memory.deallocate()
      memory = .allocate(byteCount: total, alignment: alignment)
    }
    var offset = 0
    return tensors.map { tensor in
      let place = UnsafeMutableRawBufferPointer(rebasing: memory[offset..<offset + tensor.bytes.count])
      place.copyMemory(from: tensor.bytes)
      offset += (tensor.bytes.count + alignment - 1) / alignment * alignment
      return TensorToWrite(
        name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, bytes: UnsafeRawBufferPointer(place))
    }
  }
}
