// Separate file: every command has its tests in one file.

import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(15))) struct DoctorCommandTests {
  /// Problems depend on the machine; the exit code says whether there is one.
  @Test(arguments: [nil, 2]) func findingsAndExitCode(ranks: Int?) async throws {
    let folder = try TemporaryDirectory()
    let outcome = try await Program.run(["doctor", "--json"], ranks: ranks, in: folder.path)
    let object = try JSONSerialization.jsonObject(with: outcome.standardOutput) as? [String: Any]
    let findings = try #require(object?["findings"] as? [[String: Any]])
    let names = findings.compactMap { $0["name"] as? String }
    for name in [
      "slots on", "binding on", "threads on", "memory on", "shared memory", "BLAS core",
      "run directory: locks",
    ] {
      #expect(names.contains { $0.hasPrefix(name) }, "\(outcome)")
    }
    #expect(names.contains("communication") == (ranks != nil))
    let hasProblem = findings.contains { $0["verdict"] as? String == "problem" }
    #expect(outcome.exitCode == (hasProblem ? 78 : 0), "\(outcome)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0 != "cache" } == [])
  }

  @Test func aFolderThatCannotBeWrittenIsAProblem() async throws {
    let folder = try TemporaryDirectory()
    let outcome = try await Program.run(["doctor", "--run-dir", "/proc/runs"], in: folder.path)
    #expect(outcome.exitCode == 78 && outcome.output.contains("problem  run directory"), "\(outcome)")
  }
}
