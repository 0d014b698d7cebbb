import Foundation
import Synchronization

/// A small finished run of characters or words, trained once for all tests.
enum TinyRun {
  /// What is true of every run of these tests: a model that trains in milliseconds.
  static let settings = [
    "data.generator=none", "model.hidden_size=8", "model.embedding_size=8", "training.batch_size=4",
    "training.bptt=8", "training.epochs=0",
  ]

  /// Sixty lines of small words; one letter has two bytes.
  static let text: String = {
    let words = ["the", "cat", "sat", "on", "a", "mat", "dog", "ran", "café"]
    let lines = (0..<60).map { line in
      (0..<8).map { words[(line * line + 3 * $0 + line * $0) % words.count] }.joined(separator: " ")
    }
    return lines.joined(separator: "\n") + "\n"
  }()

  /// A folder with `text.txt` and a copy of the run of a tokenization in `run`.
  static func folder(_ tokens: String = "char") throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    _ = try folder.write("text.txt", text.utf8)
    let trained = try trained(tokens).get()
    try FileManager.default.copyItem(atPath: trained.path("run"), toPath: folder.path("run"))
    return folder
  }

  private static let characters = Result { try train("char") }
  private static let words = Result { try train("word") }
  private static let bytes = Result { try train("byte") }

  private static func trained(_ tokens: String) -> Result<TemporaryFolder, any Error> {
    switch tokens {
    case "word": words
    case "byte": bytes
    default: characters
    }
  }

  /// Three checkpoints, at steps 4, 8 and 12.
  private static func train(_ tokens: String) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    _ = try folder.write("text.txt", text.utf8)
    let outcome = try Program.run(
      ["train", "text", "data.train=text.txt", "data.tokens=\(tokens)", "--run-dir", "run"] + settings + [
        "training.steps=12", "evaluation.every_steps=4", "checkpoint.every_steps=4",
      ], in: folder.root)
    guard outcome.exitCode == 0 else { throw Program.Unusable(description: "\(outcome)") }
    remains.withLock { $0.append(folder.root) }
    return folder
  }

  /// What static values hold on to is never released, so it is removed when the process ends.
  private static let remains: Mutex<[String]> = {
    atexit { TinyRun.remains.withLock { $0.forEach { try? FileManager.default.removeItem(atPath: $0) } } }
    return Mutex([])
  }()
}
