import Configuration
import Foundation
import Parameters
import RecurrentNN
import Testing

@testable import Datasets
@testable import Exporting
@testable import Tasks
@testable import rnn_dist

/// A model with random weights whose export is compared with the program: a preset, or a preset with other options, with
/// small sizes.
struct ExportCase: Sendable, CustomTestStringConvertible {
  let name: String
  let preset: String
  let settings: [String]

  var testDescription: String { name }

  init(_ name: String, _ preset: String, _ settings: String...) {
    (self.name, self.preset, self.settings) = (name, preset, settings)
  }

  /// An unchanged preset.
  init(preset: String) { (name, self.preset, settings) = (preset, preset, []) }

  /// Sizes with which a model is built quickly. Keys that a preset must not have are left out.
  private static let small = ["model.hidden_size=6", "model.embedding_size=5"]
  private static let smallOf: [String: [String]] = [
    "default": ["model.decoder_hidden_size=7", "model.attention_size=4", "model.readout_size=5"],
    "pronunciation": ["model.decoder_hidden_size=7", "model.attention_size=4", "model.readout_size=5"],
    "pronunciation-small": ["model.decoder_hidden_size=7", "model.attention_size=4", "model.readout_size=5"],
    "speech": ["model.decoder_hidden_size=7", "model.decoder_embedding_size=4", "model.readout_size=5"],
    "reading": ["model.readout_size=5"],
    "tagger": ["model.character_hidden_size=3", "model.character_embedding_size=4"],
    "slots": ["model.character_hidden_size=3", "model.character_embedding_size=4"],
    "music": ["data.width=7"],
    "translation": ["model.decoder_hidden_size=7", "model.attention_size=4", "model.readout_size=5"],
  ]

  var configuration: RunConfiguration {
    get throws {
      try RunConfiguration.resolve(
        layers: [YAMLReader.node(named: preset)],
        overrides: Self.small + (Self.smallOf[preset] ?? []) + settings, requiringText: false
      ).configuration
    }
  }

  /// Vocabularies and widths like those of the preset's data.
  static func encoding(of configuration: RunConfiguration) -> DataEncoding {
    func vocabulary(_ boundaries: Vocabulary.Boundaries, _ unit: TokenUnit = .word) -> Vocabulary {
      if unit == .byte {
        return Vocabulary(
          .byte, lowercase: false, boundaries: .none,
          tokens: (0..<256).map { String(Unicode.Scalar(UInt8($0))) })
      }
      let specials = Vocabulary.specials(unit, boundaries)
      return Vocabulary(
        unit, lowercase: false, boundaries: boundaries,
        tokens: specials + ["a", "b", "c", "d", "e", "f", "g", "h", "i"])
    }
    var encoding = DataEncoding()
    let (task, data, model) = (configuration.task, configuration.data, configuration.model)
    if task == .languageModel {
      encoding.stream = vocabulary(.ofStream(data.tokens), data.tokens)
      return encoding
    }
    encoding.hasSecondSource = false
    if task == .tagger || task == .classifier || task == .matcher {
      if model.output == .bernoulli {
        encoding.targetWidth = data.width
      } else if model.output.isScaled {
        encoding.targetWidth = 2 * max(1, data.horizon)
      } else {
        encoding.labels = LabelVocabulary(["B-x", "I-x", "O"])
      }
    }
    let readsText = data.format != .npy && data.format != .csv && data.format != .multihot
    switch task {
    case .generator:
      encoding.target = vocabulary(.sequence)
      if readsText { encoding.labels = LabelVocabulary(["x", "y", "z"]) } else { encoding.sourceWidth = 4 }
    case .seq2seq:
      let isShared = data.sharedVocabulary
      if readsText { encoding.source = vocabulary(isShared ? .sequence : .none) }
      encoding.target = vocabulary(.sequence)
    default:
      if readsText { encoding.source = vocabulary(.none) }
    }
    if !readsText, task != .generator { encoding.sourceWidth = data.format == .multihot ? nil : 3 }
    if model.pooling == .all { encoding.sourceSteps = 5 }
    if model.characterHiddenSize > 0 { encoding.characters = vocabulary(.none, .char) }
    scale(&encoding, data, model.output)
    return encoding
  }

  /// Adds marks of missing numbers and scales, where the data have them.
  private static func scale(
    _ encoding: inout DataEncoding, _ data: DataOptions, _ output: OutputShape.Kind
  ) {
    func measured(_ width: Int, masked: Bool) -> Standardization {
      let numbers = (0..<10 * width).map { Float(($0 * 7) % 11) / 5 }
      return Standardization(of: numbers, width: width, masked: masked, data.scaling)
    }
    if data.missing == .mask { encoding.sourceWidth = encoding.sourceWidth.map { 2 * $0 } }
    if data.missing == .mask || data.scaling == .standard {
      encoding.sourceScale = encoding.sourceWidth.map { measured($0, masked: data.missing == .mask) }
    }
    if data.scaling == .standard, output.isScaled { encoding.targetScale = measured(2, masked: false) }
  }

  /// The model with its weights as the program uses them.
  func model() throws -> (exported: ExportedModel, parameters: ParameterBuffer<Float>) {
    let configuration = try configuration
    var encoding = Self.encoding(of: configuration)
    if preset == "reading" { encoding.hasSecondSource = true }
    func build<L: Learner>(_ type: L.Type) throws -> (ModelShape?, ParameterBuffer<Float>) {
      let learner = try L(configuration, encoding, .initial(configuration, ranks: 1))
      return (learner.shape, learner.parameters)
    }
    let (shape, parameters) = try build(configuration.task.learner)
    // Normalization layers and scales start at constants, which would hide some mistakes.
    for index in parameters.elements.indices {
      parameters.elements[index] += 0.1 * Float((index * 37) % 11 - 5) / 5
    }
    parameters.didChange()
    let exported = try ExportedModel(
      #require(shape), encoding, configuration, ExportedWeights(parameters), origin: "test")
    return (exported, parameters)
  }

  /// Options that no preset has, so that every branch of the exporters is executed.
  static let options = [
    ExportCase("rnn-relu", "text", "model.cell=rnn", "model.activation=relu", "model.layers=2"),
    ExportCase("gru-before", "text", "model.cell=gru", "model.gru_reset=before"),
    ExportCase("gru-norm", "text", "model.cell=gru", "model.layer_norm=true", "model.layers=2"),
    ExportCase("gru-zoneout", "text", "model.cell=gru", "model.zoneout=0.25"),
    ExportCase("mingru", "text", "model.cell=mingru", "model.layers=2", "model.residual=true"),
    ExportCase("lstm-forget-bias", "text", "model.forget_bias=1", "model.layers=2"),
    ExportCase(
      "lstm-peepholes", "text", "model.peepholes=true", "model.projection_size=4", "model.cell_clip=0.2"),
    ExportCase(
      "lstm-coupled", "text", "model.coupled_gates=true", "model.layer_norm=true", "model.peepholes=true",
      "model.forget_bias=1"),
    ExportCase("lstm-projection", "text", "model.projection_size=4", "model.layers=2"),
    ExportCase("lstm-zoneout", "text", "model.zoneout=0.1", "model.zoneout_cell=0.3"),
    ExportCase("lstm-highway", "text", "model.layers=3", "model.highway=true"),
    ExportCase("lm-tied", "text", "model.tie_embeddings=true", "model.embedding_size=6"),
    ExportCase("lm-adaptive", "text", "model.adaptive_cutoffs=[3,6]", "model.adaptive_factor=2"),
    ExportCase("tagger-residual", "tagger", "model.layers=2", "model.residual=true"),
    ExportCase("tagger-norm", "tagger", "model.layer_norm=true", "model.layers=2"),
    ExportCase("tagger-gru-before", "tagger", "model.cell=gru", "model.gru_reset=before"),
    ExportCase("classifier-max", "intent", "model.pooling=max", "model.layers=2"),
    ExportCase("classifier-last", "intent", "model.pooling=last", "model.cell=rnn"),
    ExportCase("classifier-last-norm", "intent", "model.pooling=last", "model.layer_norm=true"),
    ExportCase("classifier-mean-mingru", "intent", "model.pooling=mean", "model.cell=mingru"),
    ExportCase("matcher-last", "entailment", "model.pooling=last", "model.cell=gru"),
    ExportCase("matcher-attention", "entailment", "model.pooling=attention", "model.attention_size=4"),
    ExportCase("matcher-all-norm", "entailment", "model.pooling=all", "model.layer_norm=true"),
    ExportCase(
      "matcher-numbers", "entailment", "model.output=linear", "model.pooling=mean", "evaluation.metric=mse"),
    ExportCase(
      "matcher-characters", "entailment", "model.character_hidden_size=3", "model.character_embedding_size=4"),
    ExportCase("surnames-initial-state", "surnames", "model.condition=initial-state", "model.layers=2"),
    ExportCase("surnames-initial-input", "surnames", "model.condition=initial-input"),
    ExportCase("surnames-none", "surnames", "model.condition=none", "model.cell=gru"),
    ExportCase("s2s-normed", "default", "model.attention=normed-additive", "model.attention_query=current"),
    ExportCase("s2s-general", "default", "model.attention=general", "model.attention_size=null"),
    ExportCase(
      "s2s-dot", "default", "model.attention=dot", "model.decoder_hidden_size=12",
      "model.attention_size=null"),
    ExportCase(
      "s2s-scaled", "default", "model.attention=scaled", "model.decoder_hidden_size=12",
      "model.attention_size=null", "model.attention_query=current"),
    ExportCase(
      "s2s-learned-scale", "default", "model.attention=learned-scale", "model.decoder_hidden_size=12",
      "model.attention_size=null"),
    ExportCase("s2s-coverage", "default", "model.coverage=true", "model.attention=location"),
    ExportCase("s2s-window", "default", "model.attention_window=1", "model.decoder_layers=2"),
    ExportCase(
      "s2s-feeding", "default", "model.input_feeding=true", "model.attention_query=current",
      "model.cell=lstm"),
    ExportCase("s2s-feeding-previous", "default", "model.input_feeding=true", "model.layers=2"),
    ExportCase("s2s-norm", "default", "model.layer_norm=true", "model.cell=lstm", "model.layers=2"),
    ExportCase(
      "s2s-initial-input", "addition", "model.context=initial-input", "model.summary=all-transform",
      "model.bidirectional=true"),
    ExportCase(
      "s2s-every-step", "addition", "model.summary=last-transform", "model.context_to_output=true",
      "model.layers=2"),
    ExportCase("s2s-copy", "reversal", "model.layers=2", "model.decoder_layers=3"),
    ExportCase(
      "s2s-shared", "addition", "data.shared_vocabulary=true", "model.tie_embeddings=true",
      "model.embedding_size=6"),
    ExportCase(
      "s2s-characters", "addition", "data.tokens=word", "model.character_hidden_size=3",
      "model.character_embedding_size=4"),
    ExportCase("speech-gru", "speech", "model.cell=gru", "model.attention=additive"),
    ExportCase(
      "speech-copy", "speech", "model.bridge=copy", "model.decoder_hidden_size=12",
      "model.context=every-step",
      "model.attention=additive"),
    ExportCase("speech-norm", "speech", "model.layer_norm=true"),
  ]

  /// Models of numbers that are scaled, masked, or both.
  static let scaled = [
    ExportCase(
      "numbers-scaled", "japanese-vowels", "model.output=linear", "data.scaling=standard",
      "evaluation.metric=mse"),
    ExportCase("numbers-masked", "mnist1d", "data.missing=mask"),
    ExportCase(
      "steps-scaled", "japanese-vowels", "task=tagger", "model.output=linear",
      "data.scaling=standard", "data.missing=mask", "evaluation.metric=mse"),
    ExportCase("forecast-masked", "forecast", "data.missing=mask", "model.bidirectional=true"),
    ExportCase("forecast-unscaled", "forecast", "data.scaling=none"),
    ExportCase("captions-masked", "captions", "data.missing=mask", "data.scaling=standard"),
    ExportCase("speech-scaled", "speech", "data.missing=mask", "data.scaling=standard"),
  ]

  static let all = Presets.names.map { ExportCase(preset: $0) } + options + scaled
}
