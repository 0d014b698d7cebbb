import Communication
import Glibc
import NumericKernels
import Optimizers
import Parameters
import RecurrentNN

/// Times whole training steps of a language model on random tokens: forward, backward, reduction, clipping, update.
public struct LanguageModelBenchmark: Sendable {
  /// The model; nothing is dropped.
  public var shape: LanguageModelShape
  /// Streams over all ranks.
  public var batchSize: Int
  /// Time steps of a chunk; the state is carried from chunk to chunk.
  public var steps: Int
  /// Timed training steps, after ``warmUp``.
  public var iterations: Int
  public var optimizer: OptimizerSettings.Kind
  public var precision: ProductPrecision

  /// Steps before the first timed one: they size the arena and fault in the memory.
  public static let warmUp = 5
  static let clipNorm = 5.0
  /// Pieces of work of a step that are kept for a trace.
  static let traceLimit = 1 << 16

  public init(
    shape: LanguageModelShape, batchSize: Int, steps: Int, iterations: Int, optimizer: OptimizerSettings.Kind,
    precision: ProductPrecision = .fp32
  ) {
    self.shape = shape
    self.batchSize = batchSize
    self.steps = steps
    self.iterations = iterations
    self.optimizer = optimizer
    self.precision = precision
  }

  /// What was measured; the same on every rank but for ``communicationShare``, which is this rank's.
  public struct Result: Sendable {
    /// Median time of a step, milliseconds.
    public var milliseconds: Double
    /// Target tokens a second over all ranks, from the median and from the fastest step.
    public var tokensPerSecond: Double
    public var bestTokensPerSecond: Double
    /// Six times the multiplied weights times tokens, a second: the model's arithmetic, whatever way it was saved.
    public var gigaflops: Double
    /// Largest peak of resident memory of a rank, MiB.
    public var residentMiB: Int
    /// Largest activation memory of this rank, MiB.
    public var activationMiB: Int
    public var parameters: Int
    public var communicationShare: Double
    /// Share of this rank's time by kind of work; what is missing to 1 is none of them.
    public var shares: [StepProfile.Kind: Double]
    /// GFLOP/s of this rank inside of its products, and the peak of one core measured just before.
    public var productGigaflops: Double
    public var peakGigaflops: Double
    /// The last step of this rank, piece by piece.
    public var trace: [StepProfile.Event]
    /// Mean loss of the last step, nats: about ln V, or something is wrong.
    public var loss: Double
  }

  /// Runs the benchmark. Collective.
  public func run(on communicator: any Communicator) throws -> Result {
    let plan = try ShardPlan(rank: communicator.rank, worldSize: communicator.worldSize, reproducible: false)
    let stepper = try BenchmarkStepper(self, plan: plan, communicator: communicator)
    let clock = ContinuousClock()
    var times: [Double] = []
    var loss = 0.0
    var communicationAtStart = Duration.zero
    let peak = MultiplyAddPeak.measured(precision)
    var profileAtStart = StepProfile.totals
    var trace: [StepProfile.Event] = []
    for iteration in 0..<Self.warmUp + iterations {
      if iteration == Self.warmUp {
        try communicator.barrier()
        communicationAtStart = stepper.communicationTime
        profileAtStart = StepProfile.totals
      }
      let started = clock.now
      if iteration == Self.warmUp + iterations - 1 {
        trace = try StepProfile.record(limit: Self.traceLimit) { loss = try stepper.step(iteration) }
      } else {
        loss = try stepper.step(iteration)
      }
      if iteration >= Self.warmUp { times.append((clock.now - started).inSeconds) }
    }
    let communication = (stepper.communicationTime - communicationAtStart).inSeconds
    let total = times.reduce(0, +)
    let profile = StepProfile.totals.since(profileAtStart)
    let productSeconds = profile.seconds[.products] ?? 0
    times.sort()
    let (median, best) = (times[times.count / 2], times[0])
    let tokens = Double(batchSize * steps)
    return Result(
      milliseconds: median * 1e3, tokensPerSecond: tokens / median, bestTokensPerSecond: tokens / best,
      gigaflops: 6e-9 * Double(stepper.model.multipliedWeights) * tokens / median,
      residentMiB: try Self.largestResidentMiB(communicator), activationMiB: stepper.activationMiB,
      parameters: stepper.model.layout.count, communicationShare: communication / total,
      shares: profile.seconds.mapValues { $0 / total }.merging([.communication: communication / total]) {
        $1
      },
      productGigaflops: productSeconds > 0 ? 1e-9 * profile.operations / productSeconds : 0,
      peakGigaflops: peak,
      trace: trace, loss: loss)
  }

  private static func largestResidentMiB(_ communicator: any Communicator) throws -> Int {
    let everyone = try communicator.allgather(Array(String(ProcessMemory.peakMiB).utf8))
    return everyone.compactMap { Int(String(decoding: $0, as: UTF8.self)) }.max() ?? 0
  }
}

/// Memory of this process.
public enum ProcessMemory {
  /// Peak resident memory so far, MiB.
  public static var peakMiB: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1024
  }
}

/// The model, data and optimizer of a benchmark on one rank.
private final class BenchmarkStepper {
  let model: LanguageModel<Float>
  private let parameters: ParameterBuffer<Float>
  private let optimizer: Optimizer<Float>
  private let gradients: GradientSum
  private let workspace: Workspace<Float>
  private let layout: PackedLayout
  private let state: [AlignedMatrix]
  /// Random tokens of every iteration, [steps + 1, own streams] each.
  private let tokens: [[Int32]]

  init(_ benchmark: LanguageModelBenchmark, plan: ShardPlan, communicator: any Communicator) throws {
    workspace = Workspace(precision: benchmark.precision)
    model = try LanguageModel(benchmark.shape)
    parameters = ParameterBuffer(model.layout, seed: 1)
    optimizer = Optimizer(settings: OptimizerSettings(kind: benchmark.optimizer), count: parameters.count)
    gradients = GradientSum(layout: model.layout, plan: plan, communicator: communicator)
    let streams = plan.ownItems(count: benchmark.batchSize)
    layout = PackedLayout(steps: benchmark.steps, batchSize: streams.count)
    state = model.stateParts.map { AlignedMatrix(rows: streams.count, columns: $0) }
    tokens = (0..<LanguageModelBenchmark.warmUp + benchmark.iterations).map { iteration in
      var random = CounterRandom(
        key: RandomKey(seed: 1, purpose: .generatedData, step: UInt64(iteration)),
        sample: UInt64(streams.lowerBound))
      return (0..<(benchmark.steps + 1) * streams.count).map { _ in
        Int32(random.nextIndex(below: benchmark.shape.vocabularySize))
      }
    }
  }

  var communicationTime: Duration { gradients.communicationTime }
  var activationMiB: Int { workspace.arena.capacityInBytes >> 20 }

  /// One training step; returns the mean loss.
  func step(_ iteration: Int) throws -> Double {
    let totals = try gradients.reduce(requests: (false, false)) { _, sum in
      guard layout.rowCount > 0 else { return LossSum() }
      workspace.arena.reset()
      return tokens[iteration].withUnsafeBufferPointer { tokens in
        model.evaluate(
          LanguageModelBatch(
            layout: layout, tokens: tokens.baseAddress!, targets: tokens.baseAddress! + layout.batchSize),
          state: state.map(\.view), into: sum, LayerContext(parameters: parameters, workspace: workspace))
      }
    }
    StepProfile.measure(.optimizer) {
      let norm = gradientNorm(UnsafeBufferPointer(gradients.total.elements)) / totals.tokens
      let clip = clipFactor(norm: norm, maximum: LanguageModelBenchmark.clipNorm)
      optimizer.apply(
        parameters: parameters.elements, gradients: UnsafeBufferPointer(gradients.total.elements),
        gradientScale: clip / totals.tokens, learningRate: optimizer.settings.kind == .sgd ? 0.1 : 1e-3)
    }
    parameters.didChange()
    return totals.loss / totals.tokens
  }
}
