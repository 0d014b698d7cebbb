import Foundation
import TestSupport
import Testing

/// The object that `evaluate --json` prints for models of sequences.
private struct Scores: Decodable {
  var loss: Double
  var perplexity: Double
  var tokens: Int
  var examples: Int
  var accuracy: Double?
  var f1: Double?
  var exactMatch: Double?
  var tokenErrorRate: Double?
  var wordErrorRate: Double?
  var sequenceErrorRate: Double?
  var bleu: Double?
  var chrf: Double?
  var notes: [String]
}

/// Training, evaluation and use of models of sequences through the command line.
@Suite(.timeLimit(.minutes(15))) struct SequenceCommandTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try SequenceRuns().folder }

  private let small = [
    "model.hidden_size=8", "model.embedding_size=8", "training.batch_size=8", "training.epochs=0",
    "training.steps=12", "evaluation.every_steps=6", "checkpoint.every_steps=6", "data.tokens=word",
  ]

  private func train(_ task: String, _ settings: [String], ranks: Int? = nil) async throws -> Outcome {
    try await Program.run(
      ["train", "text", "task=\(task)", "--run-dir", "run", "data.generator=none"] + small + settings,
      ranks: ranks, in: folder.path)
  }

  private func scores(_ arguments: [String] = [], ranks: Int? = nil) async throws -> Scores {
    let outcome = try await Program.run(
      ["evaluate", "run", "--json"] + arguments, ranks: ranks, in: folder.path)
    #expect(outcome.exitCode == 0, "\(outcome)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Scores.self, from: outcome.standardOutput)
  }

  /// Runs under mpirun rather than in threads, with a ragged last batch and batches of similar lengths.
  @Test func ranksAgree() async throws {
    let settings = [
      "data.format=tsv", "data.train=pairs.tsv", "data.valid=pairs.tsv", "decoding.max_length=9",
      "training.batch_size=7", "evaluation.metric=token_error_rate", "training.learning_rate=0.02",
    ]
    var found: [Scores] = []
    for ranks in [nil, 2] {
      let outcome = try await Program.run(
        ["train", "text", "task=seq2seq", "--run-dir", "run", "--overwrite", "data.generator=none"] + small
          + settings, ranks: ranks, in: folder.path)
      try #require(outcome.exitCode == 0, "\(outcome)")
      found.append(try await scores(ranks: ranks))
    }
    #expect(abs(found[0].loss - found[1].loss) < 1e-4 * found[0].loss && found[0].loss < 2)
    #expect(found[0].examples == found[1].examples && found[0].tokens == found[1].tokens)
    #expect(found[0].tokenErrorRate == found[1].tokenErrorRate && found[0].bleu == found[1].bleu)
  }

  private func predict(_ text: String, _ arguments: [String] = []) async throws -> [String] {
    let outcome = try await Program.run(
      ["predict", "run"] + arguments, in: folder.path, input: Array(text.utf8))
    #expect(outcome.exitCode == 0, "\(outcome)")
    return outcome.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
  }

  @Test func classifier() async throws {
    let trained = try await train("classifier", ["data.format=tsv", "data.train=classes.tsv"])
    #expect(trained.exitCode == 0 && trained.output.contains("held-out examples:"), "\(trained)")
    let alone = try await scores()
    #expect(alone.accuracy != nil && alone.tokens == alone.examples && alone.f1 == nil)
    let together = try await scores(ranks: 3)
    #expect(together.accuracy == alone.accuracy && abs(together.loss - alone.loss) < 1e-6)
    let classes = try await predict("cat\n\ncat cow dog hen\r\ncat")
    #expect(classes.count == 4 && classes[1].isEmpty)
    #expect(Set([classes[0], classes[2], classes[3]]).isSubset(of: ["few", "many"]))
    let both = try await predict("cat\n", ["--n-best", "3", "--scores"])
    #expect(both.count == 3 && both.prefix(2).allSatisfy { $0.contains("\t") } && both[2].isEmpty)
    #expect(both[0].split(separator: "\t").last.map(String.init) == classes[0])
    for (option, code) in [(["--beam", "4"], 78), (["--attention", "pictures"], 64)] {
      let refused = try await Program.run(
        ["predict", "run"] + option, in: folder.path, input: Array("cat\n".utf8))
      #expect(refused.exitCode == code && refused.output.isEmpty, "\(refused)")
    }
    let scored = try await predict("cat\n", ["--scores"])
    #expect(try #require(Double(scored[0].prefix { $0 != "\t" })) > 0.3)
  }

  @Test func tagger() async throws {
    let files = ["data.format=lines", "data.train.input=words.txt", "data.train.labels=tags.txt"]
    let trained = try await train("tagger", files + ["model.output=crf", "evaluation.metric=f1"])
    #expect(trained.exitCode == 0, "\(trained)")
    let found = try await scores()
    #expect(found.accuracy != nil && found.f1 != nil)
    let other = try await scores(
      ["--split", "test", "data.test.input=words.txt", "data.test.labels=tags.txt"])
    #expect(other.examples == 60)
    let tags = try await predict("cat dog unknown\n")
    #expect(tags.count == 1 && tags[0].split(separator: " ").count == 3)
    let refused = try await Program.run(["predict", "run", "--n-best", "2"], in: folder.path)
    #expect(refused.exitCode == 64 && refused.standardError.contains("--n-best"), "\(refused)")
  }

  @Test func encoderDecoder() async throws {
    let files = ["data.format=tsv", "data.train=pairs.tsv", "decoding.max_length=9"]
    let trained = try await train(
      "seq2seq", files + ["evaluation.metric=exact_match", "model.readout_size=8"])
    #expect(trained.exitCode == 0, "\(trained)")
    #expect(trained.output.contains("attention: run/attention/line-1.svg"), "\(trained)")
    #expect(
      try String(contentsOfFile: folder.file("run/attention/line-1.svg"), encoding: .utf8).contains("<svg"))
    let greedy = try await scores()
    for metric in [
      greedy.exactMatch, greedy.tokenErrorRate, greedy.wordErrorRate, greedy.sequenceErrorRate, greedy.bleu,
      greedy.chrf,
    ] {
      #expect(metric != nil)
    }
    #expect(greedy.notes.contains { $0.hasPrefix("BLEU nrefs:") && $0.contains("tok:13a") })
    #expect(greedy.notes.contains { $0.hasPrefix("chrF2 nrefs:") })
    #expect(try await scores(["decoding.beam=1"], ranks: 2).exactMatch == greedy.exactMatch)
    let lines = try await predict(
      "cat dog\n\nhen\n", ["--beam", "4", "--n-best", "3", "--attention", "pictures"])
    #expect(lines.count == 9 && lines[3..<6].allSatisfy(\.isEmpty))
    #expect(Set(lines[0..<3]).count == 3)
    #expect(FileManager.default.fileExists(atPath: folder.file("pictures/line-3.svg")))
  }

  @Test func generator() async throws {
    let trained = try await train("generator", ["data.format=tsv", "data.train=classes.tsv"])
    #expect(trained.exitCode == 0 && trained.output.contains("few: "), "\(trained)")
    #expect(try await scores().tokens > 6)
    func write(_ arguments: [String]) async throws -> Outcome {
      try await Program.run(["generate", "run"] + arguments, in: folder.path)
    }
    let names = try await write(["--class", "many", "--count", "4", "--length", "6"])
    #expect(
      names.exitCode == 0 && names.output.split(separator: "\n", omittingEmptySubsequences: false).count == 5)
    #expect(try await write(["--class", "many", "--count", "4", "--length", "6"]).output == names.output)
    let other = try await write(["--class", "none"])
    #expect(other.exitCode == 64 && other.standardError.contains("none"), "\(other)")
    #expect(try await write([]).exitCode == 64)
  }

  @Test func inspected() async throws {
    #expect(try await train("classifier", ["data.format=tsv", "data.train=classes.tsv"]).exitCode == 0)
    let outcome = try await Program.run(["inspect", "run"], in: folder.path)
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
    #expect(outcome.output.contains("labels 2") && outcome.output.contains("source"), "\(outcome)")
  }

  // MARK: Bad data

  /// A file with bad data, the line of the mistake and the reason.
  struct BadData: Sendable, CustomTestStringConvertible {
    var name: String
    var settings: [String]
    var text: String
    var words: [String]
    var testDescription: String { name }
  }

  static let badData = [
    BadData(
      name: "no tab", settings: ["task=classifier", "data.format=tsv"], text: "a\tb\nc\n", words: ["bad:2"]),
    BadData(
      name: "ragged series", settings: ["task=classifier", "data.format=csv", "model.pooling=all"],
      text: "a,1,2\nb,1\na,2,3\n", words: ["bad:2"]),
    BadData(
      name: "NaN in a series", settings: ["task=classifier", "data.format=csv"], text: "a,1\nb,nan\n",
      words: ["bad:2", "nan"]),
    BadData(
      name: "not UTF-8", settings: ["task=classifier", "data.format=tsv"], text: "a\tb\nc\t\u{FF}",
      words: ["bad:2"]),
    BadData(
      name: "a key too high", settings: ["task=tagger", "data.format=multihot", "model.output=bernoulli"],
      text: "1|2\n3|99\n", words: ["bad:2", "99"]),
    BadData(
      name: "an empty source", settings: ["task=seq2seq", "data.format=tsv"], text: "a\tb\n\tc\n",
      words: ["bad:2"]),
    BadData(
      name: "a target too long", settings: ["task=seq2seq", "data.format=tsv", "data.max_length=20"],
      text: "a\tb\nc\t" + String(repeating: "d ", count: 10_000) + "\n", words: ["bad:2"]),
    BadData(
      name: "a missing array", settings: ["task=classifier", "data.format=npy"], text: "a\tnone.npy\n",
      words: ["none.npy"]),
    BadData(
      name: "a key too high in a file too short to be cut",
      settings: [
        "task=tagger", "data.format=multihot", "model.output=bernoulli", "data.valid_fraction=0.1",
      ], text: "1|2\n3|99\n", words: ["bad:2", "99"]),
    BadData(
      name: "a step without a tag", settings: ["task=tagger", "data.format=columns"],
      text: "a B-x\n\nb\n", words: ["bad:3"]),
    BadData(
      name: "two keys too many for a classifier of pooled steps",
      settings: ["task=classifier", "data.format=multihot", "model.pooling=all"], text: "a\t1|2\nb\t1\n",
      words: ["bad:2: 1 step where", "model.pooling"]),
    BadData(
      name: "three columns in CoNLL-U", settings: ["task=tagger", "data.format=conllu"],
      text: "1\tDog\tdog\n", words: ["bad:1: 3 columns", "CoNLL-U has 10"]),
    BadData(
      name: "prose in CoNLL-U", settings: ["task=tagger", "data.format=conllu"], text: "Dogs bark.\n",
      words: ["bad:1: 1 column between", "data.format=columns"]),
  ]

  @Test(arguments: badData) func namesFileAndLine(bad: BadData) async throws {
    let bytes = bad.name == "not UTF-8" ? Array("a\tb\nc\t".utf8) + [0xFF] : Array(bad.text.utf8)
    try folder.write(bytes, to: "bad")
    let settings = ["data.generator=none", "data.tokens=word", "data.train=bad", "data.valid_fraction=0"]
    let outcome = try await Program.run(
      ["train", "text", "--run-dir", "new", "evaluation.metric=loss"] + settings + bad.settings,
      in: folder.path)
    #expect([65, 66].contains(outcome.exitCode) && !outcome.wasKilled, "\(outcome)")
    #expect(outcome.errors.count == 1 && outcome.standardOutput.isEmpty, "\(outcome)")
    for word in bad.words { #expect(outcome.standardError.contains(word), "\(outcome)") }
    #expect(!FileManager.default.fileExists(atPath: folder.file("new")))
  }

  /// The lines before a bad line are answered.
  @Test func aBadLineAmongGoodOnes() async throws {
    #expect(try await train("classifier", ["data.format=tsv", "data.train=classes.tsv"]).exitCode == 0)
    let input = Array("cat\n\ndog\nhen \u{E9}".utf8.dropLast()) + Array("\ncow\n".utf8)
    for size in ["1", "2", "3", "64"] {
      let outcome = try await Program.run(
        ["predict", "run", "--batch-size", size], in: folder.path, input: input)
      #expect(outcome.exitCode == 65 && outcome.standardError.contains("standard input:4"), "\(outcome)")
      let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
      #expect(lines.count == 4 && lines[1].isEmpty && !lines[0].isEmpty && !lines[2].isEmpty, "\(outcome)")
    }
  }
}
