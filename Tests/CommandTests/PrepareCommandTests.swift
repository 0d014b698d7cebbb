import Foundation
import TestSupport
import Testing

/// Training on a prepared text is training on the text.
@Suite struct PrepareCommandTests {
  private let folder: TemporaryDirectory

  init() throws {
    folder = try TemporaryDirectory()
    try folder.write(Array(TinyRun.text.utf8), to: "text.txt")
  }

  private func run(_ arguments: [String], ranks: Int? = nil) async throws -> Outcome {
    let outcome = try await Program.run(arguments, ranks: ranks, in: folder.path)
    try #require(outcome.exitCode == 0, "\(outcome)")
    return outcome
  }

  /// The losses of a run, step by step.
  private func losses(_ run: String) throws -> [Double] {
    let text = try String(contentsOfFile: folder.file("\(run)/metrics.jsonl"), encoding: .utf8)
    return try text.split(separator: "\n").compactMap { line in
      let event = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      return ["train", "valid"].contains(event?["event"] as? String) ? event?["loss"] as? Double : nil
    }
  }

  private static let settings =
    TinyRun.settings + [
      "training.steps=12", "evaluation.every_steps=4", "checkpoint.every_steps=4", "log.every_steps=1",
      // A schedule that ends with the run would differ for a run that stops in between.
      "training.schedule.kind=constant",
    ]

  @Test(arguments: ["char", "word", "bpe"]) func sameSteps(tokens: String) async throws {
    let settings =
      Self.settings + ["data.tokens=\(tokens)"] + (tokens == "bpe" ? ["data.subword_vocabulary=40"] : [])
    _ = try await run(["train", "text", "data.train=text.txt", "--run-dir", "plain"] + settings)
    let prepared = try await run(["prepare", "text", "data.train=text.txt", "-o", "made/text"] + settings)
    #expect(prepared.output.contains("training tokens") && prepared.output.contains("validation tokens"))
    try FileManager.default.removeItem(atPath: folder.file("text.txt"))
    _ = try await run(["train", "made/text/config.yaml", "--run-dir", "run", "training.steps=8"])
    _ = try await run(["train", "--run-dir", "run", "--resume", "training.steps=12"], ranks: 2)
    #expect(try losses("run").count == losses("plain").count && !losses("run").isEmpty)
    for (loss, expected) in zip(try losses("run"), try losses("plain")) {
      // Two ranks add up in another order.
      #expect(abs(loss - expected) < 1e-5 * expected)
    }
    #expect(try losses("run").prefix(8) == losses("plain").prefix(8))
    _ = try await run(["evaluate", "run"])
  }

  /// Standard input gives the same folder as the file. All parts are evaluated from the folder, wherever the program is started.
  @Test func standardInputAndAllParts() async throws {
    let settings = Self.settings + ["data.test=test.txt"]
    try folder.write(Array(TinyRun.text.utf8.prefix(50)), to: "test.txt")
    _ = try await run(["prepare", "text", "data.train=text.txt", "-o", "plain"] + settings)
    let piped = try await Program.run(
      shell: "gzip < text.txt | \"$PROGRAM\" prepare text data.train=/dev/stdin -o piped "
        + settings.joined(separator: " "), in: folder.path, environment: [:])
    #expect(piped.exitCode == 0 && piped.output.contains("test tokens"), "\(piped)")
    #expect(try bytes("piped/tokens.bin") == bytes("plain/tokens.bin"))
    #expect(!FileManager.default.fileExists(atPath: folder.file("piped/standard-input")))
    _ = try await run(["train", "piped/config.yaml", "--run-dir", "run"])
    for split in ["train", "valid", "test"] {
      let outcome = try await Program.run(["evaluate", folder.file("run"), "--split", split], in: "/")
      #expect(outcome.exitCode == 0, "\(outcome)")
    }
    // Prepared again with another vocabulary, the folder is no longer that of the run.
    try folder.write(Array(("xyz " + TinyRun.text).utf8), to: "text.txt")
    _ = try await run(["prepare", "text", "data.train=text.txt", "-o", "piped", "--overwrite"] + settings)
    let other = try await Program.run(["evaluate", "run"], in: folder.path)
    #expect(other.exitCode == 65 && other.errors.first?.contains("another vocabulary") == true, "\(other)")
  }

  /// Files that an interrupted `prepare` has left don't block the folder, but those of a running one do.
  @Test func afterAnInterruption() async throws {
    let made = ["prepare", "text", "data.train=text.txt", "-o", "made"] + Self.settings
    // No process has this number.
    let leftovers = [".standard-input.tmp-\(Int32.max)", ".tokens.bin.tmp-\(Int32.max)", "standard-input"]
    try FileManager.default.createDirectory(
      atPath: folder.file("made"), withIntermediateDirectories: false)
    let running = "made/.tokens.bin.tmp-\(getpid())"
    for name in leftovers.map({ "made/\($0)" }) + [running] { try folder.write("a", to: name) }
    let refused = try await Program.run(made, in: folder.path)
    #expect(refused.exitCode == 73, "\(refused)")
    try FileManager.default.removeItem(atPath: folder.file(running))
    _ = try await run(made)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("made"))
    #expect(names.contains("tokens.bin") && Set(names).isDisjoint(with: leftovers), "\(names)")
  }

  private func bytes(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: folder.file(name)))
  }

  @Test func refusals() async throws {
    let made = ["prepare", "text", "data.train=text.txt", "-o", "made"] + Self.settings
    _ = try await run(made)
    let other = try await Program.run(
      ["train", "made/config.yaml", "data.tokens=word", "--run-dir", "run"], in: folder.path)
    #expect(other.exitCode == 65 && other.errors.first?.contains("data.tokens=char") == true, "\(other)")
    let cut = try await Program.run(
      ["train", "made/config.yaml", "data.valid_fraction=0.4", "--run-dir", "run"], in: folder.path)
    #expect(cut.exitCode == 65 && cut.errors.first?.contains("data.valid_fraction=") == true, "\(cut)")
    let valid = try await Program.run(
      ["train", "made/config.yaml", "data.valid=text.txt", "--run-dir", "run"], in: folder.path)
    #expect(valid.exitCode == 65 && valid.errors.first?.contains("data.valid") == true, "\(valid)")
    // A folder of other files, such as a run, is never written into.
    let over = try await Program.run(made, in: folder.path)
    #expect(over.exitCode == 73 && over.errors.first?.contains("--overwrite") == true, "\(over)")
    _ = try await run(made + ["--overwrite"])
    try folder.write("kept", to: "made/run.json")
    let foreign = try await Program.run(made + ["--overwrite"], in: folder.path)
    #expect(foreign.exitCode == 73, "\(foreign)")
    try FileManager.default.removeItem(atPath: folder.file("made/run.json"))
    let again = try await Program.run(["prepare", "made/config.yaml", "-o", "more"], in: folder.path)
    #expect(again.exitCode == 64, "\(again)")
    let pairs = try await Program.run(
      ["prepare", "intent", "data.train=text.txt", "data.format=tsv", "-o", "more"], in: folder.path)
    #expect(pairs.exitCode != 0 && pairs.errors.first?.contains("language model") == true, "\(pairs)")
  }
}
