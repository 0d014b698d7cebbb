import Foundation

/// The maximum time that the ranks of a job may wait for each other in one collective, in seconds.
///
/// The variable `RNN_DIST_WATCHDOG` changes limits (`step=30,save=1800`) or switches the watchdog off (`off`).
public struct WatchLimits: Sendable, Equatable {
  public static let variable = "RNN_DIST_WATCHDOG"

  /// The time within which all ranks must have started.
  public var start = 120.0
  public var data = 600.0
  /// The smallest limit of a training step. The limit follows the measured duration of steps, see `limit(_:typicalStep:)`.
  public var step = 15.0
  public var evaluation = 300.0
  public var save = 600.0
  public var end = 600.0

  /// The limit of a training step is at least this many typical steps.
  static let typicalSteps = 20.0
  /// The limit of the first steps is this many times the smallest limit, because their duration isn't known yet.
  static let firstSteps = 4.0
  /// A rank that is computing, and neither stopped nor asleep, may be late by this many times the limit.
  static let patienceWithWork = 10.0

  public init() {}

  /// Parses the value of the variable; returns nil if the watchdog is off. Throws `WatchLimitsError`.
  public init?(_ text: String?) throws {
    let text = text ?? ""
    if text == "off" { return nil }
    guard !text.isEmpty else { return }
    var named: Set<String> = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let sides = part.split(separator: "=", maxSplits: 1).map(String.init)
      guard sides.count == 2, let key = Self.keys[sides[0]], let seconds = Double(sides[1]),
        seconds >= 0.1, seconds <= 1e6
      else { throw WatchLimitsError(part: String(part)) }
      guard named.insert(sides[0]).inserted else {
        throw WatchLimitsError(part: String(part), isRepeated: true)
      }
      self[keyPath: key] = seconds
    }
  }

  private nonisolated(unsafe) static let keys: [String: WritableKeyPath<WatchLimits, Double>] = [
    "start": \.start, "data": \.data, "step": \.step, "evaluation": \.evaluation, "save": \.save,
    "end": \.end,
  ]

  /// Returns the time that a rank may wait in one collective.
  ///
  /// - Parameter typicalStep: the duration of a training step, nil while it is unknown.
  func limit(_ phase: JobPhase, typicalStep: Double?) -> Double {
    switch phase {
    case .start: start
    case .data: data
    case .step: typicalStep.map { max(step, Self.typicalSteps * $0) } ?? Self.firstSteps * step
    case .evaluation: evaluation
    case .save: save
    case .end: end
    }
  }
}

/// The variable of the watchdog can't be parsed.
public struct WatchLimitsError: Error, Sendable, Equatable, CustomStringConvertible, ExitCoded {
  public let part: String
  /// Whether the limit was named before.
  public var isRepeated = false

  /// The exit code for wrong usage.
  public var exitCode: Int32 { 64 }

  public var description: String {
    if isRepeated {
      return "\(WatchLimits.variable): '\(part)' names a limit for the second time; remove one of them"
    }
    return
      "\(WatchLimits.variable): '\(part)' is not a limit; write off, or some of start, data, step, evaluation, save and end "
      + "with seconds from 0.1 to 1000000, such as step=30,save=1800"
  }
}
