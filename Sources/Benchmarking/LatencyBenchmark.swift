import NumericKernels
import Parameters
import RecurrentNN
import Tasks

/// Times the forward pass of recurrent layers with random weights and inputs: the latency of a model in use.
public struct LatencyBenchmark: Sendable {
  public var network: NetworkOptions
  /// The width of the input vectors.
  public var inputSize: Int
  /// The number of sequences that are computed together.
  public var batchSize: Int
  /// The time steps of a sequence.
  public var steps: Int
  public var precision: ProductPrecision

  static let warmUp = 5
  /// The time for the measurement in milliseconds.
  static let duration = 500.0

  public init(
    network: NetworkOptions, inputSize: Int, batchSize: Int, steps: Int, precision: ProductPrecision
  ) {
    self.network = network
    self.inputSize = inputSize
    self.batchSize = batchSize
    self.steps = steps
    self.precision = precision
  }

  public struct Result: Sendable {
    /// The time of one call in microseconds: the median and the best.
    public var microseconds: Double
    public var bestMicroseconds: Double
    public var calls: Int
    public var parameters: Int
    /// The fraction of the peak of all threads that is used, at two operations per multiplied weight and row.
    public var utilization: Double
    /// The fraction of the time per kind of work.
    public var shares: [StepProfile.Kind: Double]
  }

  /// Runs the benchmark in this process.
  public func run() throws -> Result {
    var builder = ParameterLayout.Builder()
    let stack = try LayerStack<Float>(network, inputSize: inputSize, in: &builder)
    let layout = builder.build()
    try ModelMemory.require(layout, copies: 1)
    let parameters = ParameterBuffer<Float>(layout, seed: 1)
    let context = LayerContext(parameters: parameters, workspace: Workspace<Float>(precision: precision))
    let rows = PackedLayout(steps: steps, batchSize: batchSize)
    let state = stack.stateSize.parts.map { AlignedMatrix(rows: batchSize, columns: $0) }
    let input = AlignedMatrix(rows: rows.rowCount, columns: inputSize)
    var random = CounterRandom(key: RandomKey(seed: 1, purpose: .generatedData), sample: 0)
    for row in 0..<input.view.rows {
      for column in 0..<inputSize { input.view[row, column] = Float(random.nextUniform()) - 0.5 }
    }
    let clock = ContinuousClock()
    var times: [Double] = []
    var shares: [StepProfile.Kind: Double] = [:]
    // Another program may slow one of two measurements.
    let peakBefore = MultiplyAddPeak.measured(precision)
    // The views don't retain the memory that they point to.
    withExtendedLifetime((state, input)) {
      let views = state.map(\.view)
      func call() -> Double {
        let start = clock.now
        context.workspace.arena.reset()
        _ = stack.unroll(.dense(input.view), rows, from: views, context)
        return (clock.now - start) / .microseconds(1)
      }
      for _ in 0..<Self.warmUp { _ = call() }
      let (profile, start) = (StepProfile.totals, clock.now)
      repeat { times.append(call()) } while (clock.now - start) / .milliseconds(1) < Self.duration
      shares = StepProfile.totals.since(profile).shares(of: 1e-6 * times.reduce(0, +))
    }
    times.sort()
    let median = times[times.count / 2]
    let weights = stack.parameters.filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
    let peak = max(peakBefore, MultiplyAddPeak.measured(precision)) * 1e9 * Double(KernelThreads.count)
    return Result(
      microseconds: median, bestMicroseconds: times[0], calls: times.count, parameters: layout.count,
      utilization: 2 * Double(weights * rows.rowCount) / (1e-6 * median) / peak, shares: shares)
  }
}
