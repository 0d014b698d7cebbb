import NumericKernels
import Parameters
import RecurrentNN
import Tasks

/// Times recurrent layers alone, forward only, with random weights and inputs: the latency of a model in use.
public struct LatencyBenchmark: Sendable {
  public var network: NetworkOptions
  /// Width of the input vectors.
  public var inputSize: Int
  /// Sequences that are computed together.
  public var batchSize: Int
  /// Time steps of a sequence.
  public var steps: Int
  public var precision: ProductPrecision

  static let warmUp = 5
  /// Time for the measurement, milliseconds.
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
    /// Time of one call, microseconds: median and best.
    public var microseconds: Double
    public var bestMicroseconds: Double
    public var calls: Int
    public var parameters: Int
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
    // The views don't retain the memory that they point to.
    withExtendedLifetime((state, input)) {
      let views = state.map(\.view)
      func call() -> Double {
        let start = clock.now
        context.workspace.arena.reset()
        _ = stack.unroll(.dense(input.view), rows, from: views, context)
        return (clock.now - start).inSeconds * 1e6
      }
      for _ in 0..<Self.warmUp { _ = call() }
      let start = clock.now
      repeat { times.append(call()) } while (clock.now - start).inSeconds * 1e3 < Self.duration
    }
    times.sort()
    return Result(
      microseconds: times[times.count / 2], bestMicroseconds: times[0], calls: times.count,
      parameters: layout.count)
  }
}
