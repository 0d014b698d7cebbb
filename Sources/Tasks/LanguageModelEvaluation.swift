import Datasets
import NumericKernels
import Parameters
import RecurrentNN

/// A pass of a language model over a text, every token but the first predicted exactly once.
///
/// The text is cut into contiguous streams, each starting from the zero state and carried from piece to
/// piece. The streams are dealt out to shards like those of training, so that the result does not depend on
/// the number of ranks.
package final class LanguageModelEvaluation: EvaluationPass {
  private let model: LanguageModel<Float>
  private let parameters: ParameterBuffer<Float>
  private let workspace: Workspace<Float>
  private let plan: ShardPlan
  private let batches: StreamBatches
  private var states: [Int: [AlignedMatrix]] = [:]

  /// - Parameters:
  ///   - streams: most parallel streams that the text is cut into.
  ///   - steps: time steps of a piece.
  package init(
    model: LanguageModel<Float>, parameters: ParameterBuffer<Float>, workspace: Workspace<Float>,
    tokens: TokenStream, plan: ShardPlan, streams: Int, steps: Int
  ) {
    self.model = model
    self.parameters = parameters
    self.workspace = workspace
    self.plan = plan
    batches = StreamBatches(evaluating: tokens, mostStreams: streams, steps: steps)
  }

  package var pieces: Int { batches.count }

  package func score(piece: Int, shard: Int) throws -> ScoreSums {
    let examples = piece == 0 && shard == 0 ? 1 : 0
    guard let chunk = batches.batch(piece, shard: shard, of: plan.shardCount) else {
      return ScoreSums(examples: examples)
    }
    let layout = PackedLayout(lengths: chunk.lengths)
    let arena = workspace.arena
    arena.reset()
    let inputs = arena.words(layout.rowCount, of: Int32.self)
    let targets = arena.words(layout.rowCount, of: Int32.self)
    chunk.fill(inputs: inputs, targets: targets)
    let batch = LanguageModelBatch<Float>(
      layout: layout, tokens: UnsafePointer(inputs.baseAddress!), targets: UnsafePointer(targets.baseAddress!)
    )
    let loss = model.evaluate(
      batch, state: state(of: shard, streams: chunk.streams.count), into: nil,
      LayerContext(parameters: parameters, workspace: workspace))
    return ScoreSums(loss: loss, examples: examples)
  }

  private func state(of shard: Int, streams: Int) -> [MatrixView<Float>] {
    let state = states[shard] ?? model.stateParts.map { AlignedMatrix(rows: streams, columns: $0) }
    states[shard] = state
    return state.map(\.view)
  }
}
