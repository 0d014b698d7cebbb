import Foundation
import Testing

/// Subwords in every place that uses tokens, from training to prediction.
@Suite(.timeLimit(.minutes(15))) struct SubwordCommandTests {
  private let runs: SequenceRuns

  init() throws {
    runs = try SequenceRuns()
    try runs.folder.write(Array(TinyRun.text.utf8), to: "text.txt")
  }

  private func train(_ settings: [String], run: String = "run") async throws -> Outcome {
    try await Program.run(
      [
        "train", "text", "data.train=text.txt", "data.tokens=bpe", "data.subword_vocabulary=40", "--run-dir",
        run,
      ]
        + TinyRun.settings + settings, in: runs.folder.path)
  }

  @Test(arguments: [[], ["data.subword_kind=unigram"], ["model.adaptive_cutoffs=[8,20]"]])
  func aLanguageModel(settings: [String]) async throws {
    let trained = try await train(settings + ["training.steps=12"])
    try #require(trained.exitCode == 0, "\(trained)")
    let score = try await runs.score()
    let (loss, tokens) = (try #require(score["loss"] as? Double), try #require(score["tokens"] as? Int))
    let (perByte, perCharacter) = (score["bits_per_byte"] as? Double, score["bits_per_character"] as? Double)
    let bytes = try #require(perByte.map { loss * Double(tokens) / log(2) / $0 })
    // The last tenth without its first subword; one character in it has two bytes.
    #expect(bytes < Double(TinyRun.text.utf8.count) * 0.11 && bytes > Double(TinyRun.text.utf8.count) * 0.08)
    #expect(try #require(perCharacter) > perByte ?? .infinity)
    let lines = try await runs.run("evaluate", "run", "--data", "text.txt")
    #expect(lines.exitCode == 0 && lines.output.contains(" bits/byte,"), "\(lines)")
    let written = try await runs.run(
      "generate", "run", "--prompt", "the cat\nsat", "--length", "20", "--seed", "3")
    #expect(written.exitCode == 0 && written.errors.isEmpty, "\(written)")
    #expect(written.output.hasPrefix("the cat\nsat") && !written.output.contains("▁"), "\(written)")
    let several = try await runs.run(
      "generate", "run", "--prompt", "the cat\nsat", "--length", "20", "--seed", "3", "--count", "2")
    #expect(several.output.hasPrefix(written.output))
    let strange = try await runs.run("generate", "run", "--prompt", "Ж", "--length", "2")
    #expect(strange.exitCode == 0 && strange.standardError.contains("characters that the model has never"))
    #expect(try await runs.run("inspect", "run").output.contains("tokens (bpe)"))
  }

  /// A small text has fewer subwords than the default asks for, which is said.
  @Test(arguments: ["bpe", "unigram"]) func fewerSubwordsThanAskedFor(kind: String) async throws {
    let note = "subwords instead of data.subword_vocabulary=5000"
    let few = try await train(["data.subword_kind=\(kind)", "data.subword_vocabulary=5000", "--dry-run"])
    #expect(few.exitCode == 0 && few.standardError.contains(note), "\(few)")
    let enough = try await train(["data.subword_vocabulary=30", "--dry-run"])
    #expect(enough.exitCode == 0 && !enough.standardError.contains("subwords instead"), "\(enough)")
  }

  /// A run that is resumed ends like one that was not interrupted.
  @Test func resumed() async throws {
    try #require(try await train(["training.steps=12"], run: "whole").exitCode == 0)
    try #require(try await train(["training.steps=6"]).exitCode == 0)
    let resumed = try await runs.run("train", "--run-dir", "run", "--resume", "training.steps=12")
    #expect(resumed.exitCode == 0 && resumed.standardError.contains("resumed from step 6"), "\(resumed)")
    let ranks = try await Program.run(
      ["evaluate", "run", "--json", "--data", "text.txt"], ranks: 2, in: runs.folder.path)
    #expect(ranks.exitCode == 0, "\(ranks)")
    for name in ["vocab.txt", "vocab.model"] {
      let paths = ["run", "whole"].map { runs.folder.file("\($0)/\(name)") }
      #expect(FileManager.default.contentsEqual(atPath: paths[0], andPath: paths[1]), "\(name)")
    }
  }

  /// Input of a classifier, output of a generator, either side of an encoder-decoder.
  @Test(arguments: [
    ("classifier", ["data.tokens=bpe"]), ("generator", ["data.tokens=bpe"]),
    ("seq2seq", ["data.tokens=bpe", "data.shared_vocabulary=true"]),
    ("seq2seq", ["data.source_tokens=bpe", "data.target_tokens=char"]),
  ])
  func sequences(task: String, settings: [String]) async throws {
    try await runs.trained(task, ["data.subword_vocabulary=20"] + settings)
    #expect(try await runs.score()["loss"] as? Double != nil)
    let used =
      task == "generator"
      ? try await runs.run("generate", "run", "--class", "many", "--count", "2")
      : try await runs.run("predict", "run", lines: "cat dog\nhen\n")
    #expect(
      used.exitCode == 0 && used.output.split(separator: "\n", omittingEmptySubsequences: false).count == 3)
    #expect(!used.output.contains("▁"), "\(used)")
  }
}
