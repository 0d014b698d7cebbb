import Foundation
import TestSupport
import Testing

/// Ranks that stop, pause, die or never start. The job must end with a message that names them, or continue.
@Suite(.timeLimit(.minutes(15))) struct WatchdogTests {
  private let folder: TemporaryDirectory

  init() throws {
    folder = try TemporaryDirectory()
    try folder.write(Array(TinyRun.text.utf8), to: "text.txt")
  }

  private func train(_ run: String, steps: Int, limits: String = "step=1") async throws -> Program {
    try await Program(
      ["train", "text", "data.train=text.txt", "--run-dir", run] + TinyRun.settings + [
        "training.steps=\(steps)", "evaluation.every_steps=1000000", "checkpoint.every_steps=500",
        "log.every_steps=50", "training.schedule.kind=constant",
      ], ranks: 2, in: folder.path, environment: ["RNN_DIST_WATCHDOG": limits])
  }

  /// Waits until the run has reported some more steps.
  private func waitForSteps(_ program: Program, _ run: String) async throws {
    func reports() -> Int {
      let text = try? String(contentsOfFile: folder.file("\(run)/metrics.jsonl"), encoding: .utf8)
      return (text ?? "").components(separatedBy: "\"event\":\"train\"").count
    }
    let before = reports()
    try await program.wait(for: "further reports") { reports() > before + 3 }
  }

  private func object(_ name: String) throws -> [String: Any] {
    let data = try Data(contentsOf: URL(fileURLWithPath: folder.file("run/\(name)")))
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  @Test(arguments: [0, 1]) func aStoppedRankEndsTheJob(rank: Int) async throws {
    let program = try await train("run", steps: 100_000_000)
    try await waitForSteps(program, "run")
    try program.send(SIGSTOP, toRank: rank)
    let outcome = try await program.wait()
    #expect(outcome.exitCode == 1 && outcome.errors.count == 1, "\(outcome)")
    let error = try #require(outcome.errors.first)
    #expect(error.contains("rank \(rank) on") && error.contains("is stopped"), "\(outcome)")
    #expect(error.contains("rank \(1 - rank) on") && error.contains(" at step "), "\(outcome)")
    #expect(error.contains("its last record is collective"), "\(outcome)")
    let record = try object("run.json")
    #expect(record["status"] as? String == "failed")
    #expect((record["message"] as? String)?.contains("is stopped") == true)
    let flight = try object("flight-record.json")
    #expect(flight["culprits"] as? [Int] == [rank])
    #expect((flight["ranks"] as? [Any])?.count == 2)
  }

  /// A pause below the limit changes nothing: the run is stopped some steps later and equals a run without a pause.
  @Test func aPausedRankGoesOn() async throws {
    let paused = try await train("paused", steps: 100_000_000, limits: "step=30")
    try await waitForSteps(paused, "paused")
    try paused.send(SIGSTOP, toRank: 1)
    try await Task.sleep(for: .seconds(2))
    try paused.send(SIGCONT, toRank: 1)
    try await waitForSteps(paused, "paused")
    try paused.send(SIGTERM, toRank: 1)
    let outcome = try await paused.wait()
    #expect(outcome.exitCode == 75, "\(outcome)")
    let last = try FileManager.default.destinationOfSymbolicLink(
      atPath: folder.file("paused/checkpoints/last"))
    let steps = try #require(Int(last.dropFirst("step-".count)))
    let undisturbed = try await train("undisturbed", steps: steps).wait()
    #expect(undisturbed.exitCode == 0, "\(undisturbed)")
    for name in ["model.safetensors", "optimizer.safetensors"] {
      let files = try ["paused", "undisturbed"].map {
        try Data(contentsOf: URL(fileURLWithPath: folder.file("\($0)/checkpoints/\(last)/\(name)")))
      }
      #expect(files[0] == files[1], "\(name)")
    }
  }

  @Test func aDeadRankIsNamed() async throws {
    let program = try await train("run", steps: 100_000_000)
    try await waitForSteps(program, "run")
    try program.send(SIGKILL, toRank: 1)
    let outcome = try await program.wait()
    #expect(outcome.exitCode != 0 && outcome.errors.count == 1, "\(outcome)")
    #expect(
      outcome.standardError.contains("has died") && outcome.standardError.contains("at step "), "\(outcome)")
    #expect(try object("run.json")["status"] as? String == "failed")
  }

  /// The second process ends before it joins the job: a usage error, another command, or another program.
  @Test(arguments: [["train", "--nonsense"], ["config", "list"]])
  func aRankThatNeverComesIsNamed(arguments: [String]) async throws {
    let outcome = try await Program.run(
      eachRank: [["train", "text", "data.train=text.txt", "--run-dir", "run"], arguments], in: folder.path,
      environment: ["RNN_DIST_WATCHDOG": "start=2"])
    #expect(outcome.exitCode == 1 && outcome.errors.count <= 1, "\(outcome)")
    // Sometimes mpirun notices it first and ends the job with its own message.
    let error = outcome.errors.first ?? outcome.standardError
    #expect(
      error.contains("rank 1 on") && error.contains("has not come")
        || error.contains("process rank 1") && error.contains("exiting improperly"), "\(outcome)")
  }

  /// Although one process has no watchdog.
  @Test func aMistypedLimitIsRefusedWithoutRanks() async throws {
    let outcome = try await Program.run(
      ["train"], in: folder.path, environment: ["RNN_DIST_WATCHDOG": "step=soon"])
    #expect(outcome.exitCode == 64 && outcome.errors.count == 1, "\(outcome)")
    #expect(outcome.standardError.contains("'step=soon' is not a limit"), "\(outcome)")
  }

  @Test func aMistypedLimitIsRefused() async throws {
    let outcome = try await Program.run(
      eachRank: [["train"], ["train"]], in: folder.path, environment: ["RNN_DIST_WATCHDOG": "stop=3"])
    #expect(outcome.exitCode == 64 && outcome.errors.count == 1, "\(outcome)")
  }
}
