import ArgumentParser
import Foundation
import NumericKernels
import RunLog
import Training
import Tasks
import Benchmarking

struct ProductBenchCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "gemm",
    abstract: "Measure the peak of one core and the matrix products of training steps.",
    discussion: """
      GFLOP/s on one thread, and the share of the peak, which is the rate of the multiply-add units without loads and stores. \
      "recurrent" products use weights that were packed once; the others pack both operands each time. "blas" is OpenBLAS on \
      the same product.

      --tune measures these products and those of other models as training.products=tuned does, on the threads of this \
      process, and prints the choices.
      """)

  @OptionGroup var kernels: KernelArguments
  @Flag(help: "Print one JSON object.") var json = false
  @Flag(help: "Print the time of each product with our kernels and with OpenBLAS, and the choice.") var tune =
    false
  @Option(
    help: ArgumentHelp(
      "Fail unless recurrent products of at least 20 rows reach this share of the peak in fp32.",
      valueName: "share"))
  var require: Double?
  @Option(help: ArgumentHelp("The same in bf16.", valueName: "share")) var requireBf16: Double?

  func validate() throws {
    guard !tune || (require == nil && requireBf16 == nil) else {
      throw ValidationError(
        "--tune and --require contradict each other: --tune requires no share of the peak")
    }
  }

  mutating func runLocally() throws -> Int32 {
    kernels.use()
    if tune { return try printChoices() }
    BLAS.threadCount = 1
    KernelThreads.count = 1
    let peak: Peak = (fp32: MultiplyAddPeak.measured(.fp32), bf16: MultiplyAddPeak.measured(.bf16))
    let results = ProductBenchmark.shapes.map { ProductBenchmark.measure($0) }
    if json {
      let object = JSONValue.object(joining: [
        Self.machine,
        [
          "peak_gflops": .double(peak.fp32), "peak_bf16_gflops": .double(peak.bf16),
          "shapes": .array(results.map(describe)),
        ],
      ])
      try StandardOutput.line(object.text)
    } else {
      let heading = String(
        format: "peak of one core: %.1f GFLOP/s in fp32, %.1f in bf16; kernels: %@; BLAS: %@", peak.fp32,
        peak.bf16, InstructionSet.inUse.name, BLAS.coreName)
      let columns = "product     rows columns depth           fp32           bf16           blas"
      try StandardOutput.line(([heading, columns] + results.map { line($0, peak) }).joined(separator: "\n"))
    }
    let failures = results.flatMap { self.failures($0, peak) }
    for failure in failures { Console.error(failure) }
    return failures.isEmpty ? ExitCode.done : ExitCode.internal
  }

  private typealias Peak = (fp32: Double, bf16: Double)

  private static var machine: KeyValuePairs<String, JSONValue> {
    ["bench": "gemm", "kernels": .string(InstructionSet.inUse.name), "blas": .string(BLAS.coreName)]
  }

  private func printChoices() throws -> Int32 {
    KernelThreads.count = BLAS.threadCount
    // The time is sufficient for all products, because no training step waits for the result.
    let uses = ProductBenchmark.uses
    let measurements = ProductTuner(budget: 0.3 * Double(uses.count)).measure(uses)
    if json {
      let object = JSONValue.object(joining: [
        Self.machine,
        [
          "threads": .integer(KernelThreads.count), "products": .array(measurements.map(\.json)),
        ],
      ])
      try StandardOutput.line(object.text)
      return ExitCode.done
    }
    let choices = ProductChoices(measurements.map { ProductChoice($0.shape, $0.backend) })
    let threads = "\(KernelThreads.count) \(KernelThreads.count == 1 ? "thread" : "threads")"
    let lines = [ProductMeasurement.heading] + measurements.map(\.line) + ["\(choices.summary); \(threads)"]
    try StandardOutput.line(lines.joined(separator: "\n"))
    return ExitCode.done
  }

  /// The precisions in which a matrix product is below its required fraction of the peak.
  private func failures(_ result: ProductBenchmark.Measurement, _ peak: Peak) -> [String] {
    let shape = result.shape
    guard shape.role == .recurrent, shape.rows >= 20 else { return [] }
    return [
      ("fp32", require ?? 0, result.fp32 / peak.fp32), ("bf16", requireBf16 ?? 0, result.bf16 / peak.bf16),
    ].filter { $0.2 < $0.1 }.map { precision, required, share in
      String(
        format: "below %.2f of the peak: %@ product of %d rows, %d columns, depth %d: %.3f", required,
        precision, shape.rows, shape.columns, shape.depth, share)
    }
  }

  private func line(_ result: ProductBenchmark.Measurement, _ peak: Peak) -> String {
    let shape = result.shape
    let rates = [(result.fp32, peak.fp32), (result.bf16, peak.bf16), (result.blas, peak.fp32)].map {
      String(format: " %7.1f (%3.0f%%)", $0, 100 * $0 / $1)
    }
    return shape.role.rawValue.padding(toLength: 10, withPad: " ", startingAt: 0)
      + String(format: "%6d %7d %5d", shape.rows, shape.columns, shape.depth) + rates.joined()
  }

  private func describe(_ result: ProductBenchmark.Measurement) -> JSONValue {
    [
      "product": .string(result.shape.role.rawValue), "rows": .integer(result.shape.rows),
      "columns": .integer(result.shape.columns), "depth": .integer(result.shape.depth),
      "fp32_gflops": .double(result.fp32), "bf16_gflops": .double(result.bf16),
      "blas_gflops": .double(result.blas),
    ]
  }
}

extension ProductMeasurement {
  /// The heading of a table of measurements.
  static let heading = "form                rows columns   depth   kernels, µs  OpenBLAS, µs  chosen"

  var line: String {
    let form = shape.form.rawValue.padding(toLength: 18, withPad: " ", startingAt: 0)
    return form
      + String(
        format: "%6d %7d %7d %13.1f %13.1f  %@", shape.rows, shape.columns, shape.depth, kernels, blas,
        backend.rawValue)
  }

  var json: JSONValue {
    .object(joining: [
      ProductChoice(shape, backend).members, ["kernels_us": .double(kernels), "blas_us": .double(blas)],
    ])
  }
}

extension ProductChoice {
  var members: KeyValuePairs<String, JSONValue> {
    [
      "form": .string(shape.form.rawValue), "rows": .integer(shape.rows), "columns": .integer(shape.columns),
      "depth": .integer(shape.depth), "chosen": .string(backend.rawValue),
    ]
  }
}
