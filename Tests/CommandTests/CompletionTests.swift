// Separate file: the tests of one source file.

import Configuration
import Foundation
import Testing
import rnn_dist

/// Words that a shell completes, and the scripts that request them.
@Suite(.timeLimit(.minutes(2))) struct CompletionTests {
  @Test func runsAndTheirFolders() throws {
    let folder = try TemporaryFolder()
    for path in ["runs/dates", "runs/data", "rust", "other", ".hidden"] {
      try FileManager.default.createDirectory(atPath: folder.path(path), withIntermediateDirectories: true)
    }
    for run in ["runs/dates", "other"] { _ = try folder.write("\(run)/config.yaml", []) }
    _ = try folder.write("notes", [])
    func complete(_ prefix: String) -> [String] {
      Completions.runs(folder.path(prefix)).map { String($0.dropFirst(folder.root.count + 1)) }
    }
    #expect(complete("") == ["other", "runs/", "rust/"])
    #expect(complete("ru") == ["runs/", "rust/"])
    #expect(complete("runs/") == ["runs/data/", "runs/dates"])
    #expect(complete("runs/dates") == ["runs/dates"] && complete("none/") == [])
  }

  @Test func presetsFilesAndKeys() throws {
    let folder = try TemporaryFolder()
    _ = try folder.write("own.yaml", [])
    #expect(Completions.configuration("char").contains("char-lm"))
    #expect(Completions.configuration("model.hidden").contains("model.hidden_size="))
    #expect(Completions.configuration(folder.path("o")) == [folder.path("own.yaml")])
    #expect(Set(Completions.configuration("")).isSuperset(of: Presets.names))
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func scripts(shell: String) async throws {
    let outcome = try await Program.run(["--generate-completion-script", shell])
    #expect(outcome.exitCode == 0 && outcome.standardError.isEmpty, "\(outcome)")
    #expect(outcome.output.contains("rnn-dist") && outcome.output.contains("---completion"), "\(outcome)")
  }
}
