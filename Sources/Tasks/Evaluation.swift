import Communication
import Datasets
import RecurrentNN

/// A pass over data, split into pieces so that a signal can end it between two of them.
package protocol EvaluationPass: AnyObject {
  /// Number of pieces: the same on every rank.
  var pieces: Int { get }
  /// Returns the sums of one shard of a piece. Pieces are scored in order.
  func score(piece: Int, shard: Int) throws -> ScoreSums
}

/// A pass of a learner over data. It computes the loss of every batch first and then, if outputs are compared, the
/// outputs.
package final class LearnerEvaluation<L: Learner>: EvaluationPass {
  private let learner: L
  private let data: L.Data
  private let plan: ShardPlan
  private let workspace: Workspace<Float>
  private let batches: L.Data.Batches
  private let state: CarriedState
  /// Number of examples of all batches.
  private let examples: Int
  /// Batches of groups. The examples of a group share a source, and one output is compared with all their targets.
  private var compared: [[ArraySlice<Int32>]] = []

  /// - Parameters:
  ///   - comparesOutputs: whether outputs are compared with their references as well.
  ///   - limit: the number of sources whose outputs are compared; 0: all.
  ///   - includes: selects the examples to score.
  package init(
    _ learner: L, _ data: L.Data, _ configuration: RunConfiguration, plan: ShardPlan,
    workspace: Workspace<Float>, comparesOutputs: Bool, limit: Int = 0,
    including includes: (_ example: Int32) -> Bool = { _ in true }
  ) {
    (self.learner, self.data, self.plan, self.workspace) = (learner, data, plan, workspace)
    let size = configuration.evaluation.batchSize
    batches = data.evaluationBatches(
      BatchOptions(.examples(size), steps: configuration.training.bptt), including: includes)
    state = CarriedState(parts: learner.stateParts, streams: L.Data.streams(of: batches), plan: plan)
    examples = (0..<Int32(data.exampleCount)).count { includes($0) }
    guard comparesOutputs else { return }
    let groups = data.comparedGroups(
      joined: learner.comparesTexts && configuration.evaluation.groupReferences
    ).filter { $0.first.map(includes) ?? false }
    let chosen = limit > 0 ? Array(groups.prefix(limit)) : groups
    let lengths = chosen.map { $0.first.map { data.sourceLength(Int($0)) } ?? 0 }
    let order = chosen.indices.sorted { (lengths[$0], $0) > (lengths[$1], $1) }
    for first in stride(from: 0, to: order.count, by: size) {
      compared.append(order[first..<min(first + size, order.count)].map { chosen[$0] })
    }
  }

  package var pieces: Int { batches.count + compared.count }

  package func score(piece: Int, shard: Int) throws -> ScoreSums {
    workspace.arena.reset()
    guard piece >= batches.count else {
      var sums = ScoreSums(examples: piece == 0 && shard == 0 ? examples : 0)
      guard let batch = batches.batch(piece, shard: shard, of: plan.shardCount) else { return sums }
      sums.loss = try withExtendedLifetime(state) {
        try learner.loss(of: batch, LossContext(workspace, state: state.views(of: shard)))
      }
      return sums
    }
    let batch = compared[piece - batches.count]
    let groups = stride(from: shard, to: batch.count, by: plan.shardCount).map { batch[$0] }
    guard !groups.isEmpty else { return ScoreSums() }
    var sums = try learner.tally(groups, of: data, workspace)
    sums.outputs = groups.count
    return sums
  }
}

/// Receives the number of finished pieces of a pass and the number of all its pieces.
public typealias EvaluationProgress = (_ done: Int, _ count: Int) -> Void

/// Adds the sums of a pass over all pieces, shards and ranks.
package enum EvaluationSums {
  /// Runs a whole pass (collective).
  package static func of(
    _ pass: any EvaluationPass, plan: ShardPlan, communicator: any Communicator,
    progress: EvaluationProgress? = nil
  ) throws -> ScoreSums {
    try of(pass, plan: plan, communicator: communicator, progress: progress, until: { false }) ?? ScoreSums()
  }

  /// Runs a pass until `stops` returns true; returns nil in that case (collective).
  package static func of(
    _ pass: any EvaluationPass, plan: ShardPlan, communicator: any Communicator,
    progress: EvaluationProgress? = nil, until stops: () throws -> Bool
  ) throws -> ScoreSums? {
    var perShard = [ScoreSums](repeating: ScoreSums(), count: plan.own.count)
    for piece in 0..<pass.pieces {
      for (index, shard) in plan.own.enumerated() {
        perShard[index] += try pass.score(piece: piece, shard: shard)
      }
      progress?(piece + 1, pass.pieces)
      if try stops() { return nil }
    }
    return try add(perShard, communicator)
  }

  /// Adds the sums of the shards in the order of the shards. Every rank receives all of them and adds them itself, so
  /// the result has the same bits whichever rank computed a shard.
  private static func add(_ own: [ScoreSums], _ communicator: any Communicator) throws -> ScoreSums {
    var total = ScoreSums()
    for part in try communicator.allgather(own.flatMap(\.bytes)) {
      var rest = part[...]
      while !rest.isEmpty { total += ScoreSums(consuming: &rest) }
    }
    return total
  }
}
