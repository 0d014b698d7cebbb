import NumericKernels
import Optimizers
import Parameters
import RecurrentNN
import Tasks

/// The outer update: the one of all ranks together after several steps that each rank has made by itself (A. Douillard et al., "DiLoCo:
/// Distributed Low-Communication Training of Language Models", 2023): a Nesterov step along the mean change of the parameters.
///
///     δ = θ − (1/p) Σᵣ θᵣ,   m ← μ m + δ,   θ ← θ − η (δ + μ m)
///
/// θ are the parameters after the last such update and θᵣ those of rank r now. The paper has η = 0.7 and μ = 0.9
/// for 500 local steps; the default μ = 0.5 is better after 8 to 64 (docs/SCALING.md). If the changes of consecutive updates are
/// alike, their steps add up to η / (1 − μ) times each change.
/// The optimizer's moments become the mean of those of the ranks, which the paper leaves different: so all ranks are equal after
/// the update, and a checkpoint depends neither on their number nor on when it is written. Every rank computes the same bits from
/// the same sums.
final class OuterUpdate {
  /// θ, [N].
  private let start: AlignedBuffer<Float>
  /// m, [N]: part of a checkpoint.
  let momentum: AlignedBuffer<Float>
  private let gradients: GradientReduction
  private let ranks: Int
  /// η and μ.
  private let (rate, decay): (Float, Float)

  /// - Parameters:
  ///   - gradients: its memory holds the sums. The optimizer has read the gradient by then.
  ///   - ranks: p.
  init(count: Int, gradients: GradientReduction, ranks: Int, _ reduction: ReductionOptions) {
    (rate, decay) = (Float(reduction.outerLearningRate), Float(reduction.outerMomentum))
    start = AlignedBuffer(count: count)
    momentum = AlignedBuffer(count: count)
    self.gradients = gradients
    self.ranks = ranks
  }

  /// Begins at parameters that are the same on all ranks.
  func begin(at parameters: ParameterBuffer<Float>) {
    _ = start.elements.update(fromContentsOf: UnsafeBufferPointer(parameters.elements))
  }

  /// Gives all ranks the same parameters and moments. Collective.
  func apply(
    to parameters: ParameterBuffer<Float>, _ optimizer: Optimizer<Float>, _ workspace: Workspace<Float>
  ) throws {
    let (values, sum) = (parameters.elements, gradients.total.elements)
    for index in values.indices { sum[index] = start.elements[index] - values[index] }
    try gradients.sumAll()
    let (share, rate, decay) = (1 / Float(ranks), self.rate, self.decay)
    let (origin, velocity) = (start.elements, momentum.elements)
    workspace.forEachBlock(of: parameters) { block in
      for index in block {
        let difference = sum[index] * share
        velocity[index] = decay * velocity[index] + difference
        origin[index] -= rate * (difference + decay * velocity[index])
        values[index] = origin[index]
      }
    }
    for moment in optimizer.moments {
      _ = sum.update(fromContentsOf: moment.buffer)
      try gradients.sumAll()
      for index in moment.buffer.indices { moment.buffer[index] = sum[index] * share }
    }
  }
}
