import Foundation
import Testing

/// Reports of `train` and `evaluate` describe the actual model.
@Suite(.timeLimit(.minutes(15))) struct ReportTests {
  private let runs: SequenceRuns

  init() throws { runs = try SequenceRuns() }

  // MARK: Ensembles

  /// An ensemble uses the mean of its members' probabilities; two equal members have the result of one of them.
  @Test func theLossOfAnEnsembleIsItsOwn() async throws {
    try await runs.trained("seq2seq", ["training.learning_rate=0.02"])
    try await runs.trained("seq2seq", ["training.learning_rate=0.02", "seed=5"], run: "other")
    func loss(_ arguments: String..., run: String = "run") async throws -> Double {
      let outcome = try await Program.run(
        ["evaluate", run, "--json", "--data", "pairs.tsv"] + arguments, in: runs.folder.path)
      try #require(outcome.exitCode == 0, "\(outcome)")
      let object = try JSONSerialization.jsonObject(with: outcome.standardOutput) as? [String: Any]
      let perplexity = try #require(object?["perplexity"] as? Double)
      let loss = try #require(object?["loss"] as? Double)
      #expect(abs(perplexity - exp(loss)) < 1e-9 * perplexity)
      return loss
    }
    let (one, other) = (try await loss(), try await loss(run: "other"))
    #expect(abs(try await loss("--ensemble", "run") - one) < 1e-5 * one)
    let both = try await loss("--ensemble", "other")
    #expect(abs(try await loss("--ensemble", "run", run: "other") - both) < 1e-5 * both)
    #expect(abs(both - one) > 1e-4 && abs(both - other) > 1e-4)
    // The logarithm is concave, so the loss of the mean probability is at most the mean of the losses.
    #expect(both < (one + other) / 2)
  }

  // MARK: Averages of checkpoints

  @Test func anAverageNamesItsSteps() async throws {
    let folder = try await TinyRun.folder()
    func evaluate(_ arguments: String...) async throws -> Outcome {
      try await Program.run(["evaluate", "run"] + arguments, in: folder.path)
    }
    let two = try await evaluate("--checkpoint", "average-2")
    #expect(two.exitCode == 0 && two.standardError.isEmpty, "\(two)")
    #expect(two.output.contains("mean of 2") && two.output.contains("8, 12"), "\(two)")
    let nine = try await evaluate("--checkpoint", "average-9")
    #expect(nine.exitCode == 0 && nine.standardError.contains("warning:"), "\(nine)")
    #expect(nine.standardError.contains("average-9") && nine.standardError.contains("3"), "\(nine)")
    #expect(nine.output.contains("mean of 3"), "\(nine)")
    func steps(_ arguments: String...) async throws -> [Int]? {
      let outcome = try await Program.run(["evaluate", "run", "--json"] + arguments, in: folder.path)
      let object = try JSONSerialization.jsonObject(with: outcome.standardOutput) as? [String: Any]
      return object?["averaged_steps"] as? [Int]
    }
    #expect(try await steps("--checkpoint", "average-2") == [8, 12])
    #expect(try await steps() == nil)
  }

  // MARK: Examples

  @Test func examplesOfTagsAndClassesShowTheExpectedOutput() async throws {
    for (task, settings) in [("classifier", [String]()), ("tagger", [])] {
      let outcome = try await runs.train(task, settings + ["training.learning_rate=1e-9"], run: task)
      try #require(outcome.exitCode == 0, "\(outcome)")
      let examples =
        outcome.output.components(separatedBy: "held-out examples:\n").last?
        .split(separator: "\n").filter { $0.contains(" -> ") } ?? []
      #expect(examples.contains { $0.contains("(expected ") }, "\(outcome)")
      let sources = examples.map { $0.components(separatedBy: " -> ")[0] }
      #expect(sources.count > 1 && Set(sources).count == sources.count, "\(outcome)")
    }
  }

  /// An answer makes no sense without its question.
  @Test func examplesHaveBothSources() async throws {
    let text = (0..<40).map { "cat \($0 % 7) dog\tcat\twhere \($0 % 5)\n" }.joined()
    try runs.folder.write(Array(text.utf8), to: "questions.tsv")
    let outcome = try await runs.train(
      "seq2seq", ["data.train=questions.tsv", "data.valid=questions.tsv", "data.tokens=word"])
    let examples = outcome.output.split(separator: "\n").filter { $0.contains(" -> ") }
    #expect(examples.first?.contains("  cat 0 dog | where 0 -> ") == true, "\(outcome)")
  }

  /// If references are grouped, any of them is right.
  @Test func examplesHaveDifferentSources() async throws {
    let text = (0..<200).map { "\($0 % 2 == 0 ? "cat dog" : "hen")\t\($0 % 3 == 0 ? "a" : "b")\n" }.joined()
    try runs.folder.write(Array(text.utf8), to: "few.tsv")
    let outcome = try await runs.train(
      "seq2seq",
      [
        "data.train=few.tsv", "data.valid=few.tsv", "training.steps=60", "training.learning_rate=0.01",
        "evaluation.group_references=true",
      ])
    let examples = outcome.output.split(separator: "\n").filter { $0.contains(" -> ") }
    #expect(examples.count == 2, "\(outcome)")
    #expect(examples.allSatisfy { !$0.contains("(expected") }, "\(outcome)")
  }

  // MARK: The width of a report

  @Test func reportsFitATerminal() async throws {
    let folder = try await TinyRun.folder()
    let outcome = try await Program.run(
      ["train", "text", "data.train=text.txt", "--run-dir", "new", "log.every_steps=1"] + TinyRun.settings
        + ["training.steps=12", "model.hidden_size=64", "training.batch_size=16"], in: folder.path)
    let reports = outcome.standardError.split(separator: "\n").filter { $0.hasPrefix("step ") }
    // Lines that are not redrawn are few: that of the first step, that of the last, and one now and then.
    #expect(reports.count >= 2 && reports.allSatisfy { $0.count <= 80 }, "\(outcome)")
    #expect(reports.first?.hasPrefix("step 1/12 ") == true && reports.last?.hasPrefix("step 12/12 ") == true)
  }
}
