import Foundation
import RunLog
import TestSupport
import Testing
@testable import Tasks

@Suite("All ranks reject invalid runs with the same message")
struct StartTests {
  let directory: TemporaryDirectory
  let text: String

  init() throws { (directory, text) = try temporaryText(characters: 400) }

  private var run: String { directory.file("run") }

  /// Expects every rank to end with this code and the same message, which contains all of `words`.
  private func expectRefusal(
    _ job: Job, _ code: Int32, _ words: String..., at: SourceLocation = #_sourceLocation
  ) throws {
    let ends = try job.ends()
    #expect(ends.count == job.ranks, sourceLocation: at)
    #expect(ends.map(\.exitCode) == Array(repeating: code, count: job.ranks), sourceLocation: at)
    #expect(Set(ends.map(\.message)).count == 1, sourceLocation: at)
    for word in words { #expect(ends[0].message.contains(word), sourceLocation: at) }
  }

  @Test("A text too short for the streams: 65", arguments: [1, 3])
  func tooShort(ranks: Int) throws {
    let short = try directory.write("abcab", to: "short.txt")
    let configuration = RunConfiguration.small(short) {
      $0.data.validFraction = 0
      $0.training.batchSize = 7
    }
    try expectRefusal(
      Job(configuration, ranks: ranks, directory: run), ExitCode.badData, "7 streams", "batch_size")
    #expect(!FileManager.default.fileExists(atPath: run))
  }

  @Test("The shortest possible text is trained", arguments: [1, 3])
  func shortest(ranks: Int) throws {
    let short = try directory.write("ab", to: "short.txt")
    let configuration = RunConfiguration.small(short) {
      $0.data.validFraction = 0
      $0.training.batchSize = 1
    }
    let recorder = Recorder()
    #expect(try Job(configuration, ranks: ranks).run(recorder).step == 12)
    #expect(recorder.evaluations.isEmpty && recorder.losses.count == 12)
  }

  @Test("A missing text: 66, and an earlier run is kept", arguments: [1, 3])
  func missing(ranks: Int) throws {
    try Job(.small(text), directory: run).run()
    let before = try CheckpointFiles(last: run)
    var job = Job(.small(directory.file("absent.txt")), ranks: ranks, directory: run)
    job.existing = .overwrite
    try expectRefusal(job, ExitCode.inputMissing, "absent.txt", "no such file")
    #expect(try CheckpointFiles(last: run) == before)
  }

  @Test("A file that is missing on one rank: 66 on all, and the rank is named")
  func missingOnOneRank() throws {
    let job = try jobOnHosts(texts: [sampleText(characters: 400), nil, sampleText(characters: 400)])
    try expectRefusal(job, ExitCode.inputMissing, "rank 1 on", "text.txt: no such file")
    #expect(!FileManager.default.fileExists(atPath: run))
  }

  @Test("Ranks whose text differs in a single character: 78")
  func otherData() throws {
    let same = sampleText(characters: 400)
    let job = try jobOnHosts(texts: [same, same, same.dropLast() + (same.hasSuffix("a") ? "b" : "a")])
    try expectRefusal(job, ExitCode.configuration, "the training data", "rank 2 (of 3)")
    #expect(!FileManager.default.fileExists(atPath: run))
  }

  @Test("Ranks with the same text at the same path of separate disks are trained")
  func sameData() throws {
    let job = try jobOnHosts(texts: [sampleText(characters: 400), sampleText(characters: 400)])
    #expect(try job.run().ending == .completed)
  }

  /// Ranks as on separate hosts: one relative path, which is a different file, or no file, for each rank.
  private func jobOnHosts(texts: [String?]) throws -> Job {
    var job = Job(.small("text.txt"), ranks: texts.count, directory: run)
    let hosts = texts.indices.map { directory.file("host-\($0)") }
    for (host, text) in zip(hosts, texts) {
      try FileManager.default.createDirectory(atPath: host, withIntermediateDirectories: false)
      if let text { try Data(text.utf8).write(to: URL(fileURLWithPath: "\(host)/text.txt")) }
    }
    job.perRank = { rank, _ in
      #expect(separateWorkingDirectory() && chdir(hosts[rank]) == 0)
    }
    return job
  }

  @Test("Ranks with different settings: 78", arguments: [1, 2])
  func otherConfiguration(odd: Int) throws {
    var job = Job(.small(text), ranks: 3, directory: run)
    job.perRank = { if $0 == odd { $1.training.learningRate = 0.02 } }
    try expectRefusal(job, ExitCode.configuration, "the configuration", "rank \(odd) (of 3)")
    #expect(!FileManager.default.fileExists(atPath: run))
  }

  @Test("Even if the settings determine the collectives that follow")
  func otherCollectives() throws {
    var job = Job(.small(text), ranks: 3, directory: run)
    job.perRank = { $1.training.reproducible = $0 == 1 }
    try expectRefusal(job, ExitCode.configuration, "the configuration", "rank 1 (of 3)")
  }

  @Test("An existing run is refused (73) unless it is resumed or overwritten")
  func existingRun() throws {
    try Job(.small(text), directory: run).run()
    let before = try CheckpointFiles(last: run)
    try expectRefusal(
      Job(.small(text), ranks: 2, directory: run), ExitCode.cannotCreate, "--resume", "--overwrite")
    #expect(try CheckpointFiles(last: run) == before)
    var job = Job(.small(text) { $0.seed = 8 }, ranks: 2, directory: run)
    job.existing = .overwrite
    #expect(try job.run().ending == .completed)
    #expect(try CheckpointFiles(last: run).model != before.model)
    #expect(try metrics(of: run).compactMap { $0["event"] as? String }.count { $0 == "train" } == 12)
  }

  // MARK: Resuming with other settings or data

  private func expectUntouched(_ job: Job, _ code: Int32, _ word: String) throws {
    let names = ["config.yaml", "vocab.txt", "run.json", "metrics.jsonl"]
    func contents() throws -> [Data] {
      try names.map { try Data(contentsOf: URL(fileURLWithPath: "\(run)/\($0)")) }
    }
    let (files, checkpoint) = (try contents(), try CheckpointFiles(last: run))
    var job = job
    job.existing = .resume
    try expectRefusal(job, code, word)
    #expect(try contents() == files)
    #expect(try CheckpointFiles(last: run) == checkpoint)
  }

  @Test("Resuming with other settings: 78, and the key is named", arguments: [1, 2])
  func resumeOtherSettings(ranks: Int) throws {
    try Job(.small(text), directory: run).run()
    let changes: [(String, @Sendable (inout RunConfiguration) -> Void)] = [
      ("model.hidden_size", { $0.model.network.hiddenSize = 9 }),
      ("training.schedule.patience", { $0.training.schedule.patience = 4 }),
      ("evaluation.metric", { $0.evaluation.metric = .perplexity }),
      ("seed", { $0.seed = 8 }),
    ]
    for (key, change) in changes {
      try expectUntouched(
        Job(.small(text, change), ranks: ranks, directory: run), ExitCode.configuration,
        "other settings: \(key) was ")
    }
  }

  @Test("Resuming with another text: 65", arguments: [1, 2])
  func resumeOtherText(ranks: Int) throws {
    try Job(.small(text), directory: run).run()
    let other = try directory.write(sampleText(characters: 400, seed: 2) + "z", to: "other.txt")
    try expectUntouched(Job(.small(other), ranks: ranks, directory: run), ExitCode.badData, "text")
  }

  @Test("The same text at another place is the same text")
  func resumeMovedText() throws {
    try Job(.small(text), directory: run).run()
    let moved = try directory.write(sampleText(characters: 400), to: "moved.txt")
    var job = Job(.small(moved) { $0.training.steps = 14 }, directory: run)
    job.existing = .resume
    #expect(try job.run().step == 14)
  }
}

/// Gives the calling thread, which must end with the test, its own working directory; returns whether this succeeded. It
/// calls unshare(CLONE_FS) of Linux, which the C library's module does not export to Swift.
private func separateWorkingDirectory() -> Bool {
  guard let symbol = dlsym(nil, "unshare") else { return false }
  let unshare = unsafeBitCast(symbol, to: (@convention(c) (Int32) -> Int32).self)
  return unshare(0x200) == 0
}
