import Foundation
import Testing

/// `predict --sample`: sequences that are sampled from a model rather than found by a search.
@Suite(.timeLimit(.minutes(15))) struct SampleCommandTests {
  private let runs: SequenceRuns

  init() throws { runs = try SequenceRuns() }

  private static let input = (0..<25).map { SequenceRuns.words($0).joined(separator: " ") + "\n" }.joined()

  private func predict(_ arguments: [String], _ lines: String = input) async throws -> [String] {
    let outcome = try await Program.run(
      ["predict", "run"] + arguments, in: runs.folder.path, input: Array(lines.utf8))
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(arguments): \(outcome)")
    return outcome.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
  }

  static let models: [(String, [String])] = [
    ("seq2seq", ["model.readout_size=8", "data.source_tokens=char"]),
    ("seq2seq", ["model.context=every-step"]),
    ("generator", []),
  ]

  private func train(_ task: String, _ settings: [String]) async throws -> String {
    try await runs.trained(task, settings)
    return task == "generator" ? String(repeating: "few\nmany\n", count: 12) : Self.input
  }

  @Test(arguments: models) func withoutChoiceItIsGreedy(task: String, settings: [String]) async throws {
    let lines = try await train(task, settings)
    let greedy = try await predict([], lines)
    for options in [["--top-k", "1"], ["--temperature", "0"], ["--top-p", "1e-9", "--seed", "8"]] {
      #expect(try await predict(["--sample"] + options, lines) == greedy)
    }
    #expect(try await predict(["--sample"], lines) != greedy)
  }

  /// A sample depends on the line, its number, the options and the seed, but not on the other lines of its batch.
  @Test(arguments: models) func samplesDependOnTheLineOnly(task: String, settings: [String]) async throws {
    let lines = try await train(task, settings)
    let count = lines.split(separator: "\n").count
    let options = ["--sample", "--temperature", "1.2", "--top-k", "9", "--top-p", "0.97", "--n-best", "3"]
    let together = try await predict(options, lines)
    #expect(together.count == 3 * count && Set(together).count > 3)
    for size in ["1", "2", "7"] {
      #expect(try await predict(options + ["--batch-size", size], lines) == together)
    }
    #expect(try await predict(options + ["--seed", "1"], lines) == together)  // the run's seed is 1
    #expect(try await predict(options + ["--seed", "2"], lines) != together)
    let firsts = try await predict(options.dropLast(2), lines)
    #expect(firsts == (0..<count).map { together[3 * $0] })
    // An empty line is numbered, too.
    let shifted = try await predict(options, "\n" + lines)
    #expect(shifted.count == together.count + 3 && shifted.dropFirst(3) != together[...])
  }

  /// The frequency of a text is its probability.
  @Test func shares() async throws {
    try await runs.trained("seq2seq", ["decoding.max_length=2"])
    let samples = try await predict(["--sample", "--n-best", "1000", "--scores"], "cat dog\n")
    var counts: [String: Double] = [:]
    for sample in samples { counts[sample, default: 0] += 1 }
    var common = 0
    for (sample, count) in counts {
      let score = try #require(Double(sample.prefix { $0 != "\t" }))
      let (share, expected) = (count / 1000, exp(score))
      guard expected > 0.02 else { continue }
      common += 1
      #expect(
        abs(share - expected) < 4.5 * (expected * (1 - expected) / 1000).squareRoot(), "\(sample): \(share)")
    }
    #expect(common > 3)
  }

  @Test func withPicturesAndEnsembles() async throws {
    try await runs.trained("seq2seq", ["model.readout_size=8", "data.min_count=12"])
    try await runs.trained("seq2seq", ["model.readout_size=8", "data.min_count=12", "seed=2"], run: "other")
    let alone = try await predict(["--sample", "--attention", "pictures"])
    for line in [1, 25] {
      let picture = try String(contentsOfFile: runs.folder.file("pictures/line-\(line).svg"), encoding: .utf8)
      #expect(picture.contains("<svg"))
    }
    #expect(try await predict(["--sample", "--ensemble", "other"]) != alone)
    #expect(try await predict(["--sample", "--ensemble", "run"]) == alone)
    let replaced = try await predict(["--sample", "decoding.replace_unknown=true"])
    #expect(replaced.count == alone.count && alone.contains { $0.contains("<unk>") })
    #expect(zip(replaced, alone).allSatisfy { $1.contains("<unk>") ? !$0.contains("<unk>") : $0 == $1 })
  }

  @Test func contradictingOptions() async throws {
    try await runs.trained("seq2seq")
    func expect(_ words: String, _ arguments: String...) async throws {
      let outcome = try await Program.run(
        ["predict", "run"] + arguments, in: runs.folder.path, input: Array("cat\n".utf8))
      #expect(outcome.exitCode == 64 && outcome.output.isEmpty, "\(outcome)")
      #expect(outcome.standardError.contains(words), "\(outcome)")
    }
    try await expect("--beam is for a search", "--sample", "--beam", "2")
    try await expect("--length-penalty is for a search", "--sample", "--length-penalty", "0.5")
    try await expect("decoding.beam=2 is for a search", "--sample", "decoding.beam=2")
    try await expect("add --sample", "--temperature", "0.5")
    try await expect("--top-k 0: at least 1", "--sample", "--top-k", "0")
    try await expect("--top-p 2.0: a probability", "--sample", "--top-p", "2")
    try await expect("--temperature -1.0: 0 or", "--sample", "--temperature=-1")
    try await runs.trained("classifier", run: "classes")
    let outcome = try await runs.run("predict", "classes", "--sample", lines: "cat\n")
    outcome.expect(64, "--sample: classes writes no sequences")
  }
}
