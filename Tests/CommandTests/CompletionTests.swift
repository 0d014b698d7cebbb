// Separate file: the tests of one source file.

import Configuration
import Foundation
import TestSupport
import Testing
import rnn_dist

/// Words that a shell completes, and the scripts that request them.
@Suite(.timeLimit(.minutes(15))) struct CompletionTests {
  @Test func runsAndTheirFolders() throws {
    let folder = try TemporaryDirectory()
    for path in ["runs/dates", "runs/data", "rust", "other", ".hidden"] {
      try FileManager.default.createDirectory(atPath: folder.file(path), withIntermediateDirectories: true)
    }
    for run in ["runs/dates", "other"] { try folder.write([], to: "\(run)/config.yaml") }
    try folder.write([], to: "notes")
    func complete(_ prefix: String) -> [String] {
      Completions.runs(folder.file(prefix)).map { String($0.dropFirst(folder.path.count + 1)) }
    }
    #expect(complete("") == ["other", "runs/", "rust/"])
    #expect(complete("ru") == ["runs/", "rust/"])
    #expect(complete("runs/") == ["runs/data/", "runs/dates"])
    #expect(complete("runs/dates") == ["runs/dates"] && complete("none/") == [])
  }

  @Test func presetsFilesAndKeys() throws {
    let folder = try TemporaryDirectory()
    try folder.write([], to: "own.yaml")
    #expect(Completions.configuration("char").contains("char-lm"))
    #expect(Completions.configuration("model.hidden").contains("model.hidden_size="))
    #expect(Completions.configuration(folder.file("o")) == [folder.file("own.yaml")])
    #expect(Set(Completions.configuration("")).isSuperset(of: Presets.names))
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func scripts(shell: String) async throws {
    let outcome = try await Program.run(["--generate-completion-script", shell])
    #expect(outcome.exitCode == 0 && outcome.standardError.isEmpty, "\(outcome)")
    #expect(outcome.output.contains("rnn-dist") && outcome.output.contains("---completion"), "\(outcome)")
  }
}
