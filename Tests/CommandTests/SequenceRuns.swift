import Foundation
import TestSupport
import Testing

/// A folder with small data of every kind, and commands on runs that are trained on them.
struct SequenceRuns {
  let folder: TemporaryDirectory

  init() throws {
    folder = try TemporaryDirectory()
    try write("classes.tsv") {
      "\(Self.words($0).count > 2 ? "many" : "few")\t\(Self.words($0).joined(separator: " "))"
    }
    try write("matches.tsv") {
      "\($0 % 2 == 0 ? "same" : "other")\t\(Self.line($0))\t\(Self.line($0 % 2 == 0 ? $0 : $0 + 1))"
    }
    try write("pairs.tsv") { "\(Self.line($0))\t\(Self.words($0).reversed().joined(separator: " "))" }
    try write("triples.tsv") {
      "\(Self.line($0))\t\(Self.words($0).reversed().joined(separator: " "))\t\(Self.line($0))"
    }
    try write("words.txt") { Self.line($0) }
    try write("reversed.txt") { Self.words($0).reversed().joined(separator: " ") }
    try write("tags.txt") { Self.words($0).map { $0 == "cat" ? "B-pet" : "O" }.joined(separator: " ") }
    try write("numbers.txt") { Self.words($0).map { "\($0.count)" }.joined(separator: " ") }
    try write("pieces.txt") { line in (0..<2 + line % 3).map { "\((line + $0) % 5)" }.joined(separator: "|") }
    try write("chords.txt") { "\($0 % 5)" }
    for picture in 0..<4 {
      let numbers = (0..<7).map { Float(($0 * 3 + picture * 5) % 7) / 7 }
      try folder.write(Self.npy(numbers), to: "picture-\(picture).npy")
    }
    try write("captions.tsv") { "\(Self.line($0))\tpicture-\($0 % 4).npy" }
  }

  static func words(_ line: Int) -> [String] {
    let animals = ["cat", "dog", "cow", "hen"]
    return (0..<1 + line % 5).map { animals[(line + $0 * $0) % 4] }
  }

  private static func line(_ line: Int) -> String { words(line).joined(separator: " ") }

  private func write(_ name: String, _ line: (Int) -> String) throws {
    try folder.write(Array((0..<60).map { line($0) + "\n" }.joined().utf8), to: name)
  }

  /// A vector in a NumPy file (format version 1.0).
  static func npy(_ numbers: [Float]) -> [UInt8] {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(numbers.count),), }"
    let padded = header + String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(padded.utf8)
      + numbers.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }
  }

  static let small = [
    "model.hidden_size=8", "model.embedding_size=8", "training.batch_size=8", "training.epochs=0",
    "training.steps=12", "evaluation.every_steps=6", "checkpoint.every_steps=6", "data.tokens=word",
    "evaluation.metric=loss",
  ]

  /// Only tasks that write sequences have a largest length.
  private static func length(_ task: String) -> [String] {
    ["generator", "seq2seq"].contains(task) ? ["decoding.max_length=9"] : []
  }

  /// The data that each task is trained on.
  static let data = [
    "classifier": ["data.format=tsv", "data.train=classes.tsv"],
    "tagger": ["data.format=lines", "data.train.input=words.txt", "data.train.labels=tags.txt"],
    "generator": ["data.format=tsv", "data.train=classes.tsv", "decoding.max_length=9"],
    "seq2seq": ["data.format=tsv", "data.train=pairs.tsv", "decoding.max_length=9"],
  ]

  /// Trains a model of a few units on the data of its task, or on the data that `settings` name.
  func train(_ task: String, _ settings: [String] = [], run: String = "run") async throws -> Outcome {
    try await Program.run(
      ["train", "text", "task=\(task)", "--run-dir", run, "data.generator=none"] + Self.small
        + Self.length(task) + (Self.data[task] ?? []) + settings, in: folder.path)
  }

  /// Trains a model, which must succeed. Models on data that every folder has are trained once for all tests, and copied.
  func trained(_ task: String, _ settings: [String] = [], run: String = "run") async throws {
    @Sendable func train(_ runs: SequenceRuns, run: String) async throws {
      let outcome = try await runs.train(task, settings, run: run)
      try #require(outcome.exitCode == 0, "\(outcome)")
    }
    guard settings.allSatisfy({ !$0.hasPrefix("data.") || Self.usesCommonData($0) }) else {
      return try await train(self, run: run)
    }
    let shared = try await SharedFolders.folder("\(task) \(settings)") {
      let runs = try SequenceRuns()
      try await train(runs, run: "run")
      return runs.folder
    }
    try FileManager.default.copyItem(atPath: shared.file("run"), toPath: folder.file(run))
  }

  /// Whether a setting names no file, or one that every folder has.
  private static func usesCommonData(_ setting: String) -> Bool {
    let value = setting.split(separator: "=").last ?? ""
    return !value.hasSuffix(".txt") && !value.hasSuffix(".tsv") && !value.hasSuffix(".csv")
      || [
        "classes.tsv", "pairs.tsv", "triples.tsv", "words.txt", "tags.txt", "numbers.txt", "pieces.txt",
        "chords.txt", "captions.tsv",
      ]
      .contains(value)
  }

  func run(_ arguments: String..., input: [UInt8] = []) async throws -> Outcome {
    try await Program.run(arguments, in: folder.path, input: input)
  }

  func run(_ arguments: String..., lines: String) async throws -> Outcome {
    try await Program.run(arguments, in: folder.path, input: Array(lines.utf8))
  }

  /// The object that `evaluate --json` prints.
  func score(_ arguments: String..., run: String = "run") async throws -> [String: Any] {
    let outcome = try await Program.run(["evaluate", run, "--json"] + arguments, in: folder.path)
    try #require(outcome.exitCode == 0, "\(outcome)")
    return try Self.object(outcome.standardOutput)
  }

  /// The lines of a kind in `metrics.jsonl`.
  func events(_ kind: String, run: String = "run") throws -> [[String: Any]] {
    try String(contentsOfFile: folder.file("\(run)/metrics.jsonl"), encoding: .utf8).split(separator: "\n")
      .map { try Self.object(Data($0.utf8)) }.filter { $0["event"] as? String == kind }
  }

  func losses(_ kind: String, run: String = "run") throws -> [Double] {
    try events(kind, run: run).map { try #require($0["loss"] as? Double) }
  }

  private static func object(_ data: Data) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }
}

/// Expects one error; the problems of a configuration are several, each printed once.
func expectErrors(of outcome: Outcome, at location: SourceLocation) {
  if outcome.exitCode == 78 {
    #expect(Set(outcome.errors).count == outcome.errors.count, "\(outcome)", sourceLocation: location)
    #expect(!outcome.errors.isEmpty, "\(outcome)", sourceLocation: location)
  } else {
    #expect(outcome.errors.count == 1, "\(outcome)", sourceLocation: location)
  }
}

extension Outcome {
  /// Expects a message with all of these words and this exit code, printed once, and no result.
  func expect(_ code: Int32, _ words: String..., at: SourceLocation = #_sourceLocation) {
    #expect(exitCode == code && !wasKilled, "\(self)", sourceLocation: at)
    expectErrors(of: self, at: at)
    #expect(standardOutput.isEmpty, "\(self)", sourceLocation: at)
    for word in words { #expect(standardError.contains(word), "\(self)", sourceLocation: at) }
  }
}
