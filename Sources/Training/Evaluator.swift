import Communication
import RecurrentNN

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
    guard let sums = try Self.sums(pass, plan: plan, communicator: communicator, until: stops) else {
      return .interrupted
    }
    return .scored(task.result(of: sums), seconds: (clock.now - started).inSeconds)
  }

  private func someoneStops() throws -> Bool {
    var flag = [signals.stop == nil ? 0.0 : 1.0]
    try flag.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
    return flag[0] > 0
  }

  /// Runs over a whole pass. Collective.
  static func sums(
    _ pass: any EvaluationPass, plan: ShardPlan, communicator: any Communicator
  ) throws -> ScoreSums {
    try sums(pass, plan: plan, communicator: communicator, until: { false }) ?? ScoreSums()
  }

  private static func sums(
    _ pass: any EvaluationPass, plan: ShardPlan, communicator: any Communicator,
    until stops: () throws -> Bool
  ) throws -> ScoreSums? {
    var perShard = [ScoreSums](repeating: ScoreSums(), count: plan.own.count)
    for piece in 0..<pass.pieces {
      for (index, shard) in plan.own.enumerated() {
        perShard[index] += try pass.score(piece: piece, shard: shard)
      }
      if try stops() { return nil }
    }
    return try add(perShard, communicator)
  }

  /// Adds the shards' sums in the order of the shards: the same bits whichever ranks computed them, because
  /// every rank receives all of them and adds them itself.
  private static func add(_ own: [ScoreSums], _ communicator: any Communicator) throws -> ScoreSums {
    var total = ScoreSums()
    for part in try communicator.allgather(own.flatMap(\.bytes)) {
      var rest = part[...]
      while !rest.isEmpty { total += ScoreSums(consuming: &rest) }
    }
    return total
  }
}
