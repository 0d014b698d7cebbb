import Foundation
import Options

/// The learning rate as a pure function of the position in the run; only `plateau` has a state to save.
public struct Schedule: Options {
  /// How the rate changes after the warm-up. Each formula is the factor on the base rate.
  public enum Kind: String, OptionChoice {
    /// 1
    case constant
    /// factor^epoch, with epochs counted from 0
    case exponential
    /// factor^max(epoch + 1 − startEpoch, 0): 1 in the first `startEpoch` epochs, then `factor` smaller in
    /// each
    case step
    /// the factor of `PlateauState`, multiplied by `factor` whenever the metric has not improved for `patience`
    /// evaluations
    case plateau
    /// √(w / max(step + 1, w)) with w = max(warmupSteps, 1).  A. Vaswani et al., NIPS 2017, section 5.3.
    case inverseSqrt = "inverse-sqrt"
    /// minimum + (1 − minimum)·(1 + cos πx)/2, x rising from 0 after the warm-up to 1 at `totalSteps`.
    /// I. Loshchilov and F. Hutter, ICLR 2017, equation 5.
    case cosine
  }

  public var kind = Kind.constant
  /// The length of the warm-up in updates. In it, the rate is also multiplied by (step + 1) / warmupSteps, with every
  /// kind.
  public var warmupSteps = 0
  /// The number of epochs at the base rate, for `step`.
  public var startEpoch = 1
  /// The factor of a reduction, for `exponential`, `step` and `plateau`.
  public var factor = 0.5
  /// The number of evaluations without an improvement before a reduction, at least 1, for `plateau`.
  public var patience = 1
  /// The lower bound of the factor on the base rate, before the warm-up is applied.
  public var minimum = 0.0

  public init() {}

  public init(
    kind: Kind, warmupSteps: Int = 0, startEpoch: Int = 1, factor: Double = 0.5, patience: Int = 1,
    minimum: Double = 0
  ) {
    self.kind = kind
    self.warmupSteps = warmupSteps
    self.startEpoch = startEpoch
    self.factor = factor
    self.patience = patience
    self.minimum = minimum
  }

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.warmupSteps, .atLeast(0))
    checks.bound(\.startEpoch, .atLeast(1))
    checks.bound(\.factor, .above(0, to: 1))
    checks.bound(\.patience, .atLeast(1))
    checks.bound(\.minimum, .from(0, below: 1))
    checks.read(\.startEpoch, if: \.kind, isOneOf: [.step])
    checks.read(\.factor, if: \.kind, isOneOf: [.exponential, .step, .plateau])
    checks.read(\.patience, if: \.kind, isOneOf: [.plateau])
    checks.read(\.minimum, if: \.kind, isOneOf: Kind.allCases.filter { $0 != .constant })
  }

  /// The learning rate of one update.
  ///
  /// - Parameters:
  ///   - base: the configured learning rate.
  ///   - step: the number of updates before this one.
  ///   - epoch: the number of epochs completed before this one.
  ///   - totalSteps: the number of updates of the whole run, at which `cosine` ends.
  ///   - state: the state of `plateau`; other kinds ignore it.
  public func rate(base: Double, step: Int, epoch: Int, totalSteps: Int, state: PlateauState = PlateauState())
    -> Double
  {
    let decayed = max(decay(step: step, epoch: epoch, totalSteps: totalSteps, state: state), minimum)
    let warmup = step < warmupSteps ? Double(step + 1) / Double(warmupSteps) : 1
    return base * decayed * warmup
  }

  private func decay(step: Int, epoch: Int, totalSteps: Int, state: PlateauState) -> Double {
    switch kind {
    case .constant:
      return 1
    case .exponential:
      return pow(factor, Double(epoch))
    case .step:
      return pow(factor, Double(max(epoch + 1 - startEpoch, 0)))
    case .plateau:
      return state.factor
    case .inverseSqrt:
      let start = Double(max(warmupSteps, 1))
      return (start / max(Double(step + 1), start)).squareRoot()
    case .cosine:
      let length = Double(max(totalSteps - warmupSteps, 1))
      let progress = min(max(Double(step - warmupSteps) / length, 0), 1)
      return minimum + (1 - minimum) * 0.5 * (1 + cos(.pi * progress))
    }
  }
}

/// The state of the `plateau` schedule, which depends on past evaluations; part of a checkpoint.
public struct PlateauState: Sendable, Codable, Equatable {
  /// The lowest metric so far.
  public private(set) var best: Double?
  /// The number of evaluations since then, or since the last reduction.
  public private(set) var evaluationsWithoutImprovement = 0
  /// The factor on the base rate.
  public private(set) var factor = 1.0

  public init() {}

  /// Updates the state after an evaluation whose metric is better when lower. A metric that isn't finite doesn't count
  /// as an improvement.
  ///
  /// - Returns: whether the rate was reduced.
  @discardableResult
  public mutating func observe(metric: Double, schedule: Schedule) -> Bool {
    if metric.isFinite, metric < best ?? .infinity {
      best = metric
      evaluationsWithoutImprovement = 0
      return false
    }
    evaluationsWithoutImprovement += 1
    guard schedule.kind == .plateau, evaluationsWithoutImprovement >= schedule.patience else { return false }
    evaluationsWithoutImprovement = 0
    factor *= schedule.factor
    return true
  }
}
