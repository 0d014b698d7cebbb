import Foundation
import Testing

/// Metrics of models of sequences, and their display.
@Suite(.timeLimit(.minutes(15))) struct SequenceMetricTests {
  private let runs: SequenceRuns

  init() throws { runs = try SequenceRuns() }

  // MARK: Nothing to predict

  @Test func piecesOfOneStepHaveNothingToPredict() async throws {
    let music = ["data.format=multihot", "model.output=bernoulli", "data.width=8", "data.train=pieces.txt"]
    func train(_ settings: [String], run: String) async throws -> Outcome {
      try await Program.run(
        ["train", "text", "task=tagger", "--run-dir", run, "data.generator=none"] + SequenceRuns.small + music
          + settings, in: runs.folder.path)
    }
    let mixed = Array((0..<40).map { $0 % 2 == 0 ? "1|2\n" : "3\n" }.joined().utf8)
    try runs.folder.write(mixed, to: "mixed.txt")
    let good = try await train(
      ["data.train=mixed.txt", "data.valid=pieces.txt", "training.batch_size=1", "log.every_steps=1"],
      run: "mixed")
    #expect(good.exitCode == 0 && !good.standardError.contains("not finite"), "\(good)")
    #expect(!good.standardError.contains("nan"), "\(good)")
    #expect(try runs.events("skipped", run: "mixed").isEmpty)
    let valid = try await train(["data.valid=chords.txt"], run: "valid")
    #expect(valid.exitCode == 65 && valid.standardError.contains("nothing to predict"), "\(valid)")
    let train = try await train(["data.train=chords.txt", "data.valid=pieces.txt"], run: "train")
    #expect(train.exitCode == 65 && train.standardError.contains("nothing to predict"), "\(train)")
    try await runs.run("evaluate", "mixed", "--data", "chords.txt").expect(65, "nothing to predict")
  }

  @Test func onlyClassesThatWereNeverLearned() async throws {
    try runs.folder.write(Array("none\tcat dog\nother\then\n".utf8), to: "other.tsv")
    let outcome = try await runs.train("classifier", ["data.valid=other.tsv"])
    #expect(outcome.exitCode == 65 && outcome.standardError.contains("nothing to predict"), "\(outcome)")
    #expect(!outcome.standardError.contains("diverged"))
  }

  // MARK: Metrics

  @Test func theMetricIsOneThatTheModelHas() async throws {
    for (task, settings) in [
      ("tagger", ["evaluation.metric=mse"]), ("classifier", ["evaluation.metric=mse"]),
      ("classifier", ["evaluation.metric=accuracy", "model.output=linear"]),
      ("tagger", ["evaluation.metric=f1", "model.output=linear"]),
      ("tagger", ["evaluation.metric=perplexity", "model.output=bernoulli", "data.format=multihot"]),
    ] {
      try await runs.train(task, settings).expect(78, "evaluation.metric", "loss")
    }
    // Only the data show whether tags are spans.
    let plain = try await runs.train("tagger", ["data.train.labels=words.txt", "evaluation.metric=f1"])
    #expect(plain.exitCode == 78 && plain.standardError.contains("evaluation.metric"), "\(plain)")
    #expect(plain.standardError.contains("f1") && plain.standardError.contains("accuracy"))
  }

  @Test(arguments: ["I-", "E-", "L-", "S-", "U-"]) func spansOfEveryScheme(prefix: String) async throws {
    let tags = (0..<60).map { line in
      SequenceRuns.words(line).map { $0 == "cat" ? "\(prefix)pet" : "O" }.joined(separator: " ") + "\n"
    }
    try runs.folder.write(Array(tags.joined().utf8), to: "spans.txt")
    try await runs.trained("tagger", ["data.train.labels=spans.txt", "evaluation.metric=f1"])
    #expect(try await runs.score()["f1"] is Double)
  }

  /// e to the power of a squared error is not a perplexity.
  @Test func noPerplexityOfNumbers() async throws {
    let outcome = try await runs.train("tagger", ["model.output=linear", "data.train.labels=numbers.txt"])
    #expect(outcome.exitCode == 0, "\(outcome)")
    let said = outcome.output + outcome.standardError
    #expect(!said.contains("perplexity") && !said.contains("ppl") && !said.contains("nats"), "\(outcome)")
    #expect(try runs.events("valid").allSatisfy { $0["perplexity"] is NSNull })
    #expect(try await runs.score()["perplexity"] is NSNull)
    let lines = try await runs.run("evaluate", "run")
    #expect(!lines.output.contains("perplexity") && !lines.output.contains("nats"), "\(lines)")
    let music = try await runs.run(
      "train", "music", "data.train=pieces.txt", "data.valid=pieces.txt", "--run-dir", "music",
      "training.epochs=2", "model.hidden_size=8", "evaluation.patience=0")
    #expect(music.exitCode == 0 && !(music.output + music.standardError).contains("perplexity"), "\(music)")
    #expect(music.output.contains("nats/step"), "\(music)")
    #expect(try await runs.score(run: "music")["perplexity"] is NSNull)
  }

  @Test func lossesByLengthAreNoPercentages() async throws {
    try await runs.trained("seq2seq")
    for (metric, format) in [("loss", #"\d\.\d{4}"#), ("perplexity", #"\d\.\d{4}"#), ("exact_match", "%")] {
      let outcome = try await runs.run("lengths", "run", "--metric", metric)
      #expect(outcome.exitCode == 0, "\(outcome)")
      let rows = outcome.output.split(separator: "\n").dropFirst(2)
      #expect(
        !rows.isEmpty && rows.allSatisfy { $0.contains("%") == (metric == "exact_match") }, "\(outcome)")
      #expect(rows.allSatisfy { $0.range(of: format, options: .regularExpression) != nil }, "\(outcome)")
    }
  }

  // MARK: Batches by tokens

  @Test func batchesByTokens() async throws {
    let settings = ["training.batch_tokens=20", "log.every_steps=1"]
    try await runs.trained("seq2seq", settings + ["training.epochs=3", "training.steps=0"])
    let epochs = try runs.events("train").map { try #require($0["epoch"] as? Double) }
    #expect(epochs.last == 3 && epochs == epochs.sorted())
    #expect(try await runs.score()["exact_match"] != nil)
    let resumed = try await runs.train(
      "seq2seq", settings + ["training.epochs=4", "training.steps=0", "--resume"])
    #expect(resumed.exitCode == 0, "\(resumed)")
    #expect(try runs.events("train").last?["epoch"] as? Double == 4)
  }

  // MARK: Settings that a trained model keeps

  @Test(arguments: [
    ["data.format=lines"], ["data.train.source=words.txt", "data.train.target=words.txt"],
  ]) func theKindOfData(overrides: [String]) async throws {
    try await runs.trained("seq2seq")
    let outcome = try await Program.run(
      ["predict", "run"] + overrides, in: runs.folder.path, input: Array("cat\n".utf8))
    outcome.expect(78, overrides[0].hasPrefix("data.format") ? "data.format" : "data.train", "trained model")
  }

  /// Data files may be moved to another path.
  @Test func dataThatWereMoved() async throws {
    try await runs.trained("seq2seq", ["data.valid=pairs.tsv"])
    try FileManager.default.moveItem(
      atPath: runs.folder.file("pairs.tsv"), toPath: runs.folder.file("moved.tsv"))
    #expect(try await runs.score("--split", "train", "data.train=moved.tsv")["examples"] as? Int == 60)
  }

  // MARK: predict

  @Test func picturesWhereNoFolderCanBe() async throws {
    try await runs.trained("seq2seq")
    try await runs.run("predict", "run", "--attention", "pairs.tsv/pictures", lines: "cat\n")
      .expect(73, "pairs.tsv/pictures")
  }
}
