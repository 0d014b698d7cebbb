import ArgumentParser
import Communication
import Foundation
import NumericKernels
import Optimizers
import RecurrentNN
import RunLog
import Tasks
import Benchmarking

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure this machine and this program.",
    subcommands: [
      LanguageModelBenchCommand.self, EncoderDecoderBenchCommand.self, GenerationBenchCommand.self,
      ProductBenchCommand.self, ReductionBenchCommand.self,
    ])
}

struct LanguageModelBenchCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "lm",
    abstract: "Time whole training steps of a language model on random tokens.",
    discussion: """
      Forward, backward, reduction, clipping to norm 5 and update; the median of --iters steps after 5 for warming up. --batch \
      is the global batch. "gflops" counts six operations for each weight multiplied and token, however the work was saved.
      """)

  @Option(help: "rnn | gru | lstm") var cell = "lstm"
  @Option(help: "Vocabulary size.") var vocab = 65
  @Option(help: "Embedding size.") var embed = 512
  @Option(help: "Units of a layer.") var hidden = 512
  @Option(help: "Number of layers.") var layers = 2
  @Option(help: "Sequences in a step over all ranks.") var batch = 64
  @Option(help: "Time steps.") var steps = 50
  @Option(help: "Lengths spread evenly from this to --steps (default: all equal).") var shortest: Int?
  @Option(
    help: ArgumentHelp(
      "Where clusters of an adaptive softmax begin, as 2000,6000; tokens then follow Zipf's law.",
      valueName: "ids"))
  var cutoffs: String?
  @Option(help: "Keep the activations of so many steps only (default: of all).") var recompute: Int?
  @Option(help: "Timed training steps.") var iters = 20
  @Option(help: "sgd | momentum | nesterov | rmsprop | adagrad | adam | adamw") var optimizer = "sgd"
  @Option(help: "fp32 | bf16: operands of matrix products.") var precision = "fp32"
  @Option(help: "rule | tuned: who computes products in fp32, kernels or OpenBLAS; tuned: what is faster.")
  var products = "rule"
  @Flag(help: "Print one JSON object.") var json = false
  @Option(
    help: ArgumentHelp("Write the last step of rank 0 as a trace for Perfetto or Chrome.", valueName: "file"))
  var profile: String?

  /// The clusters' first ids; nil if the option is not rising ids below the vocabulary.
  private var clusters: [Int]? {
    guard let cutoffs else { return [] }
    let ids = cutoffs.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
    return AdaptiveSoftmaxOutput<Float>.areCutoffs(ids, of: vocab) ? ids : nil
  }

  func validate() throws {
    guard clusters != nil else {
      throw ValidationError("--cutoffs must be rising numbers from 1 to below --vocab, not \(cutoffs ?? "")")
    }
    if let recompute, recompute < 1 {
      throw ValidationError("--recompute must be at least 1, not \(recompute)")
    }
    guard BenchOptions.precision(precision) != nil else {
      throw ValidationError("--precision must be fp32 or bf16, not \(precision)")
    }
    try BenchOptions.requireProducts(products, precision)
    guard BenchOptions.cell(cell) != nil else {
      throw ValidationError("--cell must be rnn, gru or lstm, not \(cell)")
    }
    guard OptimizerSettings.Kind(rawValue: optimizer) != nil else {
      throw ValidationError("--optimizer must be one of \(OptimizerSettings.Kind.allCases.map(\.rawValue))")
    }
    try BenchOptions.requireSizes([
      ("vocab", vocab), ("embed", embed), ("hidden", hidden), ("layers", layers), ("batch", batch),
      ("steps", steps), ("iters", iters),
    ])
    if let shortest, !(1...steps).contains(shortest) {
      throw ValidationError("--shortest must be from 1 to --steps, not \(shortest)")
    }
  }

  func run(on communicator: any Communicator) throws -> Int32 {
    guard let cellKind = BenchOptions.cell(cell), let mode = BenchOptions.precision(precision),
      let kind = OptimizerSettings.Kind(rawValue: optimizer)
    else { return ExitCode.usage }
    try Threads.share(among: communicator, reproducible: false)
    let benchmark = LanguageModelBenchmark(
      shape: LanguageModelShape(
        vocabularySize: vocab, embeddingSize: embed,
        network: NetworkOptions(cellKind, hiddenSize: hidden, layers: layers), cutoffs: clusters ?? []),
      batchSize: batch, steps: steps, shortest: shortest, segment: recompute,
      benchmark: StepBenchmark(
        iterations: iters, optimizer: kind, precision: mode, tunesProducts: products == "tuned"))
    let result = try benchmark.run(on: communicator)
    guard communicator.rank == 0 else { return ExitCode.done }
    try BenchOptions.writeTrace(result, to: profile)
    try StandardOutput.line(json ? describe(result, communicator).text : line(result, communicator))
    if !json { try BenchOptions.lines(result).forEach(StandardOutput.line) }
    return ExitCode.done
  }

  private func describe(_ result: StepBenchmark.Result, _ communicator: any Communicator) -> JSONValue {
    .object(
      [
        JSONMember("bench", "lm"), JSONMember("cell", .string(cell)), JSONMember("vocab", .integer(vocab)),
        JSONMember("embed", .integer(embed)), JSONMember("hidden", .integer(hidden)),
        JSONMember("layers", .integer(layers)), JSONMember("batch", .integer(batch)),
        JSONMember("steps", .integer(steps)), JSONMember("shortest", .integer(shortest ?? steps)),
        JSONMember("cutoffs", .array((clusters ?? []).map { .integer($0) })),
        JSONMember("recompute", .integer(recompute ?? 0)), JSONMember("optimizer", .string(optimizer)),
        JSONMember("precision", .string(precision)),
        JSONMember("tok_s", .integer(Int(result.tokensPerSecond))),
        JSONMember("best_tok_s", .integer(Int(result.bestTokensPerSecond))),
      ] + BenchOptions.members(result, communicator))
  }

  private func line(_ result: StepBenchmark.Result, _ communicator: any Communicator) -> String {
    String(
      format:
        "%@ %dx%d, V=%d, B=%d, T=%d, %d x %d: %.1f ms, %@ tok/s (best %@), %.1f GFLOP/s, %d MiB (%d planned), comm %.1f%%",
      cell, layers, hidden, vocab, batch, steps, communicator.worldSize, KernelThreads.count,
      result.milliseconds,
      Console.grouped(Int(result.tokensPerSecond)), Console.grouped(Int(result.bestTokensPerSecond)),
      result.gigaflops, result.residentMiB, result.plan.total >> 20, 100 * result.communicationShare)
  }
}
