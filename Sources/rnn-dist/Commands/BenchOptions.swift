import ArgumentParser
import Checkpoints
import Communication
import Foundation
import NumericKernels
import RecurrentNN
import RunLog
import Benchmarking

/// Options that several benchmarks have in common.
enum BenchOptions {
  static func cell(_ name: String) -> CellOptions? {
    CellKind(rawValue: name).map { kind in
      var options = CellOptions()
      options.kind = kind
      return options
    }
  }

  static func precision(_ name: String) -> ProductPrecision? {
    switch name {
    case "fp32": .fp32
    case "bf16": .bf16
    default: nil
    }
  }

  static func requireProducts(_ name: String, _ precision: String) throws {
    guard ["rule", "tuned"].contains(name) else {
      throw ValidationError("--products must be rule or tuned, not \(name)")
    }
    guard name == "rule" || precision == "fp32" else {
      throw ValidationError("--products tuned is for fp32: OpenBLAS has no products in \(precision)")
    }
  }

  static func requireSizes(_ sizes: [(name: String, value: Int)]) throws {
    for (name, value) in sizes where value < 1 || value > 1 << 24 {
      throw ValidationError("--\(name) must be from 1 to \(1 << 24), not \(value)")
    }
  }

  // MARK: What benchmarks of training steps print

  /// Writes the last step of rank 0 for Perfetto, if that is asked for.
  static func writeTrace(_ result: StepBenchmark.Result, to path: String?) throws {
    guard let path else { return }
    try DurableFile.write(Data(ProfileTrace.json(result.trace).text.utf8), to: path)
  }

  /// What every benchmark of training steps reports.
  static func members(_ result: StepBenchmark.Result, _ communicator: any Communicator) -> [JSONMember] {
    [
      JSONMember("ranks", .integer(communicator.worldSize)),
      JSONMember("threads", .integer(KernelThreads.count)),
      JSONMember("parameters", .integer(result.parameters)),
      JSONMember("ms", .double(rounded(result.milliseconds))),
      JSONMember("gflops", .double(rounded(result.gigaflops))),
      JSONMember("rss_mib", .integer(result.residentMiB)),
      JSONMember("activation_mib", .integer(result.plan.activations >> 20)),
      JSONMember("planned_mib", .integer(result.plan.total >> 20)),
      JSONMember("comm_share", .double(rounded(result.communicationShare))),
      JSONMember("product_gflops", .double(rounded(result.productGigaflops))),
      JSONMember("peak_gflops", .double(rounded(result.peakGigaflops))),
      JSONMember(
        "shares",
        .object(
          StepProfile.Kind.allCases.map { JSONMember("\($0)", .double(rounded(result.shares[$0] ?? 0))) })),
      JSONMember("loss", .double(rounded(result.loss))),
    ]
      + (result.products.map { products in
        [JSONMember("products", .array(products.measurements.map(ProductText.json)))]
      } ?? [])
  }

  /// What follows the line of a benchmark of training steps.
  static func lines(_ result: StepBenchmark.Result) -> [String] {
    guard let products = result.products else { return [roofline(result)] }
    return [roofline(result), "  products: \(products.choices.summary)"]
      + products.measurements.map { "  \(ProductText.line($0))" }
  }

  /// How near the products come to the machine's peak, and where the time of a step goes.
  private static func roofline(_ result: StepBenchmark.Result) -> String {
    let shares = StepProfile.Kind.allCases.map { kind in
      String(format: "%@ %.1f%%", "\(kind)", 100 * (result.shares[kind] ?? 0))
    }
    return String(
      format: "  products at %.1f GFLOP/s a rank, %.0f%% of a core's peak of %.1f; time: %@, rest %.1f%%",
      result.productGigaflops, 100 * result.productGigaflops / result.peakGigaflops, result.peakGigaflops,
      shares.joined(separator: ", "), 100 * (1 - result.shares.values.reduce(0, +)))
  }

  private static func rounded(_ value: Double) -> Double { (value * 1e4).rounded() / 1e4 }
}
