import Configuration
import Datasets
import RunLog
import TestSupport
import Testing

@testable import Inference
@testable import Tasks

/// Every setting of the computation changes the computation. A setting that is read, checked and recorded but does not
/// reach the layers would change nothing.
@Suite struct KeysReachTheModelTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    let words = ["ab", "cde", "f", "gh"]
    let lines = (0..<24).map { line in
      let source = (0..<2 + line % 4).map { words[(line + $0 * $0) % 4] }
      return "\(source.joined(separator: " "))\t\(source.reversed().joined(separator: " "))\n"
    }
    _ = try directory.write(lines.joined(), to: "pairs")
    let sentences = (0..<24).map { line in (0..<3 + line % 3).map { words[(line + $0 * $0) % 4] } }
    _ = try directory.write(
      sentences.map { $0.joined(separator: " ") + "\n" }.joined(), to: "text")
    _ = try directory.write(
      sentences.enumerated().map { "\($0 % 3)\t\($1.joined(separator: " "))\n" }.joined(), to: "labels")
    let tagged = sentences.map { $0.map { "\($0)\tT\($0.count)\n" }.joined() + "\n" }
    _ = try directory.write(tagged.joined(), to: "tags")
  }

  /// Settings in addition to others that they need.
  struct Setting: Sendable, CustomTestStringConvertible {
    var words: [String]
    var base: [String]
    var task: String
    var testDescription: String { "\(task) \(words.joined(separator: " "))" }

    init(_ words: String..., on base: [String] = [], task: String = "seq2seq") {
      (self.words, self.base, self.task) = (words, base, task)
    }

    init(_ words: String, on base: String) { self.init(words, on: [base]) }
  }

  private static let cells = [
    Setting("model.cell=gru"), Setting("model.cell=rnn"),
    Setting("model.activation=relu", on: "model.cell=rnn"),
    Setting("model.forget_bias=1"), Setting("model.gru_reset=before", on: "model.cell=gru"),
    Setting("model.peepholes=true"), Setting("model.projection_size=3"), Setting("model.cell_clip=0.01"),
    Setting("model.coupled_gates=true"), Setting("model.layer_norm=true"),
    Setting("model.layer_norm=true", on: "model.cell=gru"),
    Setting("model.residual=true", on: "model.layers=2"), Setting("model.highway=true", on: "model.layers=2"),
    Setting("model.layers=2"), Setting("model.bidirectional=true"), Setting("model.pyramid=1"),
    Setting("model.initialization=xavier"), Setting("model.initialization=orthogonal"),
    Setting("model.init_uniform=0.3"), Setting("model.forget_gate_init=1"),
  ]

  private static let randomness = [
    Setting("model.dropout=0.3"), Setting("model.embedding_dropout=0.3"),
    Setting("model.variational_dropout=0.3"), Setting("model.variational_input_dropout=0.3"),
    Setting("model.zoneout=0.3"), Setting("model.zoneout_cell=0.5", on: "model.zoneout=0.3"),
    Setting("model.word_dropout=0.5"), Setting("training.teacher_forcing=0.5"),
    Setting("training.teacher_forcing_end=0.2"),
    Setting("training.label_smoothing=0.2"),
  ]

  private static let decoder = [
    Setting("model.context=initial-state"), Setting("model.context=initial-input"),
    Setting("model.context=every-step"),
    Setting("model.context_to_output=true", on: "model.context=every-step"),
    Setting("model.summary=last-transform", on: "model.context=every-step"),
    Setting("model.summary=all-transform", on: "model.context=every-step"),
    Setting("model.bridge=copy"), Setting("model.readout_size=7"),
    Setting("model.decoder_layers=2"), Setting("model.decoder_hidden_size=11"),
    Setting("model.decoder_embedding_size=5"),
    Setting("model.input_feeding=true", on: "model.readout_size=7"),
    Setting("model.tie_embeddings=true", on: "model.readout_size=6"),
    Setting("model.attention_query=current", on: "model.readout_size=7"),
    Setting("model.attention_window=1"), Setting("model.attention_size=3"), Setting("model.coverage=true"),
    Setting("training.coverage_weight=9", on: "model.coverage=true"), Setting("data.reverse_source=true"),
    Setting("model.attention=normed-additive"), Setting("model.attention=dot"),
    Setting("model.attention=general"), Setting("model.attention=location"),
    Setting("model.attention=scaled", on: "model.attention=dot"),
    Setting("model.attention=learned-scale", on: "model.attention=dot"),
  ]

  /// Settings of tasks other than seq2seq.
  private static let otherTasks = [
    Setting("model.hidden_size=7"), Setting("model.embedding_size=7"),
    Setting("model.tie_embeddings=true", on: ["model.embedding_size=8"], task: "language-model"),
    Setting("model.adaptive_cutoffs=[2]", task: "language-model"),
    Setting("model.adaptive_factor=2", on: ["model.adaptive_cutoffs=[2]"], task: "language-model"),
    Setting("model.output=crf", task: "tagger"), Setting("model.bidirectional=true", task: "tagger"),
    Setting("model.character_embedding_size=4", "model.character_hidden_size=3", task: "tagger"),
    Setting("model.character_hidden_size=4", on: characters, task: "tagger"),
    Setting("model.pooling=mean", task: "classifier"), Setting("model.pooling=max", task: "classifier"),
    Setting("model.pooling=attention", task: "classifier"),
    Setting("model.attention_size=3", on: ["model.pooling=attention"], task: "classifier"),
    Setting("model.quantiles=[0.2, 0.8]", on: ["model.output=quantile"], task: "classifier"),
    Setting("model.condition=initial-state", task: "generator"),
    Setting("model.condition=initial-input", task: "generator"),
    Setting("model.condition=none", task: "generator"),
  ]

  private static let characters = ["model.character_embedding_size=4", "model.character_hidden_size=3"]

  private func configuration(_ overrides: [String], task: String = "seq2seq") throws -> RunConfiguration {
    let files = [
      "language-model": "text", "tagger": "tags", "classifier": "labels", "generator": "labels",
      "seq2seq": "pairs",
    ]
    let file = try #require(files[task])
    let format = ["text": "text", "tags": "columns"][file] ?? "tsv"
    var small = [
      "task=\(task)", "data.format=\(format)", "data.train=\(directory.file(file))", "data.tokens=word",
      "model.hidden_size=8", "model.embedding_size=6", "model.dropout=0", "training.batch_size=6",
      "training.epochs=0", "training.steps=4", "training.optimizer=sgd", "training.learning_rate=1",
      "data.valid_fraction=0", "log.every_steps=1", "log.tensorboard=false",
    ]
    if task == "seq2seq" { small.append("decoding.max_length=9") }
    if task == "language-model" { small.append("training.bptt=4") }
    return try RunConfiguration.resolve(layers: [], overrides: small + overrides).configuration
  }

  private func losses(_ overrides: [String], task: String) throws -> [Double] {
    let recorder = Recorder()
    try Job(try configuration(overrides, task: task)).run(recorder)
    return recorder.losses
  }

  private static let settings = cells + randomness + decoder + otherTasks

  @Test(arguments: settings)
  func anotherLoss(setting: Setting) throws {
    let with = try losses(setting.base + setting.words, task: setting.task)
    let without = try losses(setting.base, task: setting.task)
    #expect(with.count == 4 && with.allSatisfy(\.isFinite) && with != without)
  }

  /// A key of the model that is not in the settings above would not be tested.
  @Test func everyKeyOfTheModelIsTested() {
    let tested = Set(
      Self.settings.flatMap(\.words).compactMap { $0.split(separator: "=").first.map(String.init) })
    let keys = Set(ConfigurationSchema.keys.map(\.path).filter { $0.hasPrefix("model.") })
    #expect(keys.subtracting(tested).isEmpty)
  }

  /// Texts and scores of some lines, written by a model that has been trained.
  private func answers(_ setting: [String], on base: [String]) throws -> [String] {
    let run = directory.file(setting.isEmpty ? "without" : "with")
    let training =
      ["training.steps=40", "training.optimizer=adam", "training.learning_rate=0.02"] + base
    try Job(try configuration(training), directory: run).run()
    let saved = try SavedModel(
      run: RunPaths(existing: run), configuration: try configuration(training + setting))
    let predictor = try saved.predictor(PredictionOptions(count: 2))
    for (number, line) in ["ab cde f", "gh gh f ab", "f", "cde ab unknown"].enumerated() {
      try predictor.add(Array(line.utf8), number: number + 1)
    }
    return try predictor.run().flatMap { output in
      zip(output.lines, output.scores).map { "\(String(decoding: $0, as: UTF8.self)) \($1)" }
    }
  }

  @Test(arguments: [
    "decoding.beam=9", "decoding.length_penalty=3", "decoding.coverage_penalty=2", "decoding.min_length=6",
    "decoding.max_length=1", "decoding.no_repeat_ngram=1", "decoding.max_length_ratio=0.1",
    "decoding.replace_unknown=true",
  ])
  func otherAnswers(setting: String) throws {
    let base =
      switch setting.prefix(while: { $0 != "=" }) {
      // The maximum length depends on the source: three and ten words at a ratio of 0.1.
      case "decoding.max_length_ratio": ["decoding.min_length=20", "decoding.max_length=50"]
      // The model must write unknown words first.
      case "decoding.replace_unknown": ["data.max_vocabulary=5"]
      default: [String]()
      }
    #expect(try answers([setting], on: base) != answers([], on: base))
  }
}
