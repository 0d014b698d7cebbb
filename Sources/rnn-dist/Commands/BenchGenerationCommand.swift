import ArgumentParser
import Foundation
import NumericKernels
import RecurrentNN
import RunLog
import Tasks
import Benchmarking

struct GenerationBenchCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Time sampling from a language model with random weights.",
    discussion:
      "Tokens a second over all streams, the median of five runs of --length tokens; temperature 0.8.")

  @Option(help: "rnn | gru | lstm") var cell = "lstm"
  @Option(help: "Vocabulary size.") var vocab = 65
  @Option(help: "Embedding size.") var embed = 512
  @Option(help: "Units of a layer.") var hidden = 512
  @Option(help: "Number of layers.") var layers = 2
  @Option(help: "Tokens drawn for each stream.") var length = 1000
  @Option(help: "Texts written side by side.") var streams = 1
  @Option(help: "Threads.") var threads = 1
  @Option(help: "fp32 | bf16: operands of matrix products.") var precision = "fp32"
  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws {
    guard BenchOptions.cell(cell) != nil else {
      throw ValidationError("--cell must be rnn, gru or lstm, not \(cell)")
    }
    guard BenchOptions.precision(precision) != nil else {
      throw ValidationError("--precision must be fp32 or bf16, not \(precision)")
    }
    try BenchOptions.requireSizes([
      ("vocab", vocab), ("embed", embed), ("hidden", hidden), ("layers", layers), ("length", length),
      ("streams", streams), ("threads", threads),
    ])
  }

  func runLocally() throws -> Int32 {
    guard let kind = BenchOptions.cell(cell), let mode = BenchOptions.precision(precision) else {
      return ExitCode.usage
    }
    KernelThreads.count = threads
    let benchmark = GenerationBenchmark(
      shape: LanguageModelShape(
        vocabularySize: vocab, embeddingSize: embed,
        network: NetworkOptions(kind, hiddenSize: hidden, layers: layers)),
      streams: streams, length: length, precision: mode)
    let result = try benchmark.run()
    if json {
      let object: JSONValue = [
        "bench": "generate", "cell": .string(cell), "vocab": .integer(vocab), "embed": .integer(embed),
        "hidden": .integer(hidden), "layers": .integer(layers), "length": .integer(length),
        "streams": .integer(streams), "threads": .integer(KernelThreads.count),
        "precision": .string(precision),
        "chars_s": .integer(Int(result.tokensPerSecond)),
        "best_chars_s": .integer(Int(result.bestTokensPerSecond)),
        "rss_mib": .integer(result.residentMiB),
      ]
      try StandardOutput.line(object.text)
    } else {
      try StandardOutput.line(
        String(
          format: "%@ %dx%d, V=%d, %d stream(s), %d thread(s), %@: %@ tokens/s (best %@), %d MiB", cell,
          layers, hidden,
          vocab, streams, KernelThreads.count, precision, Console.grouped(Int(result.tokensPerSecond)),
          Console.grouped(Int(result.bestTokensPerSecond)), result.residentMiB))
    }
    return ExitCode.done
  }
}
