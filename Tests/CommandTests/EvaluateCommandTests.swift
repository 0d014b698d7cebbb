import Foundation
import TestSupport
import Testing

/// The object that `evaluate --json` prints.
private struct Score: Decodable {
  var split: String
  var data: String?
  var loss: Double
  var perplexity: Double
  var tokens: Int
  var bitsPerToken: Double
  var step: Int
  var checkpoint: String
}

@Suite(.timeLimit(.minutes(15))) struct EvaluateCommandTests {
  private func score(_ arguments: [String], ranks: Int? = nil, in folder: TemporaryDirectory) async throws
    -> Score
  {
    let outcome = try await Program.run(
      ["evaluate", "run", "--json"] + arguments, ranks: ranks, in: folder.path)
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(outcome.output.hasSuffix("}\n") && outcome.output.split(separator: "\n").count == 1)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Score.self, from: outcome.standardOutput)
  }

  /// The validation text is the last tenth; its first token can't be predicted, because no token precedes it.
  @Test func theNumbersBelongTogether() async throws {
    let folder = try await TinyRun.folder()
    let score = try await score([], in: folder)
    let characters = TinyRun.text.unicodeScalars.count
    #expect(score.split == "valid" && score.data == nil)
    #expect(score.tokens == characters - characters * 9 / 10 - 1)
    #expect(abs(score.perplexity - exp(score.loss)) < 1e-9 * score.perplexity)
    #expect(abs(score.bitsPerToken - score.loss / log(2)) < 1e-9)
    #expect(score.checkpoint == "run/checkpoints/step-\(score.step)")
  }

  /// Defaults must not take the place of settings that are lost.
  @Test(arguments: [["evaluate", "run"], ["train", "--run-dir", "run", "--resume"]])
  func anEmptyConfiguration(command: [String]) async throws {
    let folder = try await TinyRun.folder()
    try folder.write("\n", to: "run/config.yaml")
    let outcome = try await Program.run(command, in: folder.path)
    #expect(
      outcome.exitCode == 65
        && outcome.errors == ["error: run/config.yaml is empty; restore it from a copy of the run"],
      "\(outcome)")
  }

  /// Evaluation after training has the loss that training reported.
  @Test func trainingSawTheSameLoss() async throws {
    let folder = try await TinyRun.folder()
    let score = try await score(["--checkpoint", "8"], in: folder)
    let lines = try String(contentsOfFile: folder.file("run/metrics.jsonl"), encoding: .utf8).split(
      separator: "\n")
    let line = try #require(lines.first { $0.contains("\"event\":\"valid\",\"step\":8,") })
    let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    let loss = try #require(object?["loss"] as? Double)
    #expect(score.step == 8)
    #expect(abs(score.loss - loss) < 1e-12 * loss)
  }

  @Test(arguments: [1, 3]) func ranksAgreeWithOneProcess(ranks: Int) async throws {
    let folder = try await TinyRun.folder()
    let (alone, together) = (try await score([], in: folder), try await score([], ranks: ranks, in: folder))
    #expect(abs(alone.loss - together.loss) < 1e-6 * alone.loss)
    #expect(alone.tokens == together.tokens && alone.checkpoint == together.checkpoint)
  }

  /// Ranks with different settings would add up unrelated values.
  @Test(arguments: [["evaluation.batch_size=1"], ["--checkpoint", "4"], ["--data", "text.txt"]])
  func ranksWithOtherSettings(other: [String]) async throws {
    let folder = try await TinyRun.folder()
    let outcome = try await Program.run(
      eachRank: [["evaluate", "run"], ["evaluate", "run"] + other], in: folder.path)
    #expect(outcome.exitCode == 78 && outcome.output.isEmpty, "\(outcome)")
    #expect(outcome.errors.count == 1 && outcome.errors[0].contains("the command line differs"), "\(outcome)")
    #expect(outcome.errors.first?.contains("rank 1 (of 2)") == true, "\(outcome)")
  }

  /// A host with different files of the run or the data.
  @Test(arguments: [
    ("rm -r other/run/checkpoints/step-12; ln -sfn step-8 other/run/checkpoints/best", "the checkpoint"),
    ("tail -n +3 text.txt > other/text.txt", "the text"),
  ]) func ranksWithOtherFiles(change: String, what: String) async throws {
    let folder = try await TinyRun.folder()
    let outcome = try await Program.run(
      shell: """
        if test "$OMPI_COMM_WORLD_RANK" = 1; then
          mkdir other; cp -r run text.txt other; \(change); cd other
        fi
        exec "$PROGRAM" evaluate run --data text.txt
        """, ranks: 2, in: folder.path)
    #expect(outcome.exitCode == 78 && outcome.output.isEmpty, "\(outcome)")
    #expect(outcome.errors.count == 1 && outcome.errors[0].contains(what), "\(outcome)")
  }

  /// Launchers send SIGUSR1 to all processes of a job; it concerns only training.
  @Test func checkpointRequestsAreIgnored() async throws {
    let folder = try await TinyRun.folder()
    // The program can't end before the signals: it waits for its settings.
    let settings = folder.file("run/config.yaml")
    let text = try Data(contentsOf: URL(fileURLWithPath: settings))
    try FileManager.default.removeItem(atPath: settings)
    #expect(mkfifo(settings, 0o600) == 0)
    let program = try await Program(["evaluate", "run"], in: folder.path)
    let writer = try await program.writer(to: settings)
    #expect(program.ignores(SIGUSR1))
    for _ in 0..<20 { program.send(SIGUSR1) }
    try writer.write(contentsOf: text)
    try writer.close()
    let outcome = try await program.wait()
    #expect(outcome.exitCode == 0 && outcome.output.contains("loss"), "\(outcome)")
  }

  @Test func ranksWithOtherEnsembles() async throws {
    let runs = try SequenceRuns()
    try await runs.trained("seq2seq")
    try await runs.trained("seq2seq", ["seed=2"], run: "second")
    try await runs.trained("seq2seq", ["seed=3"], run: "third")
    let outcome = try await Program.run(
      eachRank: [
        ["evaluate", "run", "--ensemble", "second"], ["evaluate", "run", "--ensemble", "third"],
      ], in: runs.folder.path)
    #expect(outcome.exitCode == 78 && outcome.output.isEmpty, "\(outcome)")
    #expect(outcome.errors.count == 1 && outcome.errors[0].contains("the command line"), "\(outcome)")
  }

  @Test func anotherText() async throws {
    let folder = try await TinyRun.folder()
    let own = try await score(["--data", "text.txt"], in: folder)
    let test = try await score(["--split", "test", "data.test=text.txt"], in: folder)
    #expect(own.tokens == TinyRun.text.unicodeScalars.count - 1)
    #expect(own.split == "data" && own.data == "text.txt" && test.split == "test")
    #expect(own.loss == test.loss && own.tokens == test.tokens)
  }

  /// A short text is one stream and has one loss; a long text loses context at the start of each stream.
  @Test func theNumberOfStreamsIsASetting() async throws {
    let folder = try await TinyRun.folder()
    let (many, one) = (
      try await score([], in: folder), try await score(["evaluation.batch_size=1"], in: folder)
    )
    #expect(many.tokens == one.tokens && many.loss == one.loss)
    try folder.write(
      String(repeating: TinyRun.text, count: 5000 / TinyRun.text.count + 1).utf8, to: "long.txt")
    let long = try await score(["--data", "long.txt"], in: folder)
    let single = try await score(["--data", "long.txt", "evaluation.batch_size=1"], in: folder)
    #expect(long.tokens == single.tokens && long.loss != single.loss && abs(long.loss - single.loss) < 0.01)
  }

  @Test func readableLines() async throws {
    let folder = try await TinyRun.folder()
    let outcome = try await Program.run(["evaluate", "run", "--checkpoint", "last"], in: folder.path)
    #expect(outcome.exitCode == 0 && outcome.standardError.isEmpty, "\(outcome)")
    for part in ["nats/token", "bits/token", "perplexity", "run/checkpoints/step-12"] {
      #expect(outcome.output.contains(part), "\(outcome)")
    }
    // A pipe has no width: programs read one metric per line. This line is longer than a terminal.
    let loss = outcome.output.split(separator: "\n").first { $0.hasPrefix("loss ") }
    #expect(loss?.contains("bits/character") == true && (loss?.count ?? 0) > 80, "\(outcome)")
  }

  @Test func oneTokenIsNotPlural() async throws {
    let folder = try await TinyRun.folder()
    try folder.write("a\n", to: "short.txt")
    let outcome = try await Program.run(["evaluate", "run", "--data", "short.txt"], in: folder.path)
    #expect(outcome.exitCode == 0 && outcome.output.hasPrefix("short.txt: 1 token predicted\n"), "\(outcome)")
  }

  /// Of six tokens, the end of the line included, one is not in the training text.
  @Test func unknownTokensAreCounted() async throws {
    let folder = try await TinyRun.folder("word")
    try folder.write("the zebra sat on mat\n", to: "other.txt")
    let arguments = ["evaluate", "run", "--data", "other.txt"]
    let lines = try await Program.run(arguments, in: folder.path)
    #expect(lines.exitCode == 0 && lines.output.contains("unknown tokens        16.67 %\n"), "\(lines)")
    let json = try await Program.run(arguments + ["--json"], in: folder.path)
    #expect(json.output.contains("\"unknown_tokens\":{\"text\":0.1666"), "\(json)")
    let runs = try SequenceRuns()
    try await runs.trained("seq2seq")
    try runs.folder.write(Array("cat dog owl owl\tdog cat\n".utf8), to: "other.tsv")
    let pairs = try await runs.run("evaluate", "run", "--data", "other.tsv")
    #expect(pairs.output.contains("50.00 % of the source, 0.00 % of the target\n"), "\(pairs)")
  }

  @Test func aDamagedCheckpointIsSkippedWithAWarning() async throws {
    let folder = try await TinyRun.folder()
    let damaged = folder.file("run/checkpoints/step-12/model.safetensors")
    #expect(truncate(damaged, 100) == 0)
    let last = try await Program.run(["evaluate", "run", "--checkpoint", "last", "--json"], in: folder.path)
    #expect(last.exitCode == 0, "\(last)")
    #expect(last.output.contains("checkpoints/step-8"), "\(last)")
    #expect(last.standardError.contains("warning:") && last.standardError.contains("step-12"), "\(last)")
  }
}
