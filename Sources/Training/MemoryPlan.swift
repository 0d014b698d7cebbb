// Its own file: the trainer and the benchmarks report it.

import Glibc
import Parameters
import RecurrentNN

/// The memory of a rank for training, in bytes. It is known before the first step, because the largest batch was rehearsed.
public struct MemoryPlan: Sendable, Equatable {
  public var parameters: Int
  public var gradients: Int
  /// The optimizer's moments and, if there is one, the moving average of the weights.
  public var optimizer: Int
  /// Packed copies of weights, in the order in which products read them.
  public var packedWeights: Int
  /// Activations and scratch memory of a step.
  public var activations: Int

  public var total: Int { parameters + gradients + optimizer + packedWeights + activations }

  /// - Parameters:
  ///   - count: number of parameters.
  ///   - copies: buffers of `count` numbers that belong to the optimizer.
  package init(parameters count: Int, optimizerCopies copies: Int, _ workspace: Workspace<Float>) {
    let bytes = count * MemoryLayout<Float>.stride
    parameters = bytes
    gradients = bytes
    optimizer = copies * bytes
    packedWeights = workspace.packedBytes
    activations = workspace.arena.capacityInBytes
  }
}

/// Memory of this process.
public enum ProcessMemory {
  /// Peak resident memory so far, MiB.
  public static var peakMiB: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1024
  }
}
