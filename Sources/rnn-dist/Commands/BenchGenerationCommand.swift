import ArgumentParser
import Benchmarking
import Foundation
import NumericKernels
import RunLog
import Tasks

struct GenerationBenchCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Time sampling from a language model with random weights.",
    discussion:
      """
      Tokens per second over all streams: the median of five runs of --length tokens, at temperature 0.8. A step reads every \
      weight once, whatever the number of streams: the limit that is printed with the result is the rate at which a cache or the \
      memory delivers as many bytes. "utilization" counts two operations per multiplied weight and token.
      """)

  @OptionGroup var model: BenchmarkModelArguments
  @OptionGroup var kernels: KernelArguments
  @Option(help: "Tokens to sample for each stream.") var length = 1000
  @Option(help: "Texts to write in parallel.") var streams = 1
  @Option(help: "Number of threads.") var threads = 1
  @Option(help: "Precision of the operands of matrix products.") var precision = ProductPrecision.fp32
  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws {
    try requireSizes(["length": length, "streams": streams, "threads": threads])
  }

  func runLocally() throws -> Int32 {
    kernels.use()
    KernelThreads.count = threads
    let result = try GenerationBenchmark(
      shape: model.shape(), streams: streams, length: length, precision: precision
    ).run()
    let (rate, best) = (Int(result.tokensPerSecond), Int(result.bestTokensPerSecond))
    if json {
      let object = JSONValue.object(joining: [
        ["bench": "generate"], model.members,
        [
          "length": .integer(length), "streams": .integer(streams), "threads": .integer(KernelThreads.count),
          "precision": .string(precision.rawValue), "kernels": .string(InstructionSet.inUse.name),
          "chars_s": .integer(rate),
          "best_chars_s": .integer(best), "limit_chars_s": .integer(Int(result.bandwidthLimit)),
          "utilization": .double(result.utilization), "rss_mib": .integer(result.residentMiB),
          "shares": result.shares.json,
        ],
      ])
      try StandardOutput.line(object.text)
    } else {
      try StandardOutput.line(
        "\(model.summary), \(streams) stream(s), \(KernelThreads.count) thread(s), \(precision), \(InstructionSet.inUse): "
          + "\(Console.grouped(rate)) tokens/s (best \(Console.grouped(best))), \(result.residentMiB) MiB\n"
          + String(
            format:
              "  %.0f%% of the %@ tokens/s that reading the weights once per step allows; utilization %.0f%%; time: %@",
            100 * result.tokensPerSecond / result.bandwidthLimit, Console.grouped(Int(result.bandwidthLimit)),
            100 * result.utilization, result.shares.summary))
    }
    return ExitCode.done
  }
}
