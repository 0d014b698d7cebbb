import Communication
import RecurrentNN

/// Adds up the sums of a pass over all pieces, shards and ranks.
package enum EvaluationSums {
  /// Runs over a whole pass. Collective.
  package static func of(
    _ pass: any EvaluationPass, plan: ShardPlan, communicator: any Communicator
  ) throws -> ScoreSums {
    try of(pass, plan: plan, communicator: communicator, until: { false }) ?? ScoreSums()
  }

  package static func of(
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
