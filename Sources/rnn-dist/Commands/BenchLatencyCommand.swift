import ArgumentParser
import Benchmarking
import Foundation
import NumericKernels
import RecurrentNN
import RunLog
import Tasks

struct LatencyBenchCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "latency",
    abstract: "Time the recurrent layers of a model in use.",
    discussion: """
      The forward pass of the layers alone, without embedding and output, on random inputs as wide as the layers: the median \
      and the best of the calls of half a second. "utilization" counts two operations per multiplied weight and time step.
      """)

  @Option(help: "Recurrent cell.") var cell = CellKind.lstm
  @Option(help: "Units per layer.") var hidden = 512
  @Option(help: "Number of layers.") var layers = 2
  @Option(help: "Sequences that are computed together.") var batch = 1
  @Option(help: "Time steps.") var steps = 1
  @OptionGroup var kernels: KernelArguments
  @Option(help: "Number of threads.") var threads = 1
  @Option(help: "Precision of matrix products.") var precision = ProductPrecision.fp32
  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws {
    try requireSizes([
      "hidden": hidden, "layers": layers, "batch": batch, "steps": steps, "threads": threads,
    ])
  }

  func runLocally() throws -> Int32 {
    kernels.use()
    KernelThreads.count = threads
    var options = CellOptions()
    options.kind = cell
    let result = try LatencyBenchmark(
      network: NetworkOptions(options, hiddenSize: hidden, layers: layers), inputSize: hidden,
      batchSize: batch, steps: steps, precision: precision
    ).run()
    if json {
      let object: JSONValue = [
        "bench": "latency", "cell": .string(cell.rawValue), "hidden": .integer(hidden),
        "layers": .integer(layers), "batch": .integer(batch), "steps": .integer(steps),
        "threads": .integer(KernelThreads.count), "precision": .string(precision.rawValue),
        "kernels": .string(InstructionSet.inUse.name), "us": .double(result.microseconds),
        "best_us": .double(result.bestMicroseconds), "calls": .integer(result.calls),
        "parameters": .integer(result.parameters), "utilization": .double(result.utilization),
        "shares": result.shares.json,
      ]
      try StandardOutput.line(object.text)
    } else {
      try StandardOutput.line(
        "\(cell.rawValue) \(layers)x\(hidden), B=\(batch), T=\(steps), \(KernelThreads.count) thread(s), "
          + "\(precision), \(InstructionSet.inUse): "
          + String(
            format: "%.1f us (best %.1f, %d calls)\n  utilization %.0f%%; time: %@", result.microseconds,
            result.bestMicroseconds, result.calls, 100 * result.utilization, result.shares.summary))
    }
    return ExitCode.done
  }
}
