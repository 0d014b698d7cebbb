import Communication
import Optimizers
import Tasks
import Training

/// Times training steps of a language model on 1, 2, 4, … ranks of a job, and predicts each time from its components.
///
///     t(p, B) = c + l + s / w                        normally
///     t(p, B) = c + l + s / w + g                    with a sharded optimizer
///     t(p, B) = c + l + (1 + k) (l + s / w) / H      with H local steps and an optimizer of k moments
///
/// c: the time of the computation of a step on the slowest of p ranks, while all compute at the same time, so that they share
/// caches and memory bandwidth (`LockstepCommunicator`). l, w: the latency and bandwidth of sums over the ranks, by the method and
/// in the precision of the step, fitted to sums of several sizes. s: the bytes that a step sums, without the rows of tables that no
/// rank has touched. g: the time to send all parameters to all ranks. Strong scaling divides one batch B among the ranks, weak
/// scaling gives every rank a batch.
public struct ScalingStudy: Sendable {
  /// The model. Its batch is the batch of one rank.
  public var benchmark: LanguageModelBenchmark
  /// The numbers of ranks to measure; nil: the powers of two, and all ranks.
  public var counts: [Int]?

  public init(benchmark: LanguageModelBenchmark, counts: [Int]? = nil) {
    self.benchmark = benchmark
    self.counts = counts
  }

  /// A measured step and its prediction.
  public struct Row: Sendable, Equatable {
    public var ranks: Int
    /// The number of sequences over all ranks.
    public var batch: Int
    public var seconds: Double
    /// The components of the prediction.
    public var compute: Double
    public var communication: Double
    public var tokensPerSecond: Double

    public var predicted: Double { compute + communication }
  }

  /// The fitted parameters of sums over some of the ranks.
  public struct Sums: Sendable, Equatable {
    public var ranks: Int
    /// The latency in seconds. It includes the totals of a step.
    public var latency: Double
    /// The bandwidth in bytes per second.
    public var bandwidth: Double
    /// The time to send all parameters to all ranks, in seconds; 0 if a step doesn't do that.
    public var gather = 0.0

    /// The time of the communication of a step, on average.
    ///
    /// - Parameter bytes: the bytes summed per step, on average.
    func seconds(_ bytes: Int, _ reduction: ReductionOptions, moments: Int) -> Double {
      let bulk = Double(bytes) / bandwidth
      guard reduction.localSteps > 1 else { return latency + bulk + gather }
      return latency + Double(1 + moments) / Double(reduction.localSteps) * latency + bulk
    }
  }

  public struct Result: Sendable {
    public var strong: [Row] = []
    public var weak: [Row] = []
    public var sums: [Sums] = []
    /// The size of the gradient in bytes.
    public var gradientBytes = 0
    /// The bytes that a step on the largest number of ranks sums, on average.
    public var summedBytes = 0
    /// The bytes that each host sends to other hosts per step on the largest number of ranks, by the formula of docs/SCALING.md.
    public var sentBytes = 0
  }

  /// The numbers of ranks to measure: the powers of two, and all ranks.
  static func counts(upTo ranks: Int) -> [Int] {
    let powers = sequence(first: 1) { 2 * $0 }.prefix { $0 < ranks }
    return Array(powers) + [ranks]
  }

  /// Runs the study (collective). The result is complete on rank 0.
  public func run(on communicator: any Communicator) throws -> Result {
    var result = Result()
    for count in counts ?? Self.counts(upTo: communicator.worldSize) {
      if let part = try communicator.first(count) {
        try measure(part, into: &result)
        try part.finalize()
      }
      // The other ranks wait here.
      try communicator.barrier()
    }
    return result
  }

  private func measure(_ part: any Communicator, into result: inout Result) throws {
    let strong = try steps(benchmark.batchSize, part)
    let measured = strong.measured
    result.gradientBytes = measured.parameters * MemoryLayout<Float>.stride
    (result.summedBytes, result.sentBytes) = (measured.summedBytes, measured.sentBytes)
    let sums = try fitSums(measured, part)
    result.sums.append(sums)
    result.strong.append(row(strong, sums))
    let weak = part.worldSize == 1 ? strong : try steps(benchmark.batchSize * part.worldSize, part)
    result.weak.append(row(weak, sums))
  }

  /// Steps of a batch, and the time that their computation alone takes on the slowest rank, in seconds.
  private struct Steps {
    var batch: Int
    var measured: StepBenchmark.Result
    var compute: Double
  }

  private func steps(_ batch: Int, _ part: any Communicator) throws -> Steps {
    var benchmark = benchmark
    benchmark.batchSize = batch
    let computed = try benchmark.run(on: LockstepCommunicator(part))
    return Steps(
      batch: batch, measured: try benchmark.run(on: part),
      compute: try part.largest(computed.milliseconds * 1e-3))
  }

  private func row(_ steps: Steps, _ sums: Sums) -> Row {
    Row(
      ranks: sums.ranks, batch: steps.batch, seconds: steps.measured.milliseconds * 1e-3,
      compute: steps.compute,
      communication: sums.seconds(
        steps.measured.summedBytes, benchmark.benchmark.reduction,
        moments: benchmark.benchmark.optimizer.momentNames.count),
      tokensPerSecond: steps.measured.tokensPerSecond)
  }

  /// Times the communication of a step, which is the sum of its totals and of a gradient, for gradients of several sizes.
  private func fitSums(_ measured: StepBenchmark.Result, _ part: any Communicator) throws -> Sums {
    guard part.worldSize > 1 else { return Sums(ranks: 1, latency: 0, bandwidth: .infinity) }
    let reduction = benchmark.benchmark.reduction
    let vector = try part.makeSummedVector(count: measured.parameters, wire: reduction.wire)
    vector.use(measured.sumMethod)
    let largest =
      reduction.localSteps > 1 ? measured.parameters : measured.summedBytes / MemoryLayout<Float>.stride
    var measurements: [ReductionBenchmark.Measurement] = []
    for size in [1, largest / 16, largest / 4, largest / 2, largest] where size > 0 {
      let seconds = try median(on: part) {
        var totals = [Double](repeating: 0, count: 5)
        try totals.withUnsafeMutableBufferPointer { try part.allreduceSum($0) }
        try vector.sum([0..<size])
      }
      measurements.append(
        ReductionBenchmark.Measurement(bytes: size * MemoryLayout<Float>.stride, seconds: seconds))
    }
    let (latency, bandwidth) = ReductionBenchmark.fit(measurements)
    let gather = try reduction.shardsOptimizer ? median(on: part) { try vector.gatherParts() } : 0
    return Sums(ranks: part.worldSize, latency: latency, bandwidth: bandwidth, gather: gather)
  }

  /// The median time of `body` on the slowest rank, in seconds.
  private func median(on part: any Communicator, _ body: () throws -> Void) throws -> Double {
    let times = try (0..<Self.repetitions).map { _ in try part.slowest(body) }
    return times.sorted()[times.count / 2]
  }

  static let repetitions = 11
}

/// A hypothetical cluster: hosts like this job's, connected by a network. Its times are only predictions.
///
///     t(h) = t + 2 ⌈log₂ h⌉ L + b(h) / W
///
/// t is the time of a step on one host, and b(h) is the number of bytes that each of h hosts sends per step (`ReductionOptions.sentBytes`). Between the
/// hosts the gradient is summed by a reduce-scatter and an allgather (R. Thakur et al., "Optimization of collective communication
/// operations in MPICH", 2005, section 4.5), with latency L and bandwidth W of the network per host.
public struct PredictedCluster: Sendable, Equatable {
  /// The latency in seconds.
  public var latency: Double
  /// The bandwidth of a host in bytes per second.
  public var bandwidth: Double

  public init(latency: Double, bandwidth: Double) {
    self.latency = latency
    self.bandwidth = bandwidth
  }

  /// Returns the predicted time of a step on `hosts` hosts in seconds, and its speed-up over one host with the same
  /// batch per rank.
  ///
  /// - Parameters:
  ///   - row: the step on all ranks of one host, from weak scaling.
  ///   - sent: the bytes that each host sends per step.
  public func step(hosts: Int, host row: ScalingStudy.Row, sent: Int) -> (seconds: Double, speedup: Double) {
    let network = seconds(hosts: hosts, sent: sent)
    return (row.predicted + network, Double(hosts) * row.predicted / (row.predicted + network))
  }

  /// Returns the number of local steps at which communication takes a tenth of the time: H = 9 M / c, where c is the computation of
  /// a step and M = (1 + k) (l + 4 N / w + 2 ⌈log₂ h⌉ L + b / W) an outer update, with k moments of N elements.
  ///
  /// - Parameters:
  ///   - row: the step on all ranks of one host, from weak scaling.
  ///   - sums: the sums over these ranks.
  ///   - wire: how elements are sent between hosts: b = 2 (h − 1) / h · 4 N bytes, or half of that.
  public func localSteps(
    hosts: Int, host row: ScalingStudy.Row, _ sums: ScalingStudy.Sums, parameters: Int, moments: Int,
    _ wire: WireFormat
  ) -> Int {
    var reduction = ReductionOptions()
    reduction.wire = wire
    let bytes = parameters * MemoryLayout<Float>.stride
    let sent = reduction.sentBytes(summed: bytes, parameters: parameters, hosts: hosts)
    let vector = sums.latency + Double(bytes) / sums.bandwidth + seconds(hosts: hosts, sent: sent)
    return CommunicationAdvice.localSteps(update: Double(1 + moments) * vector / row.compute)
  }

  private func seconds(hosts: Int, sent: Int) -> Double {
    let rounds = Double(hosts <= 1 ? 0 : Int.bitWidth - (hosts - 1).leadingZeroBitCount)
    return 2 * rounds * latency + Double(sent) / bandwidth
  }
}

extension ReductionOptions {
  /// The bytes that a step sums over the ranks, on average: the gradient or, once in H local steps, the changes of all parameters
  /// and the moments.
  ///
  /// - Parameter spans: the elements of the gradient that may differ from zero.
  func summedBytes(spans: [Range<Int>], parameters: Int, moments: Int) -> Int {
    let count =
      localSteps > 1 ? parameters * (1 + moments) / localSteps : spans.reduce(0) { $0 + $1.count }
    return count * MemoryLayout<Float>.stride
  }

  /// The bytes that each of h hosts sends per step: 2 (h − 1) / h of the summed bytes, half of that in bf16, and with a sharded
  /// optimizer (h − 1) / h of the parameters.
  public func sentBytes(summed: Int, parameters: Int, hosts: Int) -> Int {
    let share = Double(hosts - 1) / Double(hosts)
    let sums = 2 * share * Double(summed) * (wire == .bf16 ? 0.5 : 1)
    let gathered = shardsOptimizer ? share * Double(parameters * MemoryLayout<Float>.stride) : 0
    return Int(sums + gathered)
  }
}
