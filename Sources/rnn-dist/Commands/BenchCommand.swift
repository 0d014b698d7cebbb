import ArgumentParser
import Benchmarking
import Checkpoints
import Communication
import Foundation
import NumericKernels
import Optimizers
import RecurrentNN
import RunLog
import Tasks

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure this machine and this program.",
    subcommands: [
      LanguageModelBenchCommand.self, EncoderDecoderBenchCommand.self, GenerationBenchCommand.self,
      LatencyBenchCommand.self, ProductBenchCommand.self, ReductionBenchCommand.self,
      ScalingBenchCommand.self,
    ])
}

extension ProductPrecision: ExpressibleByArgument {}
extension OptimizerSettings.Kind: ExpressibleByArgument {}
extension TrainingConfiguration.Products: ExpressibleByArgument {}
extension CellKind: ExpressibleByArgument {}
extension WireFormat: ExpressibleByArgument {}
extension ReductionOptions.Method: ExpressibleByArgument {}

extension InstructionSet: ExpressibleByArgument {
  public init?(argument: String) { self.init(name: argument) }
  public var defaultValueDescription: String { name }
  public static var allValueStrings: [String] { allCases.map(\.name) }
  // The parser would pair the raw values, which are numbers, with the names.
  public static var allValueDescriptions: [String: String] { [:] }
}

/// The option that chooses the kernels of a benchmark.
struct KernelArguments: ParsableArguments {
  @Option(help: "Instruction set of the kernels (default: RNN_DIST_KERNELS, or the best of this processor).")
  var kernels: InstructionSet?

  /// A message about an instruction set that this processor can't run.
  static var choices: String {
    "this processor can run the kernels \(InstructionSet.available.map(\.name).joined(separator: ", "))"
  }

  func validate() throws {
    guard let kernels, !kernels.isAvailable else { return }
    throw ValidationError("--kernels \(kernels): \(Self.choices)")
  }

  /// Selects the chosen set for the kernels of this process.
  func use() { kernels?.use() }
}

/// Throws unless every size is valid for a benchmark.
func requireSizes(_ sizes: KeyValuePairs<String, Int>) throws {
  let ofNetworks = ["hidden": \NetworkOptions.hiddenSize, "layers": \NetworkOptions.layers]
  for (name, value) in sizes {
    let bounds =
      ofNetworks[name].flatMap { NetworkOptions.bounds.bounds(of: $0, as: Int.self) } ?? .within(1...1 << 24)
    guard bounds.contains(value) else {
      throw ValidationError("--\(name) must be \(bounds), not \(value)")
    }
  }
}

/// The language model that a benchmark trains or samples from.
struct BenchmarkModelArguments: ParsableArguments {
  @Option(help: "Recurrent cell.") var cell = CellKind.lstm
  @Option(help: "Vocabulary size.") var vocab = 65
  @Option(help: "Embedding size.") var embed = 512
  @Option(help: "Units per layer.") var hidden = 512
  @Option(help: "Number of layers.") var layers = 2

  func validate() throws {
    try requireSizes(["vocab": vocab, "embed": embed, "hidden": hidden, "layers": layers])
  }

  func shape(cutoffs: [Int] = []) -> LanguageModelShape {
    var options = ModelOptions()
    options.network = NetworkOptions(CellOptions(cell), hiddenSize: hidden, layers: layers)
    (options.embeddingSize, options.adaptiveCutoffs) = (embed, cutoffs)
    return LanguageModelShape(options, vocabularySize: vocab)
  }

  var members: KeyValuePairs<String, JSONValue> {
    [
      "cell": .string(cell.rawValue), "vocab": .integer(vocab), "embed": .integer(embed),
      "hidden": .integer(hidden), "layers": .integer(layers),
    ]
  }

  /// `lstm 2x512, V=65`
  var summary: String { "\(cell.rawValue) \(layers)x\(hidden), V=\(vocab)" }
}

/// The options shared by the benchmarks of training steps, and the output of their results.
struct StepBenchmarkArguments: ParsableArguments {
  @OptionGroup var kernels: KernelArguments
  @Option(help: "Optimizer (default: sgd for lm, adam for seq2seq).") var optimizer: OptimizerSettings.Kind?
  @Option(help: "Precision of the operands of matrix products.") var precision = ProductPrecision.fp32
  @Option(
    help: "How to choose between our kernels and OpenBLAS in fp32: by a rule, or by measuring (tuned).")
  var products = TrainingConfiguration.Products.rule
  @Option(help: "How gradients are summed; auto: by the method that is measured to be the faster.")
  var reduceMethod = ReductionOptions.Method.sharedMemory
  @Option(help: "How gradients are sent between hosts: fp32, or half the bytes as bf16.")
  var reducePrecision = WireFormat.fp32
  @Flag(help: "Divide the optimizer's moments among the ranks.") var shardOptimizer = false
  @Flag(help: "Let the ranks on a host share one copy of parameters and moments.") var shareParameters = false
  @Option(help: "Steps that each rank makes by itself between two outer updates, which combine the ranks.")
  var localSteps = 1
  @Option(help: "Timed training steps (default: 20 for lm, 10 for seq2seq).") var iters: Int?
  @Flag(help: "Print one JSON object.") var json = false
  @Option(
    help: ArgumentHelp("Write the last step of rank 0 as a trace for Perfetto or Chrome.", valueName: "file"))
  var profile: String?
  @Option(
    help: ArgumentHelp(
      "Write the last collectives of every rank, which Benchmarks/simgrid replays.", valueName: "file"))
  var records: String?

  func validate() throws {
    try requireSizes(["iters": iters ?? 1, "local-steps": localSteps])
    guard [localSteps > 1, shardOptimizer, shareParameters].count(where: \.self) <= 1 else {
      throw ValidationError("--local-steps, --shard-optimizer and --share-parameters exclude each other")
    }
    guard localSteps == 1 || (iters ?? 0) > 0 && (iters ?? 0) % localSteps == 0 else {
      throw ValidationError("--local-steps \(localSteps) needs --iters with a multiple of it")
    }
    if shardOptimizer, optimizer?.momentNames.isEmpty ?? true {
      throw ValidationError("--shard-optimizer needs --optimizer with one that has moments, such as adam")
    }
    guard ProductPrecision.ofTraining.contains(precision) else {
      throw ValidationError("--precision \(precision): a model is trained in fp32 or bf16")
    }
    guard products == .rule || precision == .fp32 else {
      throw ValidationError("--products tuned is for fp32: OpenBLAS has no products in \(precision)")
    }
  }

  var reduction: ReductionOptions {
    var reduction = ReductionOptions()
    reduction.method = reduceMethod
    reduction.wire = reducePrecision
    reduction.shardsOptimizer = shardOptimizer
    reduction.sharesParameters = shareParameters
    reduction.localSteps = localSteps
    return reduction
  }

  func benchmark(optimizer usual: OptimizerSettings.Kind, iterations: Int) -> StepBenchmark {
    StepBenchmark(
      iterations: iters ?? iterations, optimizer: optimizer ?? usual, precision: precision,
      tunesProducts: products == .tuned, reduction: reduction)
  }

  /// The name of a benchmark, and its settings as JSON and as text.
  struct Subject {
    var name: String
    var settings: [KeyValuePairs<String, JSONValue>]
    var summary: String
    /// `target ` if only tokens of the targets are counted.
    var tokens = ""
  }

  /// Runs a benchmark on all ranks and prints the result on rank 0.
  func report(
    _ subject: Subject, _ benchmark: StepBenchmark, on communicator: any Communicator,
    _ run: () throws -> StepBenchmark.Result
  ) throws -> Int32 {
    kernels.use()
    if records != nil, communicator.worldSize == 1 {
      throw ValidationError("--records needs at least 2 ranks; start them with mpirun -np 2")
    }
    try Threads.share(among: communicator, reproducible: false)
    let result = try run()
    let collectives = try records == nil ? Data() : Self.lastCollectives(of: communicator)
    guard communicator.rank == 0 else { return ExitCode.done }
    if let records { try DurableFile.write(collectives, to: records) }
    if let profile {
      try DurableFile.write(Data(Self.trace(result.trace).text.utf8), to: profile)
    }
    guard !json else {
      let rate = subject.tokens.isEmpty ? "tok_s" : "tgt_tok_s"
      let settings: KeyValuePairs<String, JSONValue> = [
        "optimizer": .string(benchmark.optimizer.rawValue), "precision": .string(precision.rawValue),
        rate: .integer(Int(result.tokensPerSecond)),
        "best_" + rate: .integer(Int(result.bestTokensPerSecond)),
        "ranks": .integer(communicator.worldSize), "kernels": .string(InstructionSet.inUse.name),
      ]
      let object = JSONValue.object(
        joining: [["bench": .string(subject.name)]] + subject.settings + [settings, Self.members(result)]
          + (result.products.map { [["products": .array($0.measurements.map(\.json))]] } ?? []))
      try StandardOutput.line(object.text)
      return ExitCode.done
    }
    let rate = Console.grouped(Int(result.tokensPerSecond))
    let best = Console.grouped(Int(result.bestTokensPerSecond))
    let work = String(
      format:
        "%.1f ms, %@ %@tok/s (best %@), %.1f GFLOP/s (utilization %.0f%%), %d MiB (%d planned), comm %.1f%%",
      result.milliseconds, rate, subject.tokens, best, result.gigaflops, 100 * result.utilization,
      result.residentMiB,
      result.plan.total >> 20, 100 * result.communicationShare)
    try StandardOutput.line(
      "\(subject.summary), \(communicator.worldSize) x \(KernelThreads.count), \(InstructionSet.inUse): \(work)\n"
        + Self.roofline(result))
    if let products = result.products {
      let lines = ["products: \(products.choices.summary)"] + products.measurements.map(\.line)
      try StandardOutput.line(lines.map { "  \($0)" }.joined(separator: "\n"))
    }
    return ExitCode.done
  }

  private static func members(_ result: StepBenchmark.Result) -> KeyValuePairs<String, JSONValue> {
    [
      "threads": .integer(KernelThreads.count), "parameters": .integer(result.parameters),
      "ms": rounded(result.milliseconds), "gflops": rounded(result.gigaflops),
      "rss_mib": .integer(result.residentMiB), "activation_mib": .integer(result.plan.activations >> 20),
      "planned_mib": .integer(result.plan.total >> 20), "comm_share": rounded(result.communicationShare),
      "reduce_method": .string(result.sumMethod.rawValue), "summed_bytes": .integer(result.summedBytes),
      "sent_bytes": .integer(result.sentBytes),
      "product_gflops": rounded(result.productGigaflops), "peak_gflops": rounded(result.peakGigaflops),
      "utilization": rounded(result.utilization),
      "shares": result.shares.json,
      "loss": rounded(result.loss),
    ]
  }

  /// Describes how close the matrix products come to the machine's peak, and how the time of a step is spent.
  private static func roofline(_ result: StepBenchmark.Result) -> String {
    let threads = Double(KernelThreads.count)
    return String(
      format: "  products at %.1f GFLOP/s per thread, %.0f%% of a core's peak of %.1f; time: %@",
      result.productGigaflops / threads, 100 * result.productGigaflops / threads / result.peakGigaflops,
      result.peakGigaflops, result.shares.summary)
  }

  /// The last collectives of every rank as JSON, in the form of `flight-record.json` (collective).
  private static func lastCollectives(of communicator: any Communicator) throws -> Data {
    struct Rank: Codable {
      var rank: Int
      var host: String
      var records: [FlightRecord]
    }
    let own = Rank(rank: communicator.rank, host: communicator.hostName, records: communicator.records)
    let ranks = try communicator.allgather([UInt8](try JSONEncoder().encode(own))).map {
      try JSONDecoder().decode(Rank.self, from: Data($0))
    }
    return try RunRecord.json(of: ["ranks": ranks])
  }

  /// The operations of a step in the Trace Event Format, which Perfetto and Chrome show on a time axis.
  private static func trace(_ events: [StepProfile.Event]) -> JSONValue {
    let origin = events.first?.start ?? 0
    return [
      "displayTimeUnit": "ms",
      "traceEvents": .array(
        events.map { event in
          [
            "name": .string("\(event.kind)"), "ph": "X", "pid": 0, "tid": .integer(Int(event.kind.rawValue)),
            "ts": .double(Double(event.start - origin) / 1e3),
            "dur": .double(Double(event.end - event.start) / 1e3),
          ]
        }),
    ]
  }
}

/// A number with four decimal places.
private func rounded(_ value: Double) -> JSONValue { .double((value * 1e4).rounded() / 1e4) }

/// The fractions of the time of a benchmark.
extension [StepProfile.Kind: Double] {
  var json: JSONValue {
    .object(
      StepProfile.Kind.allCases.map { kind in
        JSONMember("\(kind)", rounded(self[kind] ?? 0))
      })
  }

  /// `products 91.0%, pointwise 5.2%, softmax 0.0%, …, rest 3.8%`, without the kinds that did not occur.
  var summary: String {
    let kinds = StepProfile.Kind.allCases.filter { (self[$0] ?? 0) > 0 }
    let shares = kinds.map { String(format: "%@ %.1f%%", "\($0)", 100 * (self[$0] ?? 0)) }
    let rest = String(format: "rest %.1f%%", 100 * (1 - values.reduce(0, +)))
    return (shares + [rest]).joined(separator: ", ")
  }
}
