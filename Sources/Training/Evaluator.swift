import Communication
import RecurrentNN

/// Scores held-out data on all ranks together, each sample once.
struct Evaluator {
  let task: any TrainingTask
  let plan: ShardPlan
  let communicator: any Communicator
  let signals: StopSignals

  enum Outcome: Equatable {
    case scored(LossSum, seconds: Double)
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
    guard let loss = try Self.score(pass, plan: plan, communicator: communicator, until: stops) else {
      return .interrupted
    }
    return .scored(loss, seconds: (clock.now - started).inSeconds)
  }

  private func someoneStops() throws -> Bool {
    var flag = [signals.stop == nil ? 0.0 : 1.0]
    try flag.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
    return flag[0] > 0
  }

  /// Runs over a whole pass. Collective.
  static func score(
    _ pass: any EvaluationPass, plan: ShardPlan, communicator: any Communicator
  ) throws -> LossSum {
    try score(pass, plan: plan, communicator: communicator, until: { false }) ?? LossSum()
  }

  private static func score(
    _ pass: any EvaluationPass, plan: ShardPlan, communicator: any Communicator,
    until stops: () throws -> Bool
  ) throws -> LossSum? {
    var perShard = [LossSum](repeating: LossSum(), count: plan.own.count)
    for piece in 0..<pass.pieces {
      for (index, shard) in plan.own.enumerated() {
        perShard[index] += try pass.loss(piece: piece, shard: shard)
      }
      if try stops() { return nil }
    }
    return try sum(perShard, communicator)
  }

  /// Adds the shards' losses in the order of the shards: the same bits whichever ranks computed them, because
  /// every rank receives all of them and adds them itself.
  private static func sum(_ own: [LossSum], _ communicator: any Communicator) throws -> LossSum {
    let bytes = own.flatMap { loss in
      withUnsafeBytes(of: loss.total.bitPattern.littleEndian, Array.init)
        + withUnsafeBytes(of: UInt64(loss.tokens).littleEndian, Array.init)
    }
    var total = LossSum()
    for part in try communicator.allgather(bytes) {
      for offset in stride(from: 0, to: part.count, by: 16) {
        total += LossSum(
          total: Double(bitPattern: word(part, at: offset)), tokens: Int(word(part, at: offset + 8)))
      }
    }
    return total
  }

  private static func word(_ bytes: [UInt8], at offset: Int) -> UInt64 {
    bytes[offset..<offset + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
