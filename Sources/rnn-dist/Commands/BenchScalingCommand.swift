import ArgumentParser
import Benchmarking
import Communication
import Foundation
import RunLog
import Tasks

struct ScalingBenchCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "scaling",
    abstract: "Time training steps on 1, 2, 4 ... ranks of a job, beside predictions.",
    discussion: """
      Strong scaling divides --batch sequences among the ranks, weak scaling gives each rank --batch. A step is predicted from the \
      time that all ranks need to compute it at the same time without sending anything, and from latency and bandwidth of sums; the \
      prediction covers the precision and the method of sums, a sharded optimizer, shared parameters and local steps. With --hosts \
      the step is also predicted for hosts like this job's in a network: reduce-scatter and allgather between the hosts, nothing \
      overlapped, and the number of local steps at which communication takes a tenth of the time. These lines are predictions only.

      Examples:
        mpirun -np 2 rnn-dist bench scaling --hidden 650
        mpirun -np 2 rnn-dist bench scaling --optimizer adam --shard-optimizer
        mpirun -np 2 rnn-dist bench scaling --hosts 2,16,128 \\
          --network-latency 2 --network-bandwidth 12.5
      """)

  @OptionGroup var model: BenchmarkModelArguments
  @Option(help: "Sequences per step: in all for strong scaling, per rank for weak scaling.") var batch = 64
  @Option(help: "Time steps.") var steps = 50
  @Option(
    help: ArgumentHelp(
      "Numbers of ranks to measure, such as 1,4 (default: powers of two and all).", valueName: "list"))
  var ranks: String?
  @Option(help: ArgumentHelp("Numbers of hosts to predict, such as 2,16,128.", valueName: "list"))
  var hosts: String?
  @Option(help: "Latency of the network between hosts, microseconds.") var networkLatency = 20.0
  @Option(help: "Bandwidth of the network of a host, GB/s.") var networkBandwidth = 1.25
  @OptionGroup var step: StepBenchmarkArguments

  /// The numbers of a list; nil if one of them is not from 1 to `largest`.
  private static func numbers(_ list: String?, upTo largest: Int) -> [Int]? {
    guard let list else { return [] }
    let counts = list.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    return counts.allSatisfy { (1...largest).contains($0) } ? counts : nil
  }

  private static let mostHosts = 1 << 20
  private var hostCounts: [Int]? { Self.numbers(hosts, upTo: Self.mostHosts) }

  func validate() throws {
    try requireSizes(["batch": batch, "steps": steps])
    guard hostCounts != nil else {
      throw ValidationError(
        "--hosts must be numbers from 1 to \(Self.mostHosts), such as 2,16,128, not \(hosts ?? "")")
    }
    guard networkLatency >= 0, networkBandwidth > 0 else {
      throw ValidationError("--network-latency must be at least 0 and --network-bandwidth above 0")
    }
    guard step.products == .rule else {
      throw ValidationError(
        "--products tuned is an option of bench lm: bench scaling has products by the rule")
    }
    guard step.profile == nil, step.records == nil else {
      throw ValidationError("--profile and --records are options of bench lm")
    }
  }

  func run(on communicator: any Communicator) throws -> Int32 {
    step.kernels.use()
    try Threads.share(among: communicator, reproducible: false)
    guard let counts = Self.numbers(ranks, upTo: communicator.worldSize) else {
      throw ValidationError(
        "--ranks must be numbers from 1 to \(communicator.worldSize), the ranks of this job, not \(ranks ?? "")"
      )
    }
    let study = ScalingStudy(
      benchmark: LanguageModelBenchmark(
        shape: model.shape(), batchSize: batch, steps: steps,
        benchmark: step.benchmark(optimizer: .sgd, iterations: 20)),
      counts: counts.isEmpty ? nil : Set(counts).sorted())
    let result = try study.run(on: communicator)
    guard communicator.rank == 0 else { return ExitCode.done }
    let clusters = predictions(result, moments: study.benchmark.benchmark.optimizer.momentNames.count)
    if step.json {
      try StandardOutput.line(object(result, clusters).text)
    } else {
      try show(result, clusters)
    }
    return ExitCode.done
  }

  private struct Prediction {
    var hosts: Int
    var ranks: Int
    var seconds: Double
    var speedup: Double
    /// The numbers of local steps at which communication takes a tenth of the time, with sums in fp32 and in bf16.
    var localSteps: (fp32: Int, bf16: Int)
  }

  private func predictions(_ result: ScalingStudy.Result, moments: Int) -> [Prediction] {
    guard let row = result.weak.last, let sums = result.sums.last else { return [] }
    let cluster = PredictedCluster(latency: networkLatency * 1e-6, bandwidth: networkBandwidth * 1e9)
    let parameters = result.gradientBytes / MemoryLayout<Float>.stride
    return (hostCounts ?? []).map { hosts in
      func localSteps(_ wire: WireFormat) -> Int {
        cluster.localSteps(hosts: hosts, host: row, sums, parameters: parameters, moments: moments, wire)
      }
      let sent = step.reduction.sentBytes(summed: result.summedBytes, parameters: parameters, hosts: hosts)
      let (seconds, speedup) = cluster.step(hosts: hosts, host: row, sent: sent)
      return Prediction(
        hosts: hosts, ranks: hosts * row.ranks, seconds: seconds, speedup: speedup,
        localSteps: (localSteps(.fp32), localSteps(.bf16)))
    }
  }

  // MARK: The result

  private func show(_ result: ScalingStudy.Result, _ clusters: [Prediction]) throws {
    try StandardOutput.line(
      "\(model.summary), T=\(steps), gradient of \(Console.grouped(result.gradientBytes)) bytes")
    for (name, rows) in [("strong scaling", result.strong), ("weak scaling", result.weak)] {
      try StandardOutput.line(
        "\(name)\n ranks  batch    step ms  predicted = compute + sums   error    tokens/s  speed-up")
      for row in rows {
        let error = row.predicted / row.seconds - 1
        try StandardOutput.line(
          String(
            format: "%6d %6d %10.2f %10.2f %9.2f %6.2f %6.1f%% %11.0f %9.2f", row.ranks, row.batch,
            row.seconds * 1e3, row.predicted * 1e3, row.compute * 1e3, row.communication * 1e3, error * 100,
            row.tokensPerSecond, row.tokensPerSecond / max(rows[0].tokensPerSecond, .leastNormalMagnitude)))
      }
    }
    for sums in result.sums where sums.ranks > 1 {
      try StandardOutput.line(
        String(
          format: "sums over %d ranks: latency %.1f us, bandwidth %.2f GB/s", sums.ranks, sums.latency * 1e6,
          sums.bandwidth * 1e-9))
    }
    if result.sentBytes > 0 {
      try StandardOutput.line("bytes per step and host: \(Console.grouped(result.sentBytes)) by formula")
    }
    for cluster in clusters {
      try StandardOutput.line(
        String(
          format: """
            predicted: %d hosts, %d ranks: %.2f ms per step, %.1f times as fast as one host; communication takes 10 %% \
            with --local-steps %d, in bf16 with %d
            """,
          cluster.hosts, cluster.ranks, cluster.seconds * 1e3, cluster.speedup, cluster.localSteps.fp32,
          cluster.localSteps.bf16))
    }
  }

  private func object(_ result: ScalingStudy.Result, _ clusters: [Prediction]) -> JSONValue {
    func list(_ rows: [ScalingStudy.Row]) -> JSONValue {
      .array(
        rows.map { row in
          [
            "ranks": .integer(row.ranks), "batch": .integer(row.batch), "ms": .double(row.seconds * 1e3),
            "predicted_ms": .double(row.predicted * 1e3), "compute_ms": .double(row.compute * 1e3),
            "communication_ms": .double(row.communication * 1e3), "tok_s": .double(row.tokensPerSecond),
          ]
        })
    }
    let sums = result.sums.filter { $0.ranks > 1 }.map { sums -> JSONValue in
      [
        "ranks": .integer(sums.ranks), "latency_us": .double(sums.latency * 1e6),
        "bandwidth_gb_s": .double(sums.bandwidth * 1e-9),
      ]
    }
    let predicted = clusters.map { cluster -> JSONValue in
      [
        "hosts": .integer(cluster.hosts), "ranks": .integer(cluster.ranks),
        "predicted_ms": .double(cluster.seconds * 1e3), "predicted_speedup": .double(cluster.speedup),
        "local_steps": .integer(cluster.localSteps.fp32),
        "local_steps_bf16": .integer(cluster.localSteps.bf16),
      ]
    }
    return .object(joining: [
      ["bench": "scaling"], model.members,
      [
        "batch": .integer(batch), "steps": .integer(steps), "gradient_bytes": .integer(result.gradientBytes),
        "summed_bytes": .integer(result.summedBytes), "sent_bytes": .integer(result.sentBytes),
        "strong": list(result.strong), "weak": list(result.weak), "sums": .array(sums),
        "cluster": .array(predicted),
      ],
    ])
  }
}
