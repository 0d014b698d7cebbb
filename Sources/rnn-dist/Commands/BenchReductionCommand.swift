import ArgumentParser
import Communication
import Foundation
import RunLog
import Tasks
import Benchmarking

struct ReductionBenchCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "allreduce",
    abstract: "Time sums over all ranks and fit their latency and bandwidth.",
    discussion: """
      The median of 21 sums per size, on the slowest rank. The fit is t = latency + bytes / bandwidth.

      Example:
        mpirun -np 4 rnn-dist bench allreduce --largest 20
      """)

  @Option(help: "Maximum size of the buffer, MB.") var largest = 20
  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws {
    guard (1...4000).contains(largest) else {
      throw ValidationError("--largest must be from 1 to 4000 MB, not \(largest)")
    }
  }

  func run(on communicator: any Communicator) throws -> Int32 {
    guard communicator.worldSize > 1 else {
      throw ValidationError(
        "a sum needs at least 2 ranks; start them with mpirun -np 2 rnn-dist bench allreduce")
    }
    let result = try ReductionBenchmark(largest: largest * 250_000).run(on: communicator)
    guard communicator.rank == 0 else { return ExitCode.done }
    let bandwidth = result.bandwidth / 1e9
    if json {
      let object: JSONValue = [
        "bench": "allreduce", "ranks": .integer(communicator.worldSize),
        "latency_us": .double(result.latency * 1e6),
        "bandwidth_gb_s": .double(bandwidth),
        "sizes": .array(
          result.measurements.map { ["bytes": .integer($0.bytes), "us": .double($0.seconds * 1e6)] }),
      ]
      try StandardOutput.line(object.text)
      return ExitCode.done
    }
    try StandardOutput.line("     bytes          us      GB/s")
    for point in result.measurements {
      try StandardOutput.line(
        String(
          format: "%10d %11.1f %9.3f", point.bytes, point.seconds * 1e6,
          Double(point.bytes) / point.seconds / 1e9))
    }
    try StandardOutput.line(
      String(
        format: "%d ranks: latency %.1f us, bandwidth %.3g GB/s", communicator.worldSize,
        result.latency * 1e6, bandwidth)
    )
    return ExitCode.done
  }
}
