import Checkpoints
import Foundation
import Testing

/// Runs of earlier versions have settings that nothing reads and that a new run would refuse.
@Suite(.timeLimit(.minutes(5))) struct StoredConfigurationTests {
  private let runs: SequenceRuns

  init() throws { runs = try SequenceRuns() }

  /// Writes a setting into all that a run has kept of its configuration, as if it had been trained with it.
  private func store(_ old: String, as new: String) throws {
    let path = runs.folder.path("run/config.yaml")
    try write(try String(contentsOfFile: path, encoding: .utf8), old, new, to: path)
    let folder = runs.folder.path("run/checkpoints")
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name.hasPrefix("step-") {
      let path = "\(folder)/\(name)/state.json"
      let state = try String(contentsOfFile: path, encoding: .utf8)
      let start = try #require(state.range(of: "\"content\":")).upperBound
      let content = String(state[start...].dropLast(2)).replacing(old, with: new)
      let digest = Array(content.utf8).withUnsafeBytes { Digest.hexadecimal(of: $0) }
      let opening = "{\"digest\":\"xxh3-128:\(digest)\",\"content\":"
      try write(state, String(state), opening + content + "}\n", to: path)
    }
  }

  private func write(_ text: String, _ old: String, _ new: String, to path: String) throws {
    try #require(text.contains(old), "\(path) does not say \(old)")
    try Data(text.replacing(old, with: new).utf8).write(to: URL(fileURLWithPath: path))
  }

  private func expect(_ code: Int32 = 0, _ words: String = "", _ arguments: String..., lines: String = "")
    throws
  {
    let outcome = try Program.run(arguments, in: runs.folder.root, input: Array(lines.utf8))
    #expect(
      outcome.exitCode == code && (words.isEmpty || outcome.standardError.contains(words)),
      "\(arguments): \(outcome)")
    #expect(code != 0 || outcome.errors.allSatisfy { !$0.contains("attention_size") }, "\(outcome)")
  }

  /// Recomputation of all of a chunk was taken, and did nothing.
  @Test func aChunkRecomputedWhole() throws {
    let text = String(repeating: "the cat and the dog\n", count: 30)
    _ = try runs.folder.write("text.txt", Array(text.utf8))
    let trained = try Program.run(
      [
        "train", "text", "data.train=text.txt", "data.valid_fraction=0", "--run-dir", "run",
        "training.bptt=9", "training.recompute=3",
      ] + SequenceRuns.small.filter { !$0.hasPrefix("data.tokens") }, in: runs.folder.root)
    try #require(trained.exitCode == 0, "\(trained)")
    try store("recompute: 3", as: "recompute: 9")
    try expect(0, "", "generate", "run", "--length", "5")
    try expect(0, "resumed from step 12", "train", "--run-dir", "run", "--resume", "training.steps=15")
    try expect(78, "training.recompute", "train", "run/config.yaml", "--run-dir", "new")
  }

  @Test func anEncoderDecoder() throws {
    try runs.trained("seq2seq", ["model.context=every-step"])
    let before = try runs.score()["loss"] as? Double
    try store("attention_size: null", as: "attention_size: 24")
    #expect(try runs.score()["loss"] as? Double == before)
    try expect(0, "", "predict", "run", "--beam", "2", lines: "cat dog\n")
    try expect(0, "", "inspect", "run")
    try expect(0, "resumed from step 12", "train", "--run-dir", "run", "--resume", "training.steps=15")
    try expect(
      0, "resumed from step 15", "train", "run/config.yaml", "--run-dir", "run", "--resume",
      "training.steps=18")
    // What is said now is read, or refused.
    try expect(78, "decoding.replace_unknown", "predict", "run", "decoding.replace_unknown=true")
    try expect(78, "model.attention_size", "train", "run/config.yaml", "--run-dir", "new")
    try expect(
      78, "model.coverage", "train", "--run-dir", "run", "--resume", "model.coverage=true",
      "training.steps=21")
  }

  @Test func aLanguageModel() throws {
    _ = try runs.folder.write("text.txt", Array(TinyRun.text.utf8))
    let trained = try runs.run(
      "train", "text", "data.train=text.txt", "--run-dir", "run", "data.generator=none",
      "model.hidden_size=8",
      "model.embedding_size=8", "training.batch_size=4", "training.bptt=8", "training.epochs=0",
      "training.steps=8")
    try #require(trained.exitCode == 0, "\(trained)")
    try store("residual: false", as: "residual: true")
    try expect(0, "", "generate", "run", "--length", "5")
    try expect(0, "", "evaluate", "run")
    try expect(0, "resumed from step 8", "train", "--run-dir", "run", "--resume", "training.steps=10")
  }
}
