import Foundation
import TestSupport
import Testing

/// Signals and resumption from the view of a user or a scheduler.
@Suite(.timeLimit(.minutes(15))) struct TrainCommandTests {
  private let folder: TemporaryDirectory

  init() throws {
    folder = try TemporaryDirectory()
    try folder.write(Array(TinyRun.text.utf8), to: "text.txt")
  }

  private func arguments(_ run: String, _ more: [String]) -> [String] {
    ["train", "text", "data.train=text.txt", "--run-dir", run] + TinyRun.settings
      + [
        "model.dropout=0.2", "training.schedule.kind=constant", "evaluation.every_steps=7",
        "log.every_steps=5",
      ] + more
  }

  private func status(of run: String) throws -> String? {
    let data = try Data(contentsOf: URL(fileURLWithPath: folder.file("\(run)/run.json")))
    return (try JSONSerialization.jsonObject(with: data) as? [String: Any])?["status"] as? String
  }

  private func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: folder.file(name)) }

  /// The step of the checkpoint that a link of the run points at.
  private func lastStep(of run: String) throws -> Int {
    let target = try FileManager.default.destinationOfSymbolicLink(
      atPath: folder.file("\(run)/checkpoints/last"))
    return try #require(Int(target.dropFirst("step-".count)))
  }

  private func checkpoint(_ run: String, step: Int) throws -> [String: Data] {
    let directory = folder.file("\(run)/checkpoints/step-\(step)")
    var files: [String: Data] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
      files[name] = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(name)"))
    }
    return files
  }

  /// An endless run is stopped by a signal at some step, resumed, and ends as if it had never stopped.
  @Test(arguments: [nil, 2], [SIGTERM, SIGINT, SIGHUP])
  func stopAndResume(ranks: Int?, signal: Int32) async throws {
    let endless = arguments("stopped", ["training.steps=100000000", "checkpoint.every_steps=1000000"])
    let program = try await Program(endless, ranks: ranks, in: folder.path)
    try await program.wait(for: "the first report") { reports("stopped") > 0 }
    // One rank gets the signal; all ranks stop together.
    if ranks == nil { program.send(signal) } else { try program.send(signal, toRank: 1) }
    let stopped = try await program.wait()
    #expect(stopped.exitCode == 75 && stopped.errors.isEmpty, "\(stopped)")
    let launcher = ranks.map { "to continue: mpirun -np \($0) " } ?? "to continue: "
    #expect(
      stopped.standardError.contains(launcher)
        && stopped.standardError.contains("rnn-dist train --run-dir stopped --resume"), "\(stopped)")
    #expect(try status(of: "stopped") == "stopped")

    let steps = try lastStep(of: "stopped") + 25
    let length = ["training.steps=\(steps)"]
    let (resuming, training) = (
      try await Program(
        ["train", "--run-dir", "stopped", "--resume"] + length, ranks: ranks, in: folder.path),
      try await Program(
        arguments("whole", length + ["checkpoint.every_steps=1000000"]), ranks: ranks, in: folder.path)
    )
    let (resumed, whole) = (try await resuming.wait(), try await training.wait())
    #expect(
      resumed.exitCode == 0 && resumed.standardError.contains("resumed from step \(steps - 25)"), "\(resumed)"
    )
    #expect(whole.exitCode == 0, "\(whole)")
    let (one, other) = (try checkpoint("stopped", step: steps), try checkpoint("whole", step: steps))
    #expect(one.keys.sorted() == ["model.safetensors", "optimizer.safetensors", "state.json"])
    for (name, content) in one { #expect(content == other[name], "\(name) differs") }
    #expect(try status(of: "stopped") == "finished")
  }

  /// Signals that arrive before training begins: here the program waits for its configuration.
  @Test func signalsAtTheStart() async throws {
    let configuration = folder.file("late.yaml")
    #expect(mkfifo(configuration, 0o600) == 0)
    let words = arguments("run", ["training.steps=100000000"])
    let program = try await Program(["train", configuration] + words.dropFirst(2), in: folder.path)
    let writer = try await program.writer(to: configuration)
    program.send(SIGUSR1)
    program.send(SIGTERM)
    try await Task.sleep(for: .milliseconds(100))
    try writer.write(contentsOf: Data("task: language-model\n".utf8))
    try writer.close()
    let outcome = try await program.wait()
    #expect(outcome.exitCode == 75 && outcome.errors.isEmpty, "\(outcome)")
    #expect(try lastStep(of: "run") == 1)
  }

  /// Signals that arrive while the system loads the program wait if the parent has blocked them.
  @Test func blockedSignalsWaitForTheProgram() async throws {
    let words = arguments("run", ["training.steps=100000000"]).joined(separator: " ")
    let outcome = try await Program.run(
      shell: """
        exec env --block-signal=TERM,USR1 sh -c 'kill -USR1 $$; kill -TERM $$; exec "$PROGRAM" \(words)'
        """, in: folder.path, environment: [:])
    #expect(outcome.exitCode == 75 && outcome.errors.isEmpty, "\(outcome)")
    #expect(try lastStep(of: "run") == 1)
  }

  /// A supervisor may always pass --resume with a configuration; a warning reveals a mistyped name.
  @Test func resumingNothingSaysSo() async throws {
    let outcome = try await Program.run(
      arguments("nothing", ["training.steps=2", "--resume"]), in: folder.path)
    #expect(outcome.exitCode == 0 && outcome.standardError.contains("from the beginning"), "\(outcome)")
  }

  /// Ranks get different directories or configurations, of which only rank 0's would be used.
  @Test(arguments: [
    ["text", "--run-dir", "other"], ["char-lm", "--run-dir", "run"],
    ["text", "--run-dir", "run", "--dry-run"],
  ]) func ranksWithOtherArguments(words: [String]) async throws {
    let settings = ["data.train=text.txt"] + TinyRun.settings
    let outcome = try await Program.run(
      eachRank: [["train", "text", "--run-dir", "run"] + settings, ["train"] + words + settings],
      in: folder.path)
    #expect(outcome.exitCode == 78 && outcome.errors.count == 1, "\(outcome)")
    let found =
      "the command line differs from rank 0's on rank 1 (of 2): \"train \(words.joined(separator: " ")) "
    #expect(outcome.errors.first?.contains(found) == true && !exists("run") && !exists("other"), "\(outcome)")
  }

  /// A mistyped directory must not become a run of the built-in model.
  @Test func resumingAMistypedDirectoryCreatesNothing() async throws {
    let outcome = try await Program.run(["train", "--run-dir", "typo", "--resume"], in: folder.path)
    #expect(outcome.exitCode == 66 && !exists("typo"), "\(outcome)")
  }

  /// Only rank 0 needs to see the run directory: its configuration reaches every rank.
  @Test func rank0ReadsTheConfigurationOfTheRun() async throws {
    #expect(try await Program.run(arguments("run", ["training.steps=3"]), in: folder.path).exitCode == 0)
    let script = """
      test "$OMPI_COMM_WORLD_RANK" = 0 || { mkdir -p elsewhere && cp -f text.txt elsewhere && cd elsewhere; }
      exec "$PROGRAM" train --run-dir run --resume training.steps=5
      """
    let outcome = try await Program.run(shell: script, ranks: 2, in: folder.path)
    #expect(outcome.exitCode == 0 && outcome.standardError.contains("resumed from step 3"), "\(outcome)")
    #expect(try lastStep(of: "run") == 5 && !exists("elsewhere/run"))
  }

  /// SIGUSR1, sent to mpirun if there is one, requests a checkpoint and nothing else.
  @Test(arguments: [nil, 2]) func saveOnRequest(ranks: Int?) async throws {
    let never = ["evaluation.every_steps=100000000", "checkpoint.every_steps=100000000"]
    let program = try await Program(
      arguments("run", ["training.steps=100000000"] + never), ranks: ranks, in: folder.path)
    try await program.wait(for: "the first report") { reports("run") > 0 }
    #expect(!exists("run/checkpoints/last"))
    program.send(SIGUSR1)
    try await program.wait(for: "a checkpoint") { exists("run/checkpoints/last") }
    // Two ranks may get the signal at different steps, and a checkpoint is written for each, and then no more.
    try await waitForReports(20, of: program)
    let saved = try lastStep(of: "run")
    try await waitForReports(20, of: program)
    #expect(try lastStep(of: "run") == saved)
    if ranks == nil { program.send(SIGTERM) } else { try program.send(SIGTERM, toRank: 1) }
    let outcome = try await program.wait()
    #expect(outcome.exitCode == 75, "\(outcome)")
    #expect(try lastStep(of: "run") > saved)
  }

  /// A run stores the paths of its data, so commands on it can be started in any directory.
  @Test func aRunIsEvaluatedFromAnyDirectory() async throws {
    #expect(try await Program.run(arguments("run", ["training.steps=3"]), in: folder.path).exitCode == 0)
    let elsewhere = try TemporaryDirectory()
    let outcome = try await Program.run(["evaluate", folder.file("run")], in: elsewhere.path)
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
  }

  /// The message for a preset without its data says where the data is described.
  @Test(
    arguments: [
      (["char-lm"], 78, "data.train"), (["slots"], 78, "data.train"),
      (["char-lm", "data.train=none.txt"], 66, "none.txt"),
    ] as [([String], Int32, String)])
  func dataOfAPreset(words: [String], code: Int32, problem: String) async throws {
    let outcome = try await Program.run(["train"] + words, in: folder.path)
    outcome.expect(code, problem, "rnn-dist config list \(words[0])")
    #expect(!FileManager.default.fileExists(atPath: folder.file("runs")))
  }

  /// A misspelled key has nothing to do with the data.
  @Test func noAdviceAboutDataAfterAnotherError() async throws {
    let outcome = try await Program.run(["train", "text", "training.stesp=3"], in: folder.path)
    #expect(outcome.exitCode == 78 && outcome.errors.count == 1, "\(outcome)")
    #expect(!outcome.standardError.contains("config list"), "\(outcome)")
  }

  /// A crash signal from another process ends the program; Swift's backtracer would let it continue.
  @Test(arguments: [SIGABRT, SIGSEGV, SIGILL, SIGBUS]) func crashSignalsFromOutside(signal: Int32)
    async throws
  {
    let configuration = folder.file("late.yaml")
    #expect(mkfifo(configuration, 0o600) == 0)
    let program = try await Program(["train", configuration, "--run-dir", "run"], in: folder.path)
    let writer = try await program.writer(to: configuration)
    program.send(signal)
    let outcome = try await program.wait()
    try writer.close()
    #expect(outcome.wasKilled && outcome.exitCode == signal, "\(outcome)")
  }

  /// No checkpoint is due after any step, only after some time.
  @Test func checkpointsByTime() async throws {
    let never = ["evaluation.every_steps=100000000", "checkpoint.every_steps=100000000"]
    let program = try await Program(
      arguments(
        "run",
        ["training.steps=100000000", "checkpoint.every_seconds=1", "checkpoint.background=true"] + never),
      ranks: 2, in: folder.path)
    try await program.wait(for: "a checkpoint") { exists("run/checkpoints/last") }
    let first = try lastStep(of: "run")
    try await program.wait(for: "another checkpoint") { (try? lastStep(of: "run")) ?? 0 > first }
    try program.send(SIGTERM, toRank: 1)
    let outcome = try await program.wait()
    #expect(outcome.exitCode == 75, "\(outcome)")
  }

  private func waitForReports(_ count: Int, of program: Program) async throws {
    let seen = reports("run")
    try await program.wait(for: "further reports") { reports("run") >= seen + count }
  }

  /// The number of training reports in the metrics file.
  private func reports(_ run: String) -> Int {
    let text = (try? String(contentsOfFile: folder.file("\(run)/metrics.jsonl"), encoding: .utf8)) ?? ""
    return text.components(separatedBy: "\"event\":\"train\"").count - 1
  }

  /// Larger states: an optimized build once freed their memory before the first step was rehearsed.
  @Test(arguments: ["char", "word"]) func aLargerLanguageModel(tokens: String) async throws {
    let outcome = try await Program.run(
      arguments(
        "larger",
        [
          "data.tokens=\(tokens)", "model.hidden_size=64", "model.embedding_size=16",
          "training.batch_size=16", "training.bptt=4", "training.steps=2", "evaluation.every_steps=0",
        ]), in: folder.path)
    #expect(outcome.exitCode == 0 && !outcome.wasKilled, "\(outcome)")
    #expect(try status(of: "larger") == "finished")
  }

  @Test func anExistingRunIsKeptOrReplacedAsAsked() async throws {
    let first = try await Program.run(arguments("run", ["training.steps=3"]), in: folder.path)
    #expect(first.exitCode == 0, "\(first)")
    let before = try checkpoint("run", step: 3)
    let refused = try await Program.run(arguments("run", ["training.steps=5"]), in: folder.path)
    #expect(refused.exitCode == 73 && refused.errors.count == 1, "\(refused)")
    #expect(try checkpoint("run", step: 3) == before && !exists("run/checkpoints/step-5"))
    let replaced = try await Program.run(
      arguments("run", ["training.steps=5", "--overwrite"]), in: folder.path)
    #expect(replaced.exitCode == 0 && exists("run/checkpoints/step-5"), "\(replaced)")
    #expect(!exists("run/checkpoints/step-3"))
  }

  /// The configuration that a run writes repeats the run.
  @Test func theWrittenConfigurationRepeatsTheRun() async throws {
    #expect(try await Program.run(arguments("one", ["training.steps=5"]), in: folder.path).exitCode == 0)
    let again = try await Program.run(["train", "one/config.yaml", "--run-dir", "two"], in: folder.path)
    #expect(again.exitCode == 0, "\(again)")
    #expect(try checkpoint("one", step: 5) == checkpoint("two", step: 5))
  }

  @Test func otherSettingsCannotResume() async throws {
    #expect(try await Program.run(arguments("run", ["training.steps=3"]), in: folder.path).exitCode == 0)
    let outcome = try await Program.run(
      ["train", "--run-dir", "run", "--resume", "model.hidden_size=9"], ranks: 3, in: folder.path)
    #expect(outcome.exitCode == 78 && outcome.errors.count == 1, "\(outcome)")
    #expect(outcome.standardError.contains("model.hidden_size was 8, now it is 9"), "\(outcome)")
  }

  /// A run that is resumed after its end says which key continues it; more steps continue it.
  @Test(arguments: [
    (["training.steps=3"], "training.steps=3"),
    (["training.epochs=1", "training.steps=0"], "training.epochs=1"),
    (
      ["training.steps=50", "evaluation.patience=1", "evaluation.every_steps=1", "training.learning_rate=1"],
      "evaluation.patience"
    ),
  ]) func resumingAFinishedRun(settings: [String], key: String) async throws {
    let first = try await Program.run(arguments("run", settings), in: folder.path)
    #expect(first.exitCode == 0 && !first.standardError.contains("already finished"), "\(first)")
    let outcome = try await Program.run(["train", "--run-dir", "run", "--resume"], in: folder.path)
    #expect(outcome.exitCode == 0 && outcome.standardError.contains("already finished"), "\(outcome)")
    #expect(outcome.standardError.contains(key), "\(outcome)")
    let longer = try await Program.run(
      [
        "train", "--run-dir", "run", "--resume", "training.steps=100", "training.epochs=0",
        "evaluation.patience=0",
      ],
      in: folder.path)
    #expect(longer.exitCode == 0 && !longer.standardError.contains("already finished"), "\(longer)")
    #expect(try lastStep(of: "run") == 100)
  }

  /// A checkpoint of an evaluated step is named in the line of the evaluation, one of another step in its own line.
  @Test func everyCheckpointIsSeen() async throws {
    let outcome = try await Program.run(
      arguments("run", ["training.steps=14", "checkpoint.every_steps=4"]), in: folder.path)
    let lines = outcome.standardError.split(separator: "\n")
    let saved = lines.filter { $0.hasPrefix("saved step ") }.map { $0.split(separator: " ")[2] }
    // Of several checkpoints in ten seconds, the first.
    #expect(saved.first == "4" && !saved.contains("7") && !saved.contains("14"), "\(outcome)")
    let evaluations = lines.filter { $0.hasPrefix("valid at step ") }
    #expect(evaluations.count == 2 && evaluations.allSatisfy { $0.hasSuffix("saved") }, "\(outcome)")
  }

  /// A run that fails because of its data leaves nothing that would prevent a second attempt.
  @Test func aSecondAttemptAfterBadData() async throws {
    let bad = try await Program.run(
      ["train", "text", "data.train=none.txt", "--run-dir", "run"], in: folder.path)
    #expect(bad.exitCode == 66, "\(bad)")
    let good = try await Program.run(arguments("run", ["training.steps=2"]), in: folder.path)
    #expect(good.exitCode == 0, "\(good)")
  }

  /// Jobs that start in the same second train in different directories. One that fails at once leaves none.
  @Test func runsWithoutADirectoryChooseDifferentOnes() async throws {
    let arguments = ["train", "training.steps=1", "training.epochs=0", "data.generated_size=100"]
    let outcomes = try await withThrowingTaskGroup(of: Outcome.self) { group in
      for _ in 0..<4 { group.addTask { [folder] in try await Program.run(arguments, in: folder.path) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    for outcome in outcomes { #expect(outcome.exitCode == 0, "\(outcome)") }
    let runs = try FileManager.default.contentsOfDirectory(atPath: folder.file("runs"))
    #expect(runs.count == 4)
    let failed = try await Program.run(["train", "text", "data.train=none.txt"], in: folder.path)
    #expect(failed.exitCode == 66, "\(failed)")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.file("runs")).sorted() == runs.sorted())
  }

  @Test(arguments: [nil, 2]) func dryRunWritesNothing(ranks: Int?) async throws {
    let outcome = try await Program.run(arguments("run", ["--dry-run"]), ranks: ranks, in: folder.path)
    #expect(outcome.exitCode == 0 && !exists("run"), "\(outcome)")
    #expect(outcome.standardError.contains("parameters") && outcome.standardOutput.isEmpty, "\(outcome)")
  }

  /// One rank writes the result to standard output and the log to standard error.
  @Test(arguments: [nil, 3]) func resultAndLog(ranks: Int?) async throws {
    let outcome = try await Program.run(arguments("run", ["training.steps=7"]), ranks: ranks, in: folder.path)
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(outcome.output.components(separatedBy: "held-out loss").count == 2, "\(outcome)")
    #expect(outcome.output.contains("run directory: run\n"), "\(outcome)")
    #expect(outcome.standardError.components(separatedBy: "valid at step 7").count == 2, "\(outcome)")
    let metrics = try String(contentsOfFile: folder.file("run/metrics.jsonl"), encoding: .utf8)
    let line = try #require(metrics.split(separator: "\n").first { $0.contains("\"event\":\"train\"") })
    let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    let shares = try #require(object?["communication_shares"] as? [Double])
    #expect(shares.count == ranks ?? 0 && shares.allSatisfy { (0...1).contains($0) }, "\(line)")
  }
}
