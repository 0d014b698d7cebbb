import Foundation
import Testing

/// Every preset trains and is evaluated, unchanged except for small sizes.
@Suite(.timeLimit(.minutes(15))) struct PresetTests {
  private let runs: SequenceRuns

  init() throws { runs = try Self.data() }

  /// Small data for every preset.
  static func data() throws -> SequenceRuns {
    let runs = try SequenceRuns()
    let text = (0..<60).map { SequenceRuns.words($0).joined(separator: " ") + "\n" }.joined()
    try runs.folder.write(Array(text.utf8), to: "text.txt")
    let series = (0..<40).map { line in
      (["\(line % 4)"] + (0..<40).map { "\(Double((line * 7 + $0 * 3) % 11) / 10)" }).joined(separator: ",")
    }
    try runs.folder.write(Array((series.joined(separator: "\n") + "\n").utf8), to: "series.csv")
    let table = (0..<120).map { "\(Double($0 * $0 % 6)),\(5000 + 1000 * ($0 % 6))\n" }.joined()
    try runs.folder.write(Array(("temperature,load\n" + table).utf8), to: "table.csv")
    let sentences = (0..<20).map { line in
      SequenceRuns.words(line).enumerated().map { position, word in
        "\(position + 1)\t\(word)\t_\t\(word == "cat" ? "NOUN" : "VERB")\t_\t_\t_\t_\t_\t_\n"
      }.joined()
    }
    try runs.folder.write(Array((sentences.joined(separator: "\n") + "\n").utf8), to: "words.conllu")
    let kinds = (0..<60).map { SequenceRuns.words($0).count > 2 ? "many\n" : "few\n" }
    try runs.folder.write(Array(kinds.joined().utf8), to: "kinds.txt")
    return runs
  }

  /// A preset with the data that it reads and settings that make it small.
  struct Preset: Sendable, CustomTestStringConvertible {
    var name: String
    var settings: [String]
    var testDescription: String { name }

    init(_ name: String, _ settings: String...) { (self.name, self.settings) = (name, settings) }
  }

  static let presets = [
    Preset("default", "data.generated_size=200", "model.decoder_hidden_size=8"),
    Preset("text", "data.train=text.txt", "training.bptt=5"),
    Preset("char-lm", "data.train=text.txt", "training.bptt=5"),
    Preset(
      "ptb-small", "data.train=text.txt", "data.valid=text.txt", "data.test=text.txt", "training.bptt=4"),
    Preset("war-and-peace-bytes", "data.train=text.txt", "data.valid=text.txt", "training.bptt=5"),
    Preset("tagger", "data.train=words.conllu", "model.character_hidden_size=4"),
    Preset("slots", "data.train.input=words.txt", "data.train.labels=tags.txt"),
    Preset("music", "data.train=pieces.txt", "data.valid=pieces.txt"),
    Preset("intent", "data.format=tsv", "data.train=classes.tsv"),
    Preset("mnist1d", "data.train=series.csv"),
    Preset("japanese-vowels", "data.train=captions.tsv"),
    Preset("entailment", "data.train=matches.tsv"),
    Preset(
      "forecast", "data.train=table.csv", "data.window=12", "data.horizon=4", "data.season=6",
      "data.columns.target=load"),
    Preset("surnames", "data.train=classes.tsv"),
    Preset("captions", "data.train=captions.tsv", "data.valid=captions.tsv", "data.min_count=1"),
    Preset("reversal", "data.generated_size=200"),
    Preset("addition", "data.generated_size=200"),
    Preset(
      "translation", "data.train.source=words.txt", "data.train.target=reversed.txt", "model.readout_size=8",
      "model.decoder_hidden_size=8", "data.subword_vocabulary=18", "training.schedule.warmup_steps=1",
      "training.batch_tokens=40"),
    Preset(
      "pronunciation", "data.train=pairs.tsv", "training.schedule.warmup_steps=1",
      "model.decoder_hidden_size=8"),
    Preset(
      "pronunciation-small", "data.train=pairs.tsv", "training.schedule.warmup_steps=1",
      "model.decoder_hidden_size=8"),
    Preset("reading", "data.train=triples.tsv"),
    Preset("speech", "data.train=captions.tsv", "data.valid=captions.tsv", "model.decoder_hidden_size=8"),
  ]

  /// Sizes that let a model train in milliseconds.
  static let small = [
    "model.hidden_size=8", "model.embedding_size=8", "training.batch_size=8", "training.epochs=0",
    "training.steps=3", "evaluation.every_steps=3", "checkpoint.every_steps=0",
  ]

  @Test func theListIsThatOfTheProgram() async throws {
    let listed = try await runs.run("config", "list").output.split(separator: "\n")
    #expect(listed.map { String($0.prefix { $0 != " " }) } == Self.presets.map(\.name))
  }

  @Test(arguments: presets) func trainsAndIsScored(preset: Preset) async throws {
    // The last of several settings for a key counts, so the sizes of the preset come last.
    let trained = try await Program.run(
      ["train", preset.name, "--run-dir", "run"] + Self.small + preset.settings, in: runs.folder.path)
    try #require(trained.exitCode == 0 && trained.output.contains("held-out loss"), "\(trained)")
    #expect(trained.errors.isEmpty, "\(trained)")
    let reported = try #require(try runs.losses("valid").last)
    #expect(abs(try #require(try await runs.score()["loss"] as? Double) - reported) < 1e-6 * abs(reported))
  }
}
