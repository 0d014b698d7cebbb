import NumericKernels
import Parameters
import RecurrentNN
import Tasks
import Training

/// Times sampling from a language model with random weights, with the sampler of `generate`: the tokens of several streams,
/// one step after the other.
public struct GenerationBenchmark: Sendable {
  public var shape: LanguageModelShape
  /// The number of texts that are generated in parallel.
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
    /// The fraction of the whole time per kind of work. Choosing tokens belongs to no kind.
    public var shares: [StepProfile.Kind: Double]
  }

  /// Runs the benchmark in this process.
  public func run() throws -> Result {
    let model = try LanguageModel<Float>(shape)
    try ModelMemory.require(model.layout, copies: 1)
    let parameters = ParameterBuffer<Float>(model.layout, seed: 1)
    let context = LayerContext(parameters: parameters, workspace: Workspace<Float>(precision: precision))
    let whole = Self.warmUp + Self.runs * length
    let writer = TextWriter(
      decoder: LanguageModelDecoder(model, context), startToken: 0,
      constraints: TokenConstraints(endToken: nil, length: LengthBounds(maximum: whole)))
    let sampler = writer.sampler(
      count: streams, TextSampling(SamplingOptions(temperature: 0.8), seed: 1))
    func write(_ count: Int) {
      for _ in 0..<count { sampler.step { _ in } }
    }
    // Another program may slow one of two measurements.
    let peakBefore = MultiplyAddPeak.measured(precision)
    write(Self.warmUp)
    let clock = ContinuousClock()
    let (profile, begun) = (StepProfile.totals, clock.now)
    let rates = (0..<Self.runs).map { _ in
      let started = clock.now
      write(length)
      return Double(length * streams) / ((clock.now - started) / .seconds(1))
    }.sorted()
    let shares = StepProfile.totals.since(profile).shares(of: (clock.now - begun) / .seconds(1))
    let median = rates[rates.count / 2]
    let weights = Double(model.multipliedWeights)
    let bytes = weights * Double(ProductMode(precision).bytesPerWeight)
    let peak = max(peakBefore, MultiplyAddPeak.measured(precision)) * 1e9 * Double(KernelThreads.count)
    return Result(
      tokensPerSecond: median, bestTokensPerSecond: rates[rates.count - 1],
      residentMiB: ProcessMemory.peakMiB,
      bandwidthLimit: Double(streams) * ReadBandwidth.measured(bytes: Int(bytes)) / bytes,
      utilization: 2 * weights * median / peak, shares: shares)
  }
}
