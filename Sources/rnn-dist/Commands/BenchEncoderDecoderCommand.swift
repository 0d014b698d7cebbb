import ArgumentParser
import Communication
import Foundation
import NumericKernels
import Optimizers
import RunLog
import Tasks
import Benchmarking

struct EncoderDecoderBenchCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "seq2seq",
    abstract: "Time whole training steps of an encoder-decoder with additive attention on random pairs.",
    discussion: """
      A bidirectional LSTM of --hidden units a direction, a decoder LSTM and an attention of --hidden units, a readout of --embed. \
      --batch is the global batch; tokens are those of the targets.
      """)

  @Option(help: "Vocabulary of the source.") var src = 8000
  @Option(help: "Vocabulary of the target.") var tgt = 8000
  @Option(help: "Embedding size of both.") var embed = 256
  @Option(help: "Units.") var hidden = 512
  @Option(help: "Pairs in a step over all ranks.") var batch = 64
  @Option(help: "Length of every source.") var slen = 20
  @Option(help: "Predictions of every target, its end included.") var tlen = 20
  @Option(help: "Timed training steps.") var iters = 10
  @Option(help: "sgd | momentum | nesterov | rmsprop | adagrad | adam | adamw") var optimizer = "adam"
  @Option(help: "fp32 | bf16: operands of matrix products.") var precision = "fp32"
  @Option(help: "rule | tuned: who computes products in fp32, kernels or OpenBLAS; tuned: what is faster.")
  var products = "rule"
  @Flag(help: "Print one JSON object.") var json = false
  @Option(
    help: ArgumentHelp("Write the last step of rank 0 as a trace for Perfetto or Chrome.", valueName: "file"))
  var profile: String?

  func validate() throws {
    guard BenchOptions.precision(precision) != nil else {
      throw ValidationError("--precision must be fp32 or bf16, not \(precision)")
    }
    try BenchOptions.requireProducts(products, precision)
    guard OptimizerSettings.Kind(rawValue: optimizer) != nil else {
      throw ValidationError("--optimizer must be one of \(OptimizerSettings.Kind.allCases.map(\.rawValue))")
    }
    try BenchOptions.requireSizes([
      ("src", src), ("embed", embed), ("hidden", hidden), ("batch", batch), ("slen", slen), ("tlen", tlen),
      ("iters", iters),
    ])
    guard (2...1 << 24).contains(tgt) else { throw ValidationError("--tgt must be 2 or more, not \(tgt)") }
  }

  func run(on communicator: any Communicator) throws -> Int32 {
    guard let mode = BenchOptions.precision(precision), let kind = OptimizerSettings.Kind(rawValue: optimizer)
    else { return ExitCode.usage }
    try Threads.share(among: communicator, reproducible: false)
    let result = try EncoderDecoderBenchmark(
      sourceVocabulary: src, targetVocabulary: tgt, embeddingSize: embed, hiddenSize: hidden,
      batchSize: batch, sourceLength: slen, targetLength: tlen,
      benchmark: StepBenchmark(
        iterations: iters, optimizer: kind, precision: mode, tunesProducts: products == "tuned")
    ).run(on: communicator)
    guard communicator.rank == 0 else { return ExitCode.done }
    try BenchOptions.writeTrace(result, to: profile)
    try StandardOutput.line(json ? describe(result, communicator).text : line(result, communicator))
    if !json { try BenchOptions.lines(result).forEach(StandardOutput.line) }
    return ExitCode.done
  }

  private func describe(_ result: StepBenchmark.Result, _ communicator: any Communicator) -> JSONValue {
    .object(
      [
        JSONMember("bench", "seq2seq"), JSONMember("src", .integer(src)), JSONMember("tgt", .integer(tgt)),
        JSONMember("embed", .integer(embed)), JSONMember("hidden", .integer(hidden)),
        JSONMember("batch", .integer(batch)), JSONMember("slen", .integer(slen)),
        JSONMember("tlen", .integer(tlen)), JSONMember("optimizer", .string(optimizer)),
        JSONMember("precision", .string(precision)),
        JSONMember("tgt_tok_s", .integer(Int(result.tokensPerSecond))),
        JSONMember("best_tgt_tok_s", .integer(Int(result.bestTokensPerSecond))),
      ] + BenchOptions.members(result, communicator))
  }

  private func line(_ result: StepBenchmark.Result, _ communicator: any Communicator) -> String {
    String(
      format:
        "seq2seq %d, V=%d, B=%d, %d to %d, %d x %d: %.1f ms, %@ target tok/s (best %@), %.1f GFLOP/s, %d MiB (%d planned), comm %.1f%%",
      hidden, tgt, batch, slen, tlen, communicator.worldSize, KernelThreads.count, result.milliseconds,
      Console.grouped(Int(result.tokensPerSecond)), Console.grouped(Int(result.bestTokensPerSecond)),
      result.gigaflops, result.residentMiB, result.plan.total >> 20, 100 * result.communicationShare)
  }
}
