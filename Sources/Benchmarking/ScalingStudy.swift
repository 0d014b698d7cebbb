import Communication
import NumericKernels

/// Times training steps of a language model on 1, 2, 4, … ranks of a job, and predicts each time from its components.
///
///     t(p, B) = c_p(B / p) + l_p + s / w_p
///
/// c_p(n): the time of a step on n sequences while p ranks compute at the same time without communication, so that they
/// share caches and memory bandwidth. l_p, w_p: the latency and bandwidth of summing a gradient of s bytes over p
/// ranks, fitted to sums of several sizes. Strong scaling divides one batch among the ranks, weak scaling gives every
/// rank a batch.
public struct ScalingStudy: Sendable {
  /// The model. Its batch is the batch of one rank.
  public var benchmark: LanguageModelBenchmark

  public init(benchmark: LanguageModelBenchmark) { self.benchmark = benchmark }

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
    /// The latency in seconds.
    public var latency: Double
    /// The bandwidth in bytes per second.
    public var bandwidth: Double

    func seconds(_ bytes: Int) -> Double { latency + Double(bytes) / bandwidth }
  }

  public struct Result: Sendable {
    public var strong: [Row]
    public var weak: [Row]
    public var sums: [Sums]
    /// The size of the gradient in bytes.
    public var gradientBytes: Int
  }

  /// The numbers of ranks to measure: the powers of two, and all ranks.
  static func counts(upTo ranks: Int) -> [Int] {
    let powers = sequence(first: 1) { 2 * $0 }.prefix { $0 < ranks }
    return Array(powers) + [ranks]
  }

  /// Runs the study (collective). The result is complete on rank 0.
  public func run(on communicator: any Communicator) throws -> Result {
    var result = Result(strong: [], weak: [], sums: [], gradientBytes: 0)
    for count in Self.counts(upTo: communicator.worldSize) {
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
    let (ranks, batch) = (part.worldSize, benchmark.batchSize)
    let whole = try computing(batch, part)
    result.gradientBytes = whole.parameters * MemoryLayout<Float>.stride
    let sums = try fitSums(whole.parameters, part)
    result.sums.append(sums)
    let communication = ranks > 1 ? sums.seconds(result.gradientBytes) : 0
    let shares = (batch + ranks - 1) / ranks
    let share = shares == batch ? whole : try computing(shares, part)
    result.strong.append(try row(batch, share.seconds, communication, part))
    result.weak.append(try row(batch * ranks, whole.seconds, communication, part))
  }

  private func row(
    _ batch: Int, _ compute: Double, _ communication: Double, _ part: any Communicator
  ) throws -> Row {
    var benchmark = benchmark
    benchmark.batchSize = batch
    let measured = try benchmark.run(on: part)
    return Row(
      ranks: part.worldSize, batch: batch, seconds: measured.milliseconds * 1e-3, compute: compute,
      communication: communication, tokensPerSecond: measured.tokensPerSecond)
  }

  /// The time of a step on the slowest rank while all ranks compute at the same time without communication.
  private func computing(_ batch: Int, _ part: any Communicator) throws -> (seconds: Double, parameters: Int)
  {
    var benchmark = benchmark
    benchmark.batchSize = batch
    try part.barrier()
    let mine = try benchmark.run(on: SoloCommunicator())
    return (try Self.largest(mine.milliseconds * 1e-3, on: part), mine.parameters)
  }

  /// Times the communication of a step, which is the sum of a gradient and of its totals, for parts of the gradient.
  private func fitSums(_ count: Int, _ part: any Communicator) throws -> Sums {
    guard part.worldSize > 1 else { return Sums(ranks: 1, latency: 0, bandwidth: .infinity) }
    let vector = try part.makeSummedVector(count: count, wire: benchmark.benchmark.reduction.wire)
    let clock = ContinuousClock()
    var measurements: [ReductionBenchmark.Measurement] = []
    for size in [1, count / 64, count / 8, count / 2, count] where size > 0 {
      var times: [Double] = []
      for _ in 0..<Self.repetitions {
        var totals = [Double](repeating: 0, count: 5)
        try part.barrier()
        let started = clock.now
        try totals.withUnsafeMutableBufferPointer { try part.allreduceSum($0) }
        try vector.sum([0..<size])
        times.append(try Self.largest((clock.now - started) / .seconds(1), on: part))
      }
      times.sort()
      measurements.append(
        ReductionBenchmark.Measurement(
          bytes: size * MemoryLayout<Float>.stride, seconds: times[times.count / 2]))
    }
    let (latency, bandwidth) = ReductionBenchmark.fit(measurements)
    return Sums(ranks: part.worldSize, latency: latency, bandwidth: bandwidth)
  }

  static let repetitions = 11

  private static func largest(_ seconds: Double, on part: any Communicator) throws -> Double {
    let everyone = try part.allgather(withUnsafeBytes(of: seconds.bitPattern.littleEndian, Array.init))
    return everyone.map { bytes in
      Double(bitPattern: bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) })
    }.max() ?? seconds
  }
}

/// A hypothetical cluster: hosts like this job's, connected by a network. Its times are only predictions.
///
///     t(h) = c + l_p + s / w_p + 2 ⌈log₂ h⌉ L + 2 (h − 1) / h · s / W
///
/// The first terms are those of one host. Between h hosts the gradient is summed by a reduce-scatter and an allgather (R. Thakur
/// et al., "Optimization of collective communication operations in MPICH", 2005, section 4.5), with latency L and bandwidth W of
/// the network per host.
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
  ///   - bytes: the size of the gradient.
  public func step(hosts: Int, host row: ScalingStudy.Row, bytes: Int) -> (seconds: Double, speedup: Double) {
    let rounds = Double(hosts <= 1 ? 0 : Int.bitWidth - (hosts - 1).leadingZeroBitCount)
    let share = Double(hosts - 1) / Double(hosts)
    let network = 2 * rounds * latency + 2 * share * Double(bytes) / bandwidth
    return (row.predicted + network, Double(hosts) * row.predicted / (row.predicted + network))
  }
}
