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
    abstract: "Measure the peak of one core and the products of training steps beside it.",
    discussion: """
      GFLOP/s on one thread, and the share of what the multiply-add units do without loads and stores. recurrent: weights \
      packed once and used many times; the others pack both operands as they go. "blas" is OpenBLAS on the same product. --tune \
      measures these products and those of other models as `training.products: tuned` does, on the threads of this process, \
      and prints what it would choose.
      """)

  @Flag(help: "Print one JSON object.") var json = false
  @Flag(help: "Print how long each product takes both ways, and which is chosen, instead.") var tune = false
  @Option(
    help: ArgumentHelp(
      "Fail unless recurrent products of 20 rows and more reach this share of the peak in fp32.",
      valueName: "share"))
  var require: Double?
  @Option(help: ArgumentHelp("The same in bf16.", valueName: "share")) var requireBf16: Double?

  func validate() throws {
    guard !tune || (require == nil && requireBf16 == nil) else {
      throw ValidationError("--tune has nothing to do with --require and --require-bf16")
    }
  }

  mutating func runLocally() throws -> Int32 {
    if tune { return try printChoices() }
    BLAS.threadCount = 1
    KernelThreads.count = 1
    let peak = (fp32: MultiplyAddPeak.measured(.fp32), bf16: MultiplyAddPeak.measured(.bf16))
    let results = ProductBenchmark.shapes.map { ProductBenchmark.measure($0) }
    if json {
      try StandardOutput.line(describe(results, peak).text)
      return verdict(results, peak)
    }
    try StandardOutput.line(
      String(
        format: "peak of one core: %.1f GFLOP/s in fp32, %.1f in bf16; kernels: %@; BLAS: %@", peak.fp32,
        peak.bf16,
        "\(InstructionSet.best)", BLAS.coreName))
    try StandardOutput.line("product     rows columns depth           fp32           bf16           blas")
    for result in results { try StandardOutput.line(line(result, peak)) }
    return verdict(results, peak)
  }

  private func printChoices() throws -> Int32 {
    KernelThreads.count = BLAS.threadCount
    // Time enough for all of them: there is no first step that waits.
    let uses = ProductBenchmark.uses
    let measurements = ProductTuner(budget: 0.3 * Double(uses.count)).measure(uses)
    if json {
      let result: JSONValue = [
        "bench": "gemm", "kernels": .string("\(InstructionSet.best)"), "blas": .string(BLAS.coreName),
        "threads": .integer(KernelThreads.count), "products": .array(measurements.map(ProductText.json)),
      ]
      try StandardOutput.line(result.text)
      return ExitCode.done
    }
    try StandardOutput.line(ProductText.heading)
    for measurement in measurements { try StandardOutput.line(ProductText.line(measurement)) }
    let choices = measurements.map { ProductChoice($0.shape, $0.backend) }
    try StandardOutput.line(
      "\(ProductChoices(choices).summary); \(KernelThreads.count) "
        + (KernelThreads.count == 1 ? "thread" : "threads"))
    return ExitCode.done
  }

  /// Names what stays below a required share, and fails if there is anything.
  private func verdict(
    _ results: [ProductBenchmark.Measurement], _ peak: (fp32: Double, bf16: Double)
  ) -> Int32 {
    let shares =
      [
        (precision: "fp32", required: require ?? 0, share: { $0.fp32 / peak.fp32 }),
        (precision: "bf16", required: requireBf16 ?? 0, share: { $0.bf16 / peak.bf16 }),
      ] as [(precision: String, required: Double, share: (ProductBenchmark.Measurement) -> Double)]
    var isBelow = false
    for result in results where result.shape.role == .recurrent && result.shape.rows >= 20 {
      for (precision, required, share) in shares where share(result) < required {
        isBelow = true
        let shape = result.shape
        Console.error(
          String(
            format: "below %.2f of the peak: %@ product of %d rows, %d columns, depth %d: %.3f", required,
            precision,
            shape.rows, shape.columns, shape.depth, share(result)))
      }
    }
    return isBelow ? ExitCode.internal : ExitCode.done
  }

  private func line(_ result: ProductBenchmark.Measurement, _ peak: (fp32: Double, bf16: Double)) -> String {
    let shape = result.shape
    let name = shape.role.rawValue + String(repeating: " ", count: 10 - shape.role.rawValue.count)
    let rates = [(result.fp32, peak.fp32), (result.bf16, peak.bf16), (result.blas, peak.fp32)].map {
      String(format: " %7.1f (%3.0f%%)", $0, 100 * $0 / $1)
    }
    return name + String(format: "%6d %7d %5d", shape.rows, shape.columns, shape.depth) + rates.joined()
  }

  private func describe(_ results: [ProductBenchmark.Measurement], _ peak: (fp32: Double, bf16: Double))
    -> JSONValue
  {
    [
      "bench": "gemm", "kernels": .string("\(InstructionSet.best)"), "blas": .string(BLAS.coreName),
      "peak_gflops": .double(peak.fp32), "peak_bf16_gflops": .double(peak.bf16),
      "shapes": .array(
        results.map { result in
          [
            "product": .string(result.shape.role.rawValue), "rows": .integer(result.shape.rows),
            "columns": .integer(result.shape.columns), "depth": .integer(result.shape.depth),
            "fp32_gflops": .double(result.fp32), "bf16_gflops": .double(result.bf16),
            "blas_gflops": .double(result.blas),
          ]
        }),
    ]
  }
}
