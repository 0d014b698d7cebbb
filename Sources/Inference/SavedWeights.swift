import Checkpoints
import Configuration
import NumericKernels
import Parameters
import RecurrentNN
import RunLog
import Tasks

/// The choice among the checkpoints of a run.
public enum CheckpointChoice: Sendable, Hashable {
  /// The best by validation metric, or the last if there was no evaluation.
  case best
  case last
  case step(Int)
  /// The mean of the weights of the newest checkpoints, up to this number.
  case average(Int)
}

/// The weights of a checkpoint, or the mean of several.
struct SavedWeights {
  private let checkpoints: [LoadedCheckpoint]
  /// The newest checkpoint among them.
  private let newest: LoadedCheckpoint
  /// The steps of all averaged checkpoints; empty if a single checkpoint is used.
  let averagedSteps: [Int]

  /// Chooses and verifies the checkpoints. Throws the errors of Checkpoints, and
  /// ``TrainingFailure/unusableRun(path:problem:)``.
  init(of run: RunPaths, _ choice: CheckpointChoice) throws {
    let store = CheckpointStore(directory: run.checkpoints, keep: 1)
    var averagedSteps: [Int] = []
    switch choice {
    case .best:
      newest = try store.loadBest() ?? Self.newest(of: store, run)
      checkpoints = [newest]
    case .last:
      newest = try Self.newest(of: store, run)
      checkpoints = [newest]
    case .step(let step):
      newest = try store.load(step: step)
      checkpoints = [newest]
    case .average(let count):
      let steps = try store.steps().suffix(max(1, count))
      checkpoints = try steps.map { try store.load(step: $0) }
      averagedSteps = checkpoints.map(\.step)
      guard let last = checkpoints.last else { throw Self.nothing(in: run) }
      newest = last
    }
    self.averagedSteps = averagedSteps
  }

  private static func newest(of store: CheckpointStore, _ run: RunPaths) throws -> LoadedCheckpoint {
    guard let newest = try store.loadNewestValid() else { throw nothing(in: run) }
    return newest
  }

  private static func nothing(in run: RunPaths) -> TrainingFailure {
    .unusableRun(
      path: run.root,
      problem: "has no checkpoint yet: wait for the first, or train with checkpoint.every_steps set")
  }

  /// Throws ``TrainingFailure/unfittingCheckpoint(path:problem:)`` if the weights were trained for a different function
  /// than that of the configuration. A different forget bias, for example, is not visible in names and shapes.
  func requireFunction(of configuration: RunConfiguration) throws(TrainingFailure) {
    for checkpoint in checkpoints {
      guard let difference = configuration.modelDifference(from: checkpoint.model.metadata) else { continue }
      throw .unfittingCheckpoint(
        path: checkpoint.model.path,
        problem:
          "was trained with \(difference.key) \(difference.recorded), config.yaml says \(difference.own)")
    }
  }

  var step: Int { newest.step }
  var path: String { newest.path }
  var rejected: [RejectedCheckpoint] { newest.rejected }

  /// Returns the parameters of a layout.
  ///
  /// Throws ``TrainingFailure/unfittingCheckpoint(path:problem:)`` if the weights do not match the settings.
  func parameters(of layout: ParameterLayout) throws -> ParameterBuffer<Float> {
    // Checked before memory is allocated, because settings and file may disagree about the size of the model.
    for checkpoint in checkpoints {
      do {
        try layout.requireFit(of: checkpoint.model)
      } catch {
        throw TrainingFailure.unfittingCheckpoint(path: error.path, problem: error.explanation)
      }
    }
    try ModelMemory.require(layout, copies: checkpoints.count > 1 ? 2 : 1)
    let sum = ParameterBuffer<Float>(layout)
    let part = checkpoints.count > 1 ? ParameterBuffer<Float>(layout) : sum
    for checkpoint in checkpoints {
      try part.read(checkpoint.model)
      guard part !== sum,
        let (from, to) = part.elements.baseAddress.flatMap({ p in sum.elements.baseAddress.map { (p, $0) } })
      else { continue }
      withExtendedLifetime((part, sum)) {
        to.addScaled(1 / Float(checkpoints.count), from, count: sum.count)
      }
    }
    sum.didChange()
    return sum
  }
}

extension ParameterSource {
  /// The weights of a checkpoint.
  static func saved(_ weights: SavedWeights) -> ParameterSource {
    ParameterSource { layout, _ in try weights.parameters(of: layout) }
  }
}
