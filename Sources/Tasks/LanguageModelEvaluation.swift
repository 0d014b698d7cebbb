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
  private let tokens: TokenStream
  private let plan: ShardPlan
  private let streams: EvaluationStreams
  private let steps: Int
  private var states: [Int: [AlignedMatrix]] = [:]

  /// - Parameters:
  ///   - streams: number of parallel streams the text is cut into.
  ///   - steps: time steps of a piece.
  package init(
    model: LanguageModel<Float>, parameters: ParameterBuffer<Float>, workspace: Workspace<Float>,
    tokens: TokenStream, plan: ShardPlan, streams: Int, steps: Int
  ) {
    self.model = model
    self.parameters = parameters
    self.workspace = workspace
    self.tokens = tokens
    self.plan = plan
    self.streams = EvaluationStreams(tokenCount: tokens.count, streams: streams)
    self.steps = steps
  }

  package var pieces: Int { (streams.steps + steps - 1) / steps }

  package func score(piece: Int, shard: Int) throws -> ScoreSums {
    let selected = plan.items(of: shard, count: streams.segments.count)
    let range = piece * steps..<min((piece + 1) * steps, streams.steps)
    let lengths = streams.segments[selected].map {
      max(0, min($0.length, range.upperBound) - range.lowerBound)
    }
    let layout = PackedLayout(lengths: lengths)
    let examples = piece == 0 && shard == 0 ? 1 : 0
    guard layout.rowCount > 0 else { return ScoreSums(examples: examples) }
    let arena = workspace.arena
    arena.reset()
    let inputs = arena.words(range.count * selected.count, of: Int32.self)
    let targets = arena.words(range.count * selected.count, of: Int32.self)
    streams.fill(steps: range, streams: selected, from: tokens, inputs: inputs, targets: targets)
    compact(inputs, targets, layout, width: selected.count)
    let batch = LanguageModelBatch<Float>(
      layout: layout, tokens: UnsafePointer(inputs.baseAddress!), targets: UnsafePointer(targets.baseAddress!)
    )
    let loss = model.evaluate(
      batch, state: state(of: shard, streams: selected.count), into: nil,
      LayerContext(parameters: parameters, workspace: workspace))
    return ScoreSums(loss: loss, examples: examples)
  }

  /// Removes the padding of [steps, width] blocks. Longer streams come first, so the rows of a step that
  /// count are its beginning, and they only ever move towards the front.
  private func compact(
    _ inputs: UnsafeMutableBufferPointer<Int32>, _ targets: UnsafeMutableBufferPointer<Int32>,
    _ layout: PackedLayout, width: Int
  ) {
    for step in 0..<layout.steps {
      for position in 0..<layout.activeCounts[step] {
        inputs[layout.offsets[step] + position] = inputs[step * width + position]
        targets[layout.offsets[step] + position] = targets[step * width + position]
      }
    }
  }

  private func state(of shard: Int, streams: Int) -> [MatrixView<Float>] {
    let state = states[shard] ?? model.stateParts.map { AlignedMatrix(rows: streams, columns: $0) }
    states[shard] = state
    return state.map(\.view)
  }
}
