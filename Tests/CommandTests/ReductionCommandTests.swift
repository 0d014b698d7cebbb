import Foundation
import TestSupport
import Testing

/// Training over MPI, in memory that the ranks share, with each way to share the work of an update.
@Suite(.timeLimit(.minutes(15))) struct ReductionCommandTests {
  private let folder: TemporaryDirectory

  init() throws {
    folder = try TemporaryDirectory()
    try folder.write(TinyRun.text, to: "text.txt")
  }

  private func train(_ run: String, ranks: Int, _ more: [String]) async throws {
    let outcome = try await Program.run(
      ["train", "text", "data.train=text.txt", "--run-dir", run] + TinyRun.settings
        + [
          "training.steps=12", "training.optimizer=adam", "training.batch_size=8",
          "training.schedule.kind=constant",
          "checkpoint.every_steps=6",
          "evaluation.every_steps=6",
        ] + more, ranks: ranks, in: folder.path)
    #expect(outcome.exitCode == 0, "\(outcome)")
  }

  private func checkpoint(of run: String) throws -> [Data] {
    try ["model.safetensors", "optimizer.safetensors"].map {
      try Data(contentsOf: URL(fileURLWithPath: folder.file("\(run)/checkpoints/last/\($0)")))
    }
  }

  @Test(arguments: [2, 4])
  func aShardedOptimizerGivesTheBitsOfAWholeOne(ranks: Int) async throws {
    try await train("whole", ranks: ranks, ["training.reproducible=true"])
    try await train("parts", ranks: ranks, ["training.reproducible=true", "training.shard_optimizer=true"])
    #expect(try checkpoint(of: "parts") == checkpoint(of: "whole"))
  }

  @Test(arguments: [2, 4])
  func sharedParametersGiveTheBitsOfCopies(ranks: Int) async throws {
    try await train("copies", ranks: ranks, ["training.reproducible=true"])
    let shared = ["training.reproducible=true", "training.share_parameters=true"]
    try await train("shared", ranks: ranks, shared + ["training.steps=6"])
    // Without shared memory the ranks would have copies.
    let memory = try #require(try events("memory", of: "shared").first)
    let gradients = try #require(memory["gradients"] as? Int)
    #expect(memory["parameters"] as? Int == gradients / ranks)
    try await train("shared", ranks: ranks, shared + ["--resume"])
    #expect(try checkpoint(of: "shared") == checkpoint(of: "copies"))
  }

  @Test(arguments: [2, 4])
  func localStepsAreResumed(ranks: Int) async throws {
    let local = ["training.local_steps=4"]
    try await train("undisturbed", ranks: ranks, local)
    try await train("resumed", ranks: ranks, local + ["training.steps=6"])
    try await train("resumed", ranks: ranks, local + ["--resume"])
    #expect(try checkpoint(of: "resumed") == checkpoint(of: "undisturbed"))
  }

  /// The methods have the same bits in the fixed tree, so it does not matter which one is the faster.
  @Test(arguments: [2, 4])
  func theMethodOfSumsIsMeasured(ranks: Int) async throws {
    try await train("usual", ranks: ranks, ["training.reproducible=true"])
    for method in ["messages", "auto"] {
      try await train(
        method, ranks: ranks, ["training.reproducible=true", "training.reduce_method=\(method)"])
      #expect(try checkpoint(of: method) == checkpoint(of: "usual"), "\(method)")
    }
    let sums = try events("sums", of: "auto")
    let times = try #require(sums.first?["seconds"] as? [String: Double])
    #expect(sums.count == 1 && Set(times.keys) == ["shared-memory", "messages"])
    #expect(sums.first?["method"] as? String == times.min { $0.value < $1.value }?.key)
    #expect(try events("sums", of: "messages").isEmpty)
  }

  /// What was measured at the start of a run is used again.
  @Test func theMethodOfSumsIsKept() async throws {
    let auto = ["training.reduce_method=auto"]
    try await train("run", ranks: 2, auto + ["training.steps=6"])
    try await train("run", ranks: 2, auto + ["--resume"])
    let sums = try events("sums", of: "run")
    #expect(sums.count == 2 && sums[0]["method"] as? String == sums[1]["method"] as? String)
    #expect((sums.last?["seconds"] as? [String: Double])?.isEmpty == true)
  }

  private func events(_ name: String, of run: String) throws -> [[String: Any]] {
    try String(contentsOfFile: folder.file("\(run)/metrics.jsonl"), encoding: .utf8).split(separator: "\n")
      .compactMap { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
      .filter { $0["event"] as? String == name }
  }

  /// On one host nothing is sent, so that nothing is rounded.
  @Test func gradientsInSharedMemoryAreNotRounded() async throws {
    try await train("fp32", ranks: 2, [])
    try await train("bf16", ranks: 2, ["training.reduce_precision=bf16"])
    #expect(try checkpoint(of: "bf16") == checkpoint(of: "fp32"))
  }
}
