import ArgumentParser
import Benchmarking
import Communication
import Diagnosis
import Foundation
import NumericKernels
import RunLog
import Tasks

struct DoctorCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Examine this machine or job for problems that would make training slow or fail.",
    discussion: """
      Slots, binding, threads, memory, shared memory, temporary folder, processor and BLAS core on every host; locks, flushing and room \
      of the file system of the run directory; clocks, latency and bandwidth between the ranks. That all ranks run the same build with \
      the same libraries is checked at the start of every command. Each finding includes its remedy. The exit code is 78 if \
      something would make training fail.

      Examples:
        rnn-dist doctor
        mpirun -np 4 rnn-dist doctor --run-dir /scratch/runs
      """)

  @Option(help: ArgumentHelp("Directory where runs would be kept.", valueName: "dir")) var runDir = "runs"
  @Flag(help: "Print one JSON object.") var json = false

  func run(on communicator: any Communicator) throws -> Int32 {
    try Threads.share(among: communicator, reproducible: false)
    try communicator.barrier()
    var facts = HostFacts.collect()
    (facts.threads, facts.instructionSet) = (KernelThreads.count, "\(InstructionSet.inUse)")
    facts.blasCore = BLAS.coreName
    let everyone = try communicator.allgather([UInt8](try JSONEncoder().encode(facts))).map {
      try JSONDecoder().decode(HostFacts.self, from: Data($0))
    }
    var findings = Assessment.findings(everyone)
    if communicator.worldSize > 1 {
      let sums = try ReductionBenchmark(largest: 2_500_000).run(on: communicator)
      findings.append(Assessment.communication(latency: sums.latency, bandwidth: sums.bandwidth))
    }
    guard communicator.rank == 0 else { return ExitCode.done }
    findings += DirectoryProbe(runDirectory: runDir).findings()
    if json {
      try StandardOutput.line(object(findings).text)
    } else {
      try show(findings)
    }
    return findings.contains { $0.verdict == .problem } ? ExitCode.configuration : ExitCode.done
  }

  private func show(_ findings: [Finding]) throws {
    for finding in findings {
      let verdict = finding.verdict.rawValue.padding(toLength: 9, withPad: " ", startingAt: 0)
      try StandardOutput.line("\(verdict)\(finding.name): \(finding.found)")
      if let cure = finding.cure { try StandardOutput.line("         \(cure)") }
    }
  }

  private func object(_ findings: [Finding]) -> JSONValue {
    [
      "findings": .array(
        findings.map {
          [
            "name": .string($0.name), "verdict": .string($0.verdict.rawValue), "found": .string($0.found),
            "cure": $0.cure.map { .string($0) } ?? .null,
          ]
        })
    ]
  }
}
