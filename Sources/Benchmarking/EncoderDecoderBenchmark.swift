import Communication
import NumericKernels
import Optimizers
import Parameters
import RecurrentNN
import Tasks

/// Times whole training steps of an encoder-decoder with additive attention on random pairs: a one-layer bidirectional
/// LSTM encoder, a one-layer LSTM decoder, and the readout tanh(W [s; c; y]) with the width of the embedding.
public struct EncoderDecoderBenchmark: Sendable {
  public var sourceVocabulary: Int
  public var targetVocabulary: Int
  public var embeddingSize: Int
  /// The number of units of each encoder direction, of the decoder and of the attention.
  public var hiddenSize: Int
  /// The number of pairs over all ranks.
  public var batchSize: Int
  public var sourceLength: Int
  /// The number of predictions per target, including its end token.
  public var targetLength: Int
  public var benchmark: StepBenchmark

  public init(
    sourceVocabulary: Int, targetVocabulary: Int, embeddingSize: Int, hiddenSize: Int, batchSize: Int,
    sourceLength: Int, targetLength: Int, benchmark: StepBenchmark
  ) {
    self.sourceVocabulary = sourceVocabulary
    self.targetVocabulary = targetVocabulary
    self.embeddingSize = embeddingSize
    self.hiddenSize = hiddenSize
    self.batchSize = batchSize
    self.sourceLength = sourceLength
    self.targetLength = targetLength
    self.benchmark = benchmark
  }

  var shape: EncoderDecoderShape {
    let encoder = EncoderShape(
      .tokens(vocabularySize: sourceVocabulary, embeddingSize: embeddingSize),
      network: NetworkOptions(hiddenSize: hiddenSize, bidirectional: true))
    let decoder = DecoderShape(
      vocabularySize: targetVocabulary, embeddingSize: embeddingSize,
      network: NetworkOptions(hiddenSize: hiddenSize), readout: .hidden(size: embeddingSize), beginToken: 0,
      endToken: 1)
    return EncoderDecoderShape(
      sources: [encoder], decoder: decoder,
      context: .attention(AttentionShape(.additive, size: hiddenSize)))
  }

  /// Runs the benchmark and counts target tokens (collective).
  public func run(on communicator: any Communicator) throws -> StepBenchmark.Result {
    let plan = try ShardPlan(rank: communicator.rank, worldSize: communicator.worldSize, reproducible: false)
    return try benchmark.run(try EncoderDecoderWorkload(self, plan), plan: plan, on: communicator)
  }
}

/// An encoder-decoder with the random pairs of all iterations.
private final class EncoderDecoderWorkload: BenchmarkWorkload {
  let parameters: ParameterBuffer<Float>
  let workspace: Workspace<Float>
  let operationsPerStep: Double
  let microbatchesPerEpoch: Int
  private let model: EncoderDecoder<Float>
  private let (sourceLengths, targetLengths): ([Int], [Int])
  /// The random tokens of every iteration.
  private let sources: [[Int32]]
  private let targets: [[Int32]]

  init(_ settings: EncoderDecoderBenchmark, _ plan: ShardPlan) throws {
    workspace = Workspace(precision: settings.benchmark.precision)
    let count = StepBenchmark.warmUp + settings.benchmark.iterations
    microbatchesPerEpoch = count
    model = try EncoderDecoder(settings.shape)
    try ModelMemory.require(model.layout, copies: 2 + settings.benchmark.optimizer.momentNames.count)
    parameters = ParameterBuffer(model.layout, seed: 1)
    let weights = model.multipliedWeights
    operationsPerStep =
      6 * Double(settings.batchSize)
      * Double(weights.source * settings.sourceLength + weights.target * settings.targetLength)
    let pairs = plan.ownItems(count: settings.batchSize)
    sourceLengths = Array(repeating: settings.sourceLength, count: pairs.count)
    // The model adds the end token of each target itself.
    targetLengths = Array(repeating: settings.targetLength - 1, count: pairs.count)
    func random(_ length: Int, below vocabulary: Int, stream: UInt32) -> [[Int32]] {
      (0..<count).map { iteration in
        var random = CounterRandom(
          key: RandomKey(seed: 1, purpose: .generatedData, step: UInt64(iteration)),
          sample: UInt64(pairs.lowerBound), stream: stream)
        return (0..<max(1, length * pairs.count)).map { _ in Int32(random.nextIndex(below: vocabulary)) }
      }
    }
    sources = random(settings.sourceLength, below: settings.sourceVocabulary, stream: 0)
    targets = random(settings.targetLength - 1, below: settings.targetVocabulary, stream: 1)
  }

  func addGradient(
    of microbatch: Microbatch, shard: Int, into gradients: ParameterBuffer<Float>
  ) -> LossSum {
    workspace.arena.reset()
    guard !sourceLengths.isEmpty else { return LossSum() }
    return sources[microbatch.index].withUnsafeBufferPointer { source in
      targets[microbatch.index].withUnsafeBufferPointer { target in
        guard let sourceBase = source.baseAddress, let targetBase = target.baseAddress else {
          return LossSum()
        }
        let batch = EncoderDecoderBatch<Float>(
          sources: [
            InputSequences(lengths: sourceLengths, content: .tokens(sourceBase, characters: nil))
          ],
          targets: TokenSequences(lengths: targetLengths, ids: targetBase), masks: nil)
        return model.evaluate(
          batch, into: gradients, LayerContext(parameters: parameters, workspace: workspace))
      }
    }
  }
}
