import Foundation
import TestSupport
import Testing

/// The decisions of `launch/supervise`, with a script in place of `launch/run` that ends according to a plan.
@Suite(.timeLimit(.minutes(15))) struct SuperviseTests {
  private let folder: TemporaryDirectory

  init() throws {
    folder = try TemporaryDirectory()
    let launch = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("launch")
    try FileManager.default.createDirectory(atPath: folder.file("launch"), withIntermediateDirectories: true)
    for name in ["supervise", "mpi-environment"] {
      try FileManager.default.copyItem(
        atPath: launch.appendingPathComponent(name).path, toPath: folder.file("launch/\(name)"))
    }
    // Each line of the plan has an exit status and the step of the checkpoint that is written before.
    let run = """
      #!/bin/sh
      echo "$*" >> calls
      set -- $(sed -n "$(wc -l < calls)p" plan)
      if [ "$2" != none ]; then mkdir -p out/checkpoints; ln -sfn "step-$2" out/checkpoints/last; fi
      exit "$1"
      """
    try folder.write(run.utf8, to: "launch/run")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.file("launch/run"))
  }

  /// Supervises a job whose starts end according to `plan`, and returns the arguments of every start.
  private func supervise(
    _ arguments: String, plan: [String]
  ) async throws -> (outcome: Outcome, starts: [String]) {
    try folder.write(plan.joined(separator: "\n").utf8, to: "plan")
    let outcome = try await Program.run(
      shell: "exec launch/supervise --delay 1 \(arguments)", in: folder.path, environment: [:])
    let calls = (try? String(contentsOfFile: folder.file("calls"), encoding: .utf8)) ?? ""
    return (outcome, calls.split(separator: "\n").map(String.init))
  }

  @Test func aJobIsStartedUntilItIsFinished() async throws {
    let (outcome, starts) = try await supervise(
      "-np 2 train text --run-dir out", plan: ["137 10", "1 20", "75 30", "0 40"])
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(starts == Array(repeating: "-np 2 train text --run-dir out --resume", count: 4))
  }

  @Test func failuresWithoutANewerCheckpointAreCounted() async throws {
    let (outcome, starts) = try await supervise(
      "--attempts 2 train text --run-dir out", plan: ["1 5", "1 none", "74 none", "0 9"])
    #expect(outcome.exitCode == 74 && starts.count == 3, "\(outcome)")
    #expect(outcome.standardError.contains("2 failures in a row"), "\(outcome)")
  }

  @Test(arguments: [3, 64, 65, 66, 78]) func whatARestartCannotCureEndsIt(status: Int32) async throws {
    let (outcome, starts) = try await supervise("train text --run-dir=out", plan: ["\(status) 7", "0 8"])
    #expect(outcome.exitCode == status && starts.count == 1, "\(outcome)")
  }

  /// Hosts that don't answer are left out; a reproducible run has a power of two of ranks.
  @Test func theRanksThatAreLeftAreUsed() async throws {
    try folder.write("# all\nlocalhost slots=3\nno-such-host.invalid slots=4\n".utf8, to: "hosts")
    let (outcome, starts) = try await supervise(
      "--hostfile hosts -np 7 train text training.reproducible=true --run-dir out --resume", plan: ["0 7"])
    #expect(outcome.exitCode == 0 && starts.count == 1, "\(outcome)")
    #expect(starts[0].hasPrefix("-np 2 --hostfile "), "\(starts)")
    #expect(starts[0].hasSuffix(" train text training.reproducible=true --run-dir out --resume"), "\(starts)")
    #expect(outcome.standardError.contains("no-such-host.invalid doesn't answer"), "\(outcome)")
  }

  @Test(arguments: [
    "train text", "--delay x train text --run-dir out", "train text --run-dir out --overwrite",
  ])
  func mistakesAreRefused(arguments: String) async throws {
    let (outcome, starts) = try await supervise(arguments, plan: ["0 1"])
    #expect(outcome.exitCode == 64 && starts.isEmpty, "\(outcome)")
  }
}
