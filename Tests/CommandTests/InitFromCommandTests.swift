// Separate file: the tests of one option, which train other runs than those of TrainCommandTests.

import Foundation
import TestSupport
import Testing

/// `train --init-from` and word vectors, as a user sees them.
@Suite(.timeLimit(.minutes(15))) struct InitFromCommandTests {
  private func train(_ more: [String], ranks: Int? = nil, in folder: TemporaryDirectory) async throws
    -> Outcome
  {
    try await Program.run(
      ["train", "text", "data.train=text.txt", "training.steps=2", "checkpoint.every_steps=2"]
        + TinyRun.settings + more, ranks: ranks, in: folder.path)
  }

  @Test(arguments: [nil, 2]) func aRunStartsFromAnother(ranks: Int?) async throws {
    let folder = try await TinyRun.folder()
    let arguments = ["--init-from", "run", "--run-dir", "second"]
    let started = try await train(arguments, ranks: ranks, in: folder)
    #expect(started.exitCode == 0 && started.errors.isEmpty, "\(started)")
    let note = started.standardError.split(separator: "\n").filter { $0.hasPrefix("starts from run (step ") }
    #expect(note.count == 1 && note[0].hasSuffix(" parameters"), "\(started)")
    // Training continues from the weights: the loss is far below that of random weights.
    let scratch = try await train(["--run-dir", "third"], in: folder)
    func loss(_ outcome: Outcome) throws -> Double {
      let words = outcome.output.split(separator: " ")
      return try #require(words.dropFirst(2).first.flatMap { Double($0) })
    }
    #expect(try loss(started) < loss(scratch), "\(started)\n\(scratch)")
  }

  /// Imported weights have no state of training, but a new run can start from them.
  @Test func anImportedRunIsAStartButCannotBeResumed() async throws {
    let folder = try await TinyRun.folder()
    let weights = "run/checkpoints/last/model.safetensors"
    let arguments = ["import", weights, "--config", "run/config.yaml", "--vocabularies", "run"]
    let imported = try await Program.run(arguments + ["--run-dir", "imported"], in: folder.path)
    #expect(imported.exitCode == 0, "\(imported)")
    let resumed = try await Program.run(["train", "--run-dir", "imported", "--resume"], in: folder.path)
    resumed.expect(65, "imported/checkpoints/step-0 holds weights but no state of training", "--init-from")
    let started = try await train(["--init-from", "imported", "--run-dir", "second"], in: folder)
    #expect(started.exitCode == 0 && started.errors.isEmpty, "\(started)")
  }

  @Test func refusals() async throws {
    let folder = try await TinyRun.folder()
    let both = ["--init-from", "run", "--run-dir", "run", "--resume"]
    try await train(both, in: folder).expect(64, "--init-from")
    try await train(["--init-from", "missing", "--run-dir", "second"], in: folder).expect(66, "missing")
    #expect(!FileManager.default.fileExists(atPath: folder.file("second")))
    try await train(["data.embeddings=none.txt", "--run-dir", "second"], in: folder).expect(66, "none.txt")
  }
}
