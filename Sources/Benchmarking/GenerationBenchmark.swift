import NumericKernels
import Parameters
import RecurrentNN
import Tasks
import Training

/// Times sampling from a language model with random weights. Several streams are sampled in parallel, step by step.
public struct GenerationBenchmark: Sendable {
  public var shape: LanguageModelShape
  /// The number of texts that are written in parallel.
  public var streams: Int
  /// The number of tokens sampled per stream in a timed run.
  public var length: Int
  public var precision: ProductPrecision

  static let warmUp = 20
  static let runs = 5

  public init(shape: LanguageModelShape, streams: Int, length: Int, precision: ProductPrecision) {
    self.shape = shape
    self.streams = streams
    self.length = length
    self.precision = precision
  }

  public struct Result: Sendable {
    /// Tokens per second over all streams: the median and the best of several runs.
    public var tokensPerSecond: Double
    public var bestTokensPerSecond: Double
    /// The peak resident memory in MiB.
    public var residentMiB: Int
    /// The tokens per second over all streams if a step only took the time to read its weights once, from a cache or
    /// memory large enough to hold them.
    public var bandwidthLimit: Double
    /// The fraction of the peak of all threads that is used, at two operations per multiplied weight and token.
    public var utilization: Double
  }

  /// Runs the benchmark in this process.
  public func run() throws -> Result {
    let model = try LanguageModel<Float>(shape)
    try ModelMemory.require(model.layout, copies: 1)
    let parameters = ParameterBuffer<Float>(model.layout, seed: 1)
    let context = LayerContext(parameters: parameters, workspace: Workspace<Float>(precision: precision))
    let state = model.stateParts.map { AlignedMatrix(rows: streams, columns: $0) }
    let views = state.map(\.view)
    let logits = AlignedMatrix(rows: streams, columns: shape.vocabularySize)
    var tokens = [Int32](repeating: 0, count: streams)
    var random = CounterRandom(key: RandomKey(seed: 1, purpose: .sampling), sample: 0)
    let options = SamplingOptions(temperature: 0.8)
    func write(_ count: Int) {
      // The views don't retain the memory that they point to.
      withExtendedLifetime((state, logits)) {
        for _ in 0..<count { writeOne() }
      }
    }
    func writeOne() {
      tokens.withUnsafeBufferPointer { model.step($0, state: views, logits: logits.view, context) }
      for stream in tokens.indices {
        let row = UnsafeMutableBufferPointer(start: logits.view.row(stream), count: shape.vocabularySize)
        tokens[stream] = Int32(sampleToken(from: row, options, uniform: random.nextUniform()) ?? 0)
      }
    }
    write(Self.warmUp)
    let clock = ContinuousClock()
    let rates = (0..<Self.runs).map { _ in
      let started = clock.now
      write(length)
      return Double(length * streams) / (clock.now - started).inSeconds
    }.sorted()
    let median = rates[rates.count / 2]
    let weights = Double(model.multipliedWeights)
    let bytes = weights * Double(ProductMode(precision).bytesPerWeight)
    let peak = MultiplyAddPeak.measured(precision) * 1e9 * Double(KernelThreads.count)
    return Result(
      tokensPerSecond: median, bestTokensPerSecond: rates[rates.count - 1],
      residentMiB: ProcessMemory.peakMiB,
      bandwidthLimit: Double(streams) * ReadBandwidth.measured(bytes: Int(bytes)) / bytes,
      utilization: 2 * weights * median / peak)
  }
}
