// Separate file: a rule of its own, which tests check without a run.

import Tasks

/// Advice for ranks on several hosts that spend much of a step in sums.
package enum CommunicationAdvice {
  /// Above this share of communication in a step, advice is given.
  static let limit = 0.2
  /// The share that the advised interval aims at.
  static let aim = 0.1

  /// The number of local steps H at which communication takes a share a, the ``aim``, of the time:
  ///
  ///     (M / H) / (c + M / H) = a,   H = M / c · (1 − a) / a
  ///
  /// - Parameter update: M / c, the communication of an outer update over the computation of a step.
  package static func localSteps(update: Double) -> Int {
    Int(min(100_000, max(1, (update * (1 - aim) / aim).rounded(.up))))
  }

  /// The same for a run in which communication takes a share of the time:
  ///
  ///     M / c = share / (1 − share) · (H₀ = 1 ? (1 + k) / d : H₀)
  ///
  /// H₀ is the present number of local steps, d the share of the gradient that a step sums. An update after local steps sums all
  /// elements, and those of the k moments as well.
  static func localSteps(share: Double, density: Double, _ training: TrainingConfiguration) -> Int {
    let present = training.reduction.localSteps
    let vectors = Double(1 + training.optimizer.kind.momentNames.count) / density
    return localSteps(update: share / (1 - share) * (present == 1 ? vectors : Double(present)))
  }

  /// - Parameters:
  ///   - share: the share of communication in the time of a step, from 0 to 1, on the rank that waits the least.
  ///   - density: the share of the gradient's elements that a step sums, above 0: rows of tables that no batch has touched are
  ///     left out.
  /// - Returns: nil if communication takes little time.
  static func text(share: Double, density: Double, _ training: TrainingConfiguration) -> String? {
    guard share > limit, share < 1 else { return nil }
    let reduction = training.reduction
    let size = training.batchTokens == nil ? "training.batch_size" : "training.batch_tokens"
    var cures = ["a larger \(size) or training.accumulate"]
    if reduction.wire == .fp32, !training.reproducible { cures.append("training.reduce_precision=bf16") }
    if !training.reproducible, !reduction.shardsOptimizer, !reduction.sharesParameters,
      training.averageDecay == 0
    {
      let steps = localSteps(share: share, density: density, training)
      cures.append("training.local_steps=\(steps), if the loss allows it")
    }
    return """
      communication takes \(Int((100 * share).rounded())) % of a step. To reduce its share: \(cures.joined(separator: "; ")) \
      (docs/SCALING.md)
      """
  }
}
