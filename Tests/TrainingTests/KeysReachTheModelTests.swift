import Configuration
import Datasets
import RunLog
import Testing

@testable import Inference
@testable import Tasks

/// Every setting that says what is computed changes it: what is read, checked and written down, but lost on the way to the
/// layers, would change nothing.
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
  }

  /// A setting on top of others that it needs.
  struct Setting: Sendable, CustomTestStringConvertible {
    var words: String
    var base: [String]
    var testDescription: String { words }

    init(_ words: String, on base: String...) { (self.words, self.base) = (words, base) }
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
    Setting("model.context=initial-state"), Setting("model.context=every-step"),
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

  private func configuration(_ overrides: [String]) throws -> RunConfiguration {
    let small = [
      "task=seq2seq", "data.format=tsv", "data.tokens=word", "data.train=\(directory.file("pairs"))",
      "model.hidden_size=8", "model.embedding_size=6", "model.dropout=0", "training.batch_size=6",
      "training.epochs=0", "training.steps=4", "training.optimizer=sgd", "training.learning_rate=1",
      "data.valid_fraction=0", "log.every_steps=1", "log.tensorboard=false", "decoding.max_length=9",
    ]
    return try RunConfiguration.resolve(layers: [], overrides: small + overrides).configuration
  }

  private func losses(_ overrides: [String]) throws -> [Double] {
    let recorder = Recorder()
    try Job(try configuration(overrides)).run(recorder)
    return recorder.losses
  }

  @Test(arguments: cells + randomness + decoder)
  func anotherLoss(setting: Setting) throws {
    let (with, without) = (try losses(setting.base + [setting.words]), try losses(setting.base))
    #expect(with.count == 4 && with.allSatisfy(\.isFinite) && with != without)
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
      // The longest of a line follows its source: three and ten words at a ratio of 0.1.
      case "decoding.max_length_ratio": ["decoding.min_length=20", "decoding.max_length=50"]
      // Words that are not known have to be written first.
      case "decoding.replace_unknown": ["data.max_vocabulary=5"]
      default: [String]()
      }
    #expect(try answers([setting], on: base) != answers([], on: base))
  }
}
