import Communication
import Foundation
import NumericKernels
import Optimizers
import Parameters
import RecurrentNN
import Tasks

/// Times whole training steps of a language model on random tokens.
public struct LanguageModelBenchmark: Sendable {
  /// The model, without dropout.
  public var shape: LanguageModelShape
  /// The number of streams over all ranks.
  public var batchSize: Int
  /// The time steps of a chunk. The state is carried from chunk to chunk.
  public var steps: Int
  /// The length of the shortest stream. Lengths are spread evenly from this to `steps`; nil: all have `steps`.
  public var shortest: Int?
  /// The number of steps between the states that are kept for the backward pass; nil: all states are kept.
  public var segment: Int?
  public var benchmark: StepBenchmark

  public init(
    shape: LanguageModelShape, batchSize: Int, steps: Int, shortest: Int? = nil, segment: Int? = nil,
    benchmark: StepBenchmark
  ) {
    self.shape = shape
    self.batchSize = batchSize
    self.steps = steps
    self.shortest = shortest
    self.segment = segment
    self.benchmark = benchmark
  }

  /// Runs the benchmark (collective).
  public func run(on communicator: any Communicator) throws -> StepBenchmark.Result {
    let plan = try ShardPlan(rank: communicator.rank, worldSize: communicator.worldSize, reproducible: false)
    return try benchmark.run(try LanguageModelWorkload(self, plan), plan: plan, on: communicator)
  }

  /// Returns a random token. All tokens have the same probability; with an adaptive softmax, they follow Zipf's law,
  /// p(v) ∝ 1/(v + 1), as words do.
  func token(_ random: inout CounterRandom) -> Int32 {
    guard !shape.options.adaptiveCutoffs.isEmpty else {
      return Int32(random.nextIndex(below: shape.vocabularySize))
    }
    let rank = Foundation.exp(random.nextUniform() * Foundation.log(Double(shape.vocabularySize) + 1))
    return Int32(min(Int(rank) - 1, shape.vocabularySize - 1))
  }

  /// Returns the length of a stream. Lengths are arranged so that contiguous shards have similar numbers of tokens.
  func length(of stream: Int) -> Int {
    guard let shortest, batchSize > 1 else { return steps }
    let place = stream % 2 == 0 ? stream / 2 : batchSize - 1 - stream / 2
    return shortest + (steps - shortest) * place / (batchSize - 1)
  }
}

/// A language model with the random tokens of all iterations.
private final class LanguageModelWorkload: BenchmarkWorkload {
  let parameters: ParameterBuffer<Float>
  let workspace: Workspace<Float>
  let operationsPerStep: Double
  let microbatchesPerEpoch: Int
  private let model: LanguageModel<Float>
  private let segment: Int?
  private let layout: PackedLayout
  private let state: [AlignedMatrix]
  /// The random tokens of every iteration: the inputs of all rows, then the targets of all rows.
  private let tokens: [[Int32]]

  init(_ settings: LanguageModelBenchmark, _ plan: ShardPlan) throws {
    workspace = Workspace(precision: settings.benchmark.precision)
    microbatchesPerEpoch = StepBenchmark.warmUp + settings.benchmark.iterations
    segment = settings.segment
    try settings.shape.requireFittingCutoffs()
    model = try LanguageModel(settings.shape)
    try ModelMemory.require(model.layout, copies: 2 + settings.benchmark.optimizer.momentNames.count)
    parameters = ParameterBuffer(model.layout, seed: 1)
    let lengths = (0..<settings.batchSize).map { settings.length(of: $0) }
    operationsPerStep = 6 * Double(model.multipliedWeights) * Double(lengths.reduce(0, +))
    let streams = plan.ownItems(count: settings.batchSize)
    let layout = PackedLayout(lengths: Array(lengths[streams]))
    self.layout = layout
    state = model.stateParts.map { AlignedMatrix(rows: streams.count, columns: $0) }
    tokens = (0..<microbatchesPerEpoch).map { iteration in
      var random = CounterRandom(
        key: RandomKey(seed: 1, purpose: .generatedData, step: UInt64(iteration)),
        sample: UInt64(streams.lowerBound))
      return (0..<2 * layout.rowCount).map { _ in settings.token(&random) }
    }
  }

  func addGradient(
    of microbatch: Microbatch, shard: Int, into gradients: ParameterBuffer<Float>
  ) -> LossSum {
    workspace.arena.reset()
    guard layout.rowCount > 0 else { return LossSum() }
    return tokens[microbatch.index].withUnsafeBufferPointer { tokens in
      guard let base = tokens.baseAddress else { return LossSum() }
      return model.evaluate(
        LanguageModelBatch(layout: layout, tokens: base, targets: base + layout.rowCount),
        state: state.map(\.view), segment: segment, into: gradients,
        LayerContext(parameters: parameters, workspace: workspace))
    }
  }
}
