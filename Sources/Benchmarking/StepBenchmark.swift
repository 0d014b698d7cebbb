import Communication
import NumericKernels
import Optimizers
import Parameters
import RecurrentNN
import Tasks
import Training

/// The model of a benchmark and its random data on one rank.
protocol BenchmarkWorkload: GradientSource {
  /// The number of arithmetic operations of the model per step over all ranks: six for each multiplied weight and
  /// token.
  var operationsPerStep: Double { get }
}

extension BenchmarkWorkload {
  func beginEpoch(_ epoch: Int, isResumed: Bool) {}
}

/// Times whole training steps: forward, backward, reduction, clipping, update.
public struct StepBenchmark: Sendable {
  /// The number of timed training steps, after ``warmUp``.
  public var iterations: Int
  public var optimizer: OptimizerSettings.Kind
  public var precision: ProductPrecision
  /// Whether each matrix product of a step is first timed with the kernels and with the BLAS, and then uses the faster
  /// method.
  public var tunesProducts: Bool
  public var reduction: ReductionOptions

  /// The number of steps before the first timed one. They let the arena grow to its full size and touch the memory.
  public static let warmUp = 5
  static let clipNorm = 5.0
  /// The largest number of events of a step that are kept for a trace.
  private static let traceLimit = 1 << 16

  public init(
    iterations: Int, optimizer: OptimizerSettings.Kind, precision: ProductPrecision = .fp32,
    tunesProducts: Bool = false, reduction: ReductionOptions = ReductionOptions()
  ) {
    self.reduction = reduction
    self.tunesProducts = tunesProducts
    self.iterations = iterations
    self.optimizer = optimizer
    self.precision = precision
  }

  /// The measurements. They are the same on every rank, except ``communicationShare`` and the values that are
  /// documented as those of this rank.
  public struct Result: Sendable {
    /// The median time of a step in milliseconds.
    public var milliseconds: Double
    /// Target tokens per second over all ranks, from the median step and from the fastest step.
    public var tokensPerSecond: Double
    public var bestTokensPerSecond: Double
    /// Billions of operations per second, at six operations per multiplied weight and token, even if the program avoids
    /// some of them.
    public var gigaflops: Double
    /// The largest peak resident memory of any rank, in MiB.
    public var residentMiB: Int
    /// The memory of this rank for training. ``residentMiB`` also includes the program and its libraries.
    public var plan: MemoryPlan
    public var parameters: Int
    public var communicationShare: Double
    /// The method of sums over the ranks.
    public var sumMethod: SumMethod
    /// The bytes of gradients, changes and moments that a step sums over the ranks, on average.
    public var summedBytes: Int
    /// The bytes that each host sends to other hosts per step, by the formula of docs/SCALING.md.
    public var sentBytes: Int
    /// The fraction of this rank's time per kind of work. The rest, up to 1, does not belong to any kind.
    public var shares: [StepProfile.Kind: Double]
    /// The GFLOP/s of this rank's matrix products, and the peak of one core: the better of two measurements, before and
    /// after the steps.
    public var productGigaflops: Double
    public var peakGigaflops: Double
    /// ``gigaflops`` over the peak of all threads of all ranks, assuming that each has the same peak as this one.
    public var utilization: Double
    /// The events of the last step on this rank.
    public var trace: [StepProfile.Event]
    /// The methods chosen for the matrix products and, on rank 0, their measurements; nil if the rule decides.
    public var products: (choices: ProductChoices, measurements: [ProductMeasurement])?
    /// The mean loss of the last step in nats. It must be about ln V.
    public var loss: Double
  }

  /// Runs the benchmark (collective).
  func run(_ workload: any BenchmarkWorkload, plan: ShardPlan, on communicator: any Communicator) throws
    -> Result
  {
    let step = try TrainingStep(
      workload, plan: plan, optimizer: OptimizerSettings(kind: optimizer), clipNorm: Self.clipNorm,
      reduction: reduction, communicator: communicator)
    if reduction.method == .auto { _ = try step.gradients.chooseMethod() }
    let products = try tunesProducts ? chooseProducts(for: workload, step, communicator) : nil
    let peakBefore = MultiplyAddPeak.measured(precision)
    let measured = try measure(step, communicator)
    let total = measured.times.reduce(0, +) * Double(reduction.localSteps)
    let communicationShare = measured.communication / total
    let productSeconds = measured.profile.seconds[.products] ?? 0
    // Another program may have slowed one of the two measurements.
    let peak = max(peakBefore, MultiplyAddPeak.measured(precision))
    let times = measured.times.sorted()
    let (median, best) = (times[times.count / 2], times[0])
    let tokensPerStep = measured.tokens / Double(iterations)
    let parameters = workload.parameters.count
    let summed = reduction.summedBytes(
      spans: step.gradients.spans, parameters: parameters, moments: step.optimizer.moments.count)
    return Result(
      milliseconds: median * 1e3, tokensPerSecond: tokensPerStep / median,
      bestTokensPerSecond: tokensPerStep / best,
      gigaflops: 1e-9 * workload.operationsPerStep / median,
      residentMiB: Int(try communicator.largest(Double(ProcessMemory.peakMiB))),
      plan: step.memoryPlan(),
      parameters: parameters, communicationShare: communicationShare,
      sumMethod: step.gradients.method, summedBytes: summed,
      sentBytes: reduction.sentBytes(
        summed: summed, parameters: parameters, hosts: try communicator.hostNames().count),
      shares: measured.profile.shares(of: total).merging([.communication: communicationShare]) { $1 },
      productGigaflops: productSeconds > 0 ? 1e-9 * measured.profile.operations / productSeconds : 0,
      peakGigaflops: peak,
      utilization: 1e-9 * workload.operationsPerStep / median
        / (peak * Double(communicator.worldSize * KernelThreads.count)),
      trace: measured.trace, products: products, loss: measured.last.loss / measured.last.tokens)
  }

  /// The steps after the warm-up.
  private struct MeasuredSteps {
    /// Seconds of a step. With local steps, the mean over all steps up to an outer update: no other number tells the
    /// time of a step.
    var times: [Double] = []
    var tokens = 0.0
    var last = StepTotals()
    /// Seconds of communication.
    var communication = 0.0
    var profile = StepProfile.totals
    /// The work of the last step.
    var trace: [StepProfile.Event] = []
  }

  /// Runs the warm-up and the measured steps (collective).
  private func measure(_ step: TrainingStep, _ communicator: any Communicator) throws -> MeasuredSteps {
    var (state, measured, round) = (TrainingState(), MeasuredSteps(), [Double]())
    let clock = ContinuousClock()
    for _ in 0..<Self.warmUp { measured.last = try run(step, &state) }
    try communicator.barrier()
    let (communicationAtStart, profileAtStart) = (step.gradients.communicationTime, StepProfile.totals)
    for iteration in 0..<iterations {
      let started = clock.now
      if iteration == iterations - 1 {
        measured.trace = try StepProfile.record(limit: Self.traceLimit) {
          measured.last = try run(step, &state)
        }
      } else {
        measured.last = try run(step, &state)
      }
      round.append((clock.now - started) / .seconds(1))
      measured.tokens += measured.last.tokens
      if round.count == reduction.localSteps {
        measured.times.append(round.reduce(0, +) / Double(round.count))
        round = []
      }
    }
    measured.communication = (step.gradients.communicationTime - communicationAtStart) / .seconds(1)
    measured.profile = StepProfile.totals.since(profileAtStart)
    return measured
  }

  private func run(_ step: TrainingStep, _ state: inout TrainingState) throws -> StepTotals {
    let totals = try step.run(&state, learningRate: optimizer == .sgd ? 0.1 : 1e-3).totals
    _ = try step.synchronize(after: state)
    return totals
  }

  /// Measures without a cache, because a benchmark must not depend on earlier runs.
  private func chooseProducts(
    for workload: any BenchmarkWorkload, _ step: TrainingStep, _ communicator: any Communicator
  ) throws -> (choices: ProductChoices, measurements: [ProductMeasurement]) {
    var state = TrainingState()
    let uses = try ProductRecorder.record { _ = try run(step, &state) }
    let result = try ProductSelection(cache: nil).choose(uses, on: communicator)
    workload.workspace.choose(result.choices.table)
    return (result.choices, result.measurements)
  }
}
