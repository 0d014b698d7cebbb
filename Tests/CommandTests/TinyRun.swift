import Foundation
import Synchronization
import TestSupport

/// A small finished run of characters or words, trained once for all tests.
enum TinyRun {
  /// Settings of a model that trains in milliseconds.
  static let settings = [
    "data.generator=none", "model.hidden_size=8", "model.embedding_size=8", "training.batch_size=4",
    "training.bptt=8", "training.epochs=0",
  ]

  /// Sixty lines of small words; one character has two bytes.
  static let text: String = {
    let words = ["the", "cat", "sat", "on", "a", "mat", "dog", "ran", "café"]
    let lines = (0..<60).map { line in
      (0..<8).map { words[(line * line + 3 * $0 + line * $0) % words.count] }.joined(separator: " ")
    }
    return lines.joined(separator: "\n") + "\n"
  }()

  /// A folder with `text.txt` and a copy of the run of a tokenization in `run`.
  static func folder(_ tokens: String = "char") async throws -> TemporaryDirectory {
    let folder = try TemporaryDirectory()
    try folder.write(text.utf8, to: "text.txt")
    let trained = try await SharedFolders.folder("tiny \(tokens)") { try await train(tokens) }
    try FileManager.default.copyItem(atPath: trained.file("run"), toPath: folder.file("run"))
    return folder
  }

  /// Three checkpoints, at steps 4, 8 and 12.
  private static func train(_ tokens: String) async throws -> TemporaryDirectory {
    let folder = try TemporaryDirectory()
    try folder.write(text.utf8, to: "text.txt")
    let outcome = try await Program.run(
      ["train", "text", "data.train=text.txt", "data.tokens=\(tokens)", "--run-dir", "run"] + settings + [
        "training.steps=12", "evaluation.every_steps=4", "checkpoint.every_steps=4",
      ], in: folder.path)
    guard outcome.exitCode == 0 else { throw Program.Unusable(description: "\(outcome)") }
    return folder
  }
}

/// Folders that are created once for all tests. Tests copy from them and don't change them.
enum SharedFolders {
  private static let folders = Mutex<[String: Task<TemporaryDirectory, any Error>]>([:])

  /// The folder with a name. The first caller creates it; the others wait for it.
  static func folder(
    _ name: String, _ make: @escaping @Sendable () async throws -> TemporaryDirectory
  ) async throws -> TemporaryDirectory {
    let making = folders.withLock { folders in
      let making = folders[name] ?? Task { try await make() }
      folders[name] = making
      return making
    }
    let folder = try await making.value
    remains.withLock { _ = $0.insert(folder.path) }
    return folder
  }

  /// Values of static properties are never released, so the folders are removed when the process ends.
  private static let remains: Mutex<Set<String>> = {
    atexit {
      SharedFolders.remains.withLock { $0.forEach { try? FileManager.default.removeItem(atPath: $0) } }
    }
    return Mutex([])
  }()
}
