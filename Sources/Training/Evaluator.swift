import Communication
import RecurrentNN
import Tasks

/// Scores held-out data on all ranks together, each sample once.
struct Evaluator {
  let task: any TrainingTask
  let plan: ShardPlan
  let communicator: any Communicator
  let signals: StopSignals

  enum Outcome: Equatable {
    case scored(EvaluationResult, seconds: Double)
    /// The configuration names no such data.
    case noData
    /// A rank was asked to stop.
    case interrupted
  }

  /// Runs over a split. Collective.
  ///
  /// - Parameter stopsForSignals: look for a stop request on any rank between two pieces.
  func score(_ split: DataSplit, stopsForSignals: Bool) throws -> Outcome {
    guard let pass = task.evaluationPass(split) else { return .noData }
    let clock = ContinuousClock()
    let started = clock.now
    let stops = { try stopsForSignals && someoneStops() }
    guard let sums = try EvaluationSums.of(pass, plan: plan, communicator: communicator, until: stops) else {
      return .interrupted
    }
    return .scored(task.result(of: sums), seconds: (clock.now - started).inSeconds)
  }

  private func someoneStops() throws -> Bool {
    var flag = [signals.stop == nil ? 0.0 : 1.0]
    try flag.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
    return flag[0] > 0
  }
}
