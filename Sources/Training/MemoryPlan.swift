// Separate file: both the trainer and the benchmarks report it.

import Glibc
import Optimizers
import Parameters
import RecurrentNN

/// The memory of a rank for training, in bytes. It is known before the first step, because the trainer has run the
/// largest batch once.
public struct MemoryPlan: Sendable, Equatable {
  /// The parameters, or this rank's share of a copy that the ranks on its host share.
  public var parameters: Int
  public var gradients: Int
  /// The optimizer's moments and, if there are any, the moving average of the weights and what local steps keep.
  public var optimizer: Int
  /// Packed copies of weights, in the order in which matrix products read them.
  public var packedWeights: Int
  /// Activations and scratch memory of a step.
  public var activations: Int

  public var total: Int { parameters + gradients + optimizer + packedWeights + activations }

  /// - Parameters:
  ///   - count: number of parameters.
  ///   - sharers: number of ranks that share one copy of the parameters.
  ///   - optimizer: with its moments, or the part of them that this rank has.
  ///   - copies: additional buffers of `count` numbers that belong to the update.
  package init(
    parameters count: Int, sharers: Int, optimizer: Optimizer<Float>, copies: Int,
    _ workspace: Workspace<Float>
  ) {
    let bytes = count * MemoryLayout<Float>.stride
    parameters = bytes / sharers
    gradients = bytes
    self.optimizer =
      optimizer.moments.count * optimizer.part.count * MemoryLayout<Float>.stride + copies * bytes
    packedWeights = workspace.packedBytes
    activations = workspace.arena.capacityInBytes
  }
}

/// The memory of this process.
public enum ProcessMemory {
  /// The peak resident memory so far, in MiB.
  public static var peakMiB: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1024
  }
}
