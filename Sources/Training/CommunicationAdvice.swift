// Separate file: a rule of its own, which tests check without a run.

import Tasks

/// Advice for a run on several hosts whose ranks spend much of a step in sums.
enum CommunicationAdvice {
  /// The share of communication in a step from which on there is advice.
  static let limit = 0.2
  /// The share that the advised interval aims at.
  static let aim = 0.1

  /// The number of local steps at which communication takes a share ``aim`` of the time:
  ///
  ///     H = M (1 − a) / (a c),   M / c = share / (1 − share) · H₀ · (1 + k if H₀ = 1)
  ///
  /// c is the computation of a step, M the communication of an update of all ranks, a the aim, H₀ the present number of local
  /// steps. An update after local steps sums the k moments as well.
  static func localSteps(share: Double, _ training: TrainingConfiguration) -> Int {
    let present = training.reduction.localSteps
    let moments = present == 1 ? training.optimizer.kind.momentNames.count : 0
    let update = share / (1 - share) * Double(present * (1 + moments))
    return Int(min(100_000, (update * (1 - aim) / aim).rounded(.up)))
  }

  /// - Parameter share: the share of communication in the time of a step, from 0 to 1, on the rank that waits the least.
  /// - Returns: nil if communication takes little time.
  static func text(share: Double, _ training: TrainingConfiguration) -> String? {
    guard share > limit, share < 1 else { return nil }
    let reduction = training.reduction
    var cures = ["a larger training.batch_size or training.accumulate"]
    if reduction.wire == .fp32, !training.reproducible { cures.append("training.reduce_precision=bf16") }
    if !training.reproducible, !reduction.shardsOptimizer, !reduction.sharesParameters,
      training.averageDecay == 0
    {
      cures.append("training.local_steps=\(localSteps(share: share, training)), if the loss allows it")
    }
    return """
      communication takes \(Int((100 * share).rounded())) % of a step. To reduce its share: \(cures.joined(separator: "; ")) \
      (docs/SCALING.md)
      """
  }
}
