import Foundation
import TestSupport
import Testing

/// `lengths`: a metric of several runs by the length of the source.
@Suite(.timeLimit(.minutes(15))) struct LengthsCommandTests {
  private struct Table: Decodable {
    struct Group: Decodable {
      var from: Int
      var to: Int
      var examples: Int
      var values: [Double?]
    }
    var metric: String
    var runs: [String]
    var lengths: [Group]
  }

  private struct Whole: Decodable {
    var loss: Double
    var examples: Int
  }

  private let folder: TemporaryDirectory

  init() async throws {
    folder = try TemporaryDirectory()
    let trained = try await SharedFolders.folder("lengths") { try await Self.train() }
    for name in ["pairs.tsv", "initial-state", "attention"] {
      try FileManager.default.copyItem(atPath: trained.file(name), toPath: folder.file(name))
    }
  }

  /// Two runs on the same pairs. All sources are different, so examples of every length are held out.
  private static func train() async throws -> TemporaryDirectory {
    let folder = try TemporaryDirectory()
    let lines = (0..<150).map { line in
      let words = (0..<1 + line % 7).map { "w\((line * 7 + $0 * $0) % 61)" }
      return "\(words.joined(separator: " "))\t\(words.reversed().joined(separator: " "))\n"
    }
    try folder.write(Array(lines.joined().utf8), to: "pairs.tsv")
    for context in ["initial-state", "attention"] {
      let outcome = try await Program.run(
        [
          "train", "text", "task=seq2seq", "--run-dir", context, "data.format=tsv", "data.train=pairs.tsv",
          "data.tokens=word", "model.context=\(context)", "model.hidden_size=8", "model.embedding_size=8",
          "training.steps=6", "training.epochs=0", "training.batch_size=8", "decoding.max_length=9",
        ], in: folder.path)
      try #require(outcome.exitCode == 0, "\(outcome)")
    }
    return folder
  }

  private func lengths(_ arguments: [String]) async throws -> Outcome {
    try await Program.run(["lengths", "initial-state", "attention"] + arguments, in: folder.path)
  }

  @Test func groupsHoldEveryHeldOutExampleOnce() async throws {
    let outcome = try await lengths(["--width", "3", "--metric", "loss", "--json"])
    #expect(outcome.exitCode == 0, "\(outcome)")
    let table = try JSONDecoder().decode(Table.self, from: outcome.standardOutput)
    #expect(table.metric == "loss" && table.runs == ["initial-state", "attention"])
    #expect(table.lengths.allSatisfy { $0.to - $0.from == 2 && $0.values.count == 2 })
    // The loss of all examples is a weighted mean of the groups' losses, so it lies between them.
    let evaluated = try await Program.run(["evaluate", "attention", "--json"], in: folder.path)
    let scores = try JSONDecoder().decode(Whole.self, from: evaluated.standardOutput)
    #expect(table.lengths.reduce(0) { $0 + $1.examples } == scores.examples)
    let losses = table.lengths.compactMap { $0.values[1] }
    #expect((losses.min() ?? .nan) <= scores.loss && scores.loss <= (losses.max() ?? .nan))
  }

  @Test func thePictureLeavesOutGroupsOfFewExamples() async throws {
    func points(_ atLeast: String) async throws -> Int {
      let outcome = try await lengths([
        "--metric", "loss", "--width", "2", "--plot", "plot.svg", "--at-least", atLeast,
      ])
      #expect(outcome.exitCode == 0, "\(outcome)")
      let svg = try String(contentsOfFile: "\(folder.path)/plot.svg", encoding: .utf8)
      return svg.components(separatedBy: "<circle").count - 1
    }
    #expect(try await points("1") > points("6"))
  }

  @Test func aPictureOfSharesIsInPercent() async throws {
    func svg(_ metric: String) async throws -> String {
      let outcome = try await lengths(["--metric", metric, "--plot", "plot.svg", "--at-least", "1"])
      #expect(outcome.exitCode == 0 && outcome.standardError.isEmpty, "\(outcome)")
      return try String(contentsOfFile: "\(folder.path)/plot.svg", encoding: .utf8)
    }
    #expect(try await svg("token_error_rate").contains("token error rate, %"))
    #expect(try await !svg("loss").contains("loss, %"))
  }

  /// A run with a different held-out part may have been trained on the held-out examples of the first run.
  @Test func runsOfOtherDataAreNamed() async throws {
    let outcome = try await Program.run(
      [
        "train", "text", "task=seq2seq", "--run-dir", "other", "data.format=tsv", "data.train=pairs.tsv",
        "data.tokens=word", "data.valid_fraction=0.3", "model.hidden_size=8", "model.embedding_size=8",
        "training.steps=2", "training.epochs=0", "decoding.max_length=9",
      ], in: folder.path)
    #expect(outcome.exitCode == 0, "\(outcome)")
    let compared = try await Program.run(["lengths", "attention", "other"], in: folder.path)
    #expect(compared.exitCode == 0 && compared.standardError.contains("warning: other"), "\(compared)")
    let named = try await Program.run(
      ["lengths", "attention", "other", "--data", "pairs.tsv"], in: folder.path)
    #expect(named.exitCode == 0 && named.standardError.isEmpty, "\(named)")
  }

  /// The groups are those of the first run, even for a model that reads the same examples in other units.
  @Test func examplesOfALengthAreTheSameForAll() async throws {
    let outcome = try await Program.run(
      [
        "train", "text", "task=seq2seq", "--run-dir", "characters", "data.format=tsv", "data.train=pairs.tsv",
        "data.tokens=char", "model.hidden_size=8", "model.embedding_size=8", "training.steps=6",
        "training.epochs=0", "decoding.max_length=40",
      ], in: folder.path)
    #expect(outcome.exitCode == 0, "\(outcome)")
    let compared = try await Program.run(
      ["lengths", "attention", "characters", "--metric", "loss", "--width", "2", "--json"], in: folder.path)
    let table = try JSONDecoder().decode(Table.self, from: compared.standardOutput)
    #expect(table.lengths.count > 2 && table.lengths.allSatisfy { !$0.values.contains(nil) }, "\(compared)")
    let swapped = try await Program.run(
      ["lengths", "characters", "attention", "--metric", "loss", "--width", "200", "--json"], in: folder.path)
    let whole = try JSONDecoder().decode(Table.self, from: swapped.standardOutput)
    #expect(whole.lengths.map(\.examples) == [table.lengths.reduce(0) { $0 + $1.examples }])
  }

  @Test func otherTasksAreNotCompared() async throws {
    let lines = (0..<40).map { "w\($0 % 9) w\($0 % 7)\tclass\($0 % 2)\n" }
    try folder.write(Array(lines.joined().utf8), to: "classes.tsv")
    let outcome = try await Program.run(
      [
        "train", "text", "task=classifier", "--run-dir", "classes", "data.format=tsv",
        "data.train=classes.tsv", "data.tokens=word", "model.hidden_size=8", "model.embedding_size=8",
        "training.steps=2", "training.epochs=0", "data.valid=classes.tsv",
      ], in: folder.path)
    #expect(outcome.exitCode == 0, "\(outcome)")
    for runs in [["attention", "classes"], ["classes", "attention"]] {
      let compared = try await Program.run(["lengths"] + runs, in: folder.path)
      compared.expect(65, "of a classifier", "of a seq2seq", "can't be compared")
    }
    try await lengths(["--metric", "accuracy"]).expect(64, "--metric accuracy")
  }

  @Test func mistakesAreNamed() async throws {
    for (arguments, code) in [(["--width", "0"], Int32(64)), (["--metric", "beauty"], 64)] {
      let outcome = try await lengths(arguments)
      #expect(outcome.exitCode == code && outcome.standardError.contains(arguments[0]), "\(outcome)")
    }
    #expect(try await Program.run(["lengths", "nowhere"], in: folder.path).exitCode == 66)
  }
}
