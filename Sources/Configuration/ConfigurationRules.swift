import Metrics

/// A demand on several keys together.
struct ConfigurationRule: Sendable {
  typealias Field = PartialKeyPath<RunConfiguration> & Sendable

  /// The keys it reads, the one to change first. A rule isn't tried when one of them has no valid value.
  let fields: [Field]
  /// What is wrong, or nil.
  let problem: @Sendable (RunConfiguration) -> String?

  init(_ fields: [Field], _ problem: @escaping @Sendable (RunConfiguration) -> String?) {
    self.fields = fields
    self.problem = problem
  }
}

extension TrainingConfiguration {
  /// The fixed number of parts in which a reproducible step sums its gradients.
  public static let virtualShards = 8
}

extension ConfigurationRule {
  /// The demands on the model, the training and the validation.
  static let all: [ConfigurationRule] =
    model + cells + tasks + widths + data + training + decoding + validation

  private static let model: [ConfigurationRule] = [
    ConfigurationRule([
      \.model.tieEmbeddings, \.task, \.model.embeddingSize, \.model.hiddenSize, \.model.readoutSize,
      \.model.decoderEmbeddingSize, \.model.decoderHiddenSize, \.model.projectionSize, \.model.bidirectional,
      \.model.context, \.model.contextToOutput, \.data.train, \.data.format,
    ]) {
      guard $0.model.tieEmbeddings else { return nil }
      let embedding =
        $0.task == .languageModel ? $0.model.embeddingSize : $0.model.effectiveDecoderEmbeddingSize
      let tops = $0.tiedWidths
      guard $0.task != .tagger, $0.task != .classifier else { return nil }
      return tops.contains(embedding)
        ? nil
        : "needs the embedding (\(embedding)) to be as wide as what the output layer reads (\(tops[0])): change "
          + "\(name(\.model.embeddingSize)), \(name(\.model.hiddenSize)) or \(name(\.model.readoutSize))"
    },
    ConfigurationRule([\.model.activation, \.model.cell]) {
      guard $0.model.activation != .tanh, $0.model.cell != .rnn else { return nil }
      return "\($0.model.activation.rawValue) works with cell rnn only; \(name(\.model.cell)) is "
        + $0.model.cell.rawValue
    },
    ConfigurationRule([\.model.forgetBias, \.model.cell]) {
      guard $0.model.forgetBias != 0, $0.model.cell != .lstm else { return nil }
      return "only an lstm has a forget gate; \(name(\.model.cell)) is \($0.model.cell.rawValue): set it to 0"
    },
    ConfigurationRule([\.model.gruReset, \.model.cell]) {
      guard $0.model.gruReset == .before, $0.model.cell != .gru else { return nil }
      return "only a gru has a reset gate; \(name(\.model.cell)) is \($0.model.cell.rawValue): "
        + "leave it at \(ModelConfiguration.ResetGate.after.rawValue)"
    },
    ConfigurationRule([\.data.maxVocabulary, \.data.tokens]) {
      guard $0.data.tokens != .byte, (1...2).contains($0.data.maxVocabulary) else { return nil }
      return "leaves no room beside the special tokens: at least 3, or 0 for no limit"
    },
  ]

  private static let cells: [ConfigurationRule] = [
    lstmOnly(\.model.peepholes) { $0.peepholes },
    lstmOnly(\.model.projectionSize) { $0.projectionSize != nil },
    lstmOnly(\.model.cellClip) { $0.cellClip != nil }, lstmOnly(\.model.coupledGates) { $0.coupledGates },
    lstmOnly(\.model.forgetGateInit) { $0.forgetGateInit != nil },
    lstmOnly(\.model.zoneoutCell) { $0.zoneoutCell != nil },
    ConfigurationRule([\.model.layerNorm, \.model.cell]) {
      guard $0.model.layerNorm, $0.model.cell == .rnn else { return nil }
      return "is for lstm and gru; \(name(\.model.cell)) is rnn"
    },
    ConfigurationRule([\.model.layerNorm, \.model.cell, \.model.gruReset]) {
      guard $0.model.layerNorm, $0.model.cell == .gru, $0.model.gruReset == .before else { return nil }
      return "applies the reset gate to the normalized product: \(name(\.model.gruReset)) must be after"
    },
    ConfigurationRule([
      \.model.projectionSize, \.model.cell, \.task, \.model.hiddenSize, \.model.decoderHiddenSize,
    ]) {
      let model = $0.model
      guard let width = model.projectionSize, model.cell == .lstm else { return nil }
      let units: Int =
        switch $0.task {
        case .languageModel, .tagger, .classifier: model.hiddenSize
        case .generator: model.effectiveDecoderHiddenSize
        case .seq2seq: min(model.hiddenSize, model.effectiveDecoderHiddenSize)
        }
      return width < units ? nil : "projects \(units) units to fewer numbers: at most \(units - 1), or null"
    },
    ConfigurationRule([\.model.variationalInputDropout, \.model.dropout]) {
      guard $0.model.variationalInputDropout > 0, $0.model.dropout > 0 else { return nil }
      return "and \(name(\.model.dropout)) both drop what layers read: set one of them to 0"
    },
    ConfigurationRule([\.model.pyramid, \.task, \.model.residual, \.model.highway]) {
      guard $0.model.pyramid > 0, $0.task == .seq2seq, $0.model.residual || $0.model.highway else {
        return nil
      }
      let connection = $0.model.residual ? name(\.model.residual) : name(\.model.highway)
      return "reads vectors twice as wide as it writes, past which nothing leads: set \(connection) to false"
    },
    ConfigurationRule([\.model.residual, \.model.highway]) {
      guard $0.model.residual, $0.model.highway else { return nil }
      return "and \(name(\.model.highway)) exclude each other"
    },
  ]

  /// An option that only an LSTM has.
  private static func lstmOnly(
    _ field: Field, isSet: @escaping @Sendable (ModelConfiguration) -> Bool
  ) -> ConfigurationRule {
    ConfigurationRule([field, \.model.cell]) {
      guard isSet($0.model), $0.model.cell != .lstm else { return nil }
      return "is an option of lstm; \(name(\.model.cell)) is \($0.model.cell.rawValue)"
    }
  }

  /// What goes with which task.
  private static let tasks: [ConfigurationRule] = [
    ConfigurationRule([\.data.format, \.task]) {
      guard !$0.data.format.belongs(to: $0.task), !$0.data.generator.makesPairs || $0.task != .seq2seq else {
        return nil
      }
      let task = $0.task
      let fitting = DataConfiguration.Format.allCases.filter { $0.belongs(to: task) }.map(\.rawValue)
      return "\($0.data.format.rawValue) does not serve the task \(task.rawValue); it takes "
        + fitting.joined(separator: ", ")
    },
    ConfigurationRule([\.model.output, \.task]) {
      $0.model.output.belongs(to: $0.task)
        ? nil : "\($0.model.output.rawValue) does not serve the task \($0.task.rawValue)"
    },
    ConfigurationRule([\.model.adaptiveCutoffs, \.task, \.model.tieEmbeddings, \.training.labelSmoothing]) {
      guard !$0.model.adaptiveCutoffs.isEmpty, $0.task == .languageModel else { return nil }
      guard !$0.model.tieEmbeddings else {
        return
          "an adaptive softmax has no matrix of the embedding's shape: \(name(\.model.tieEmbeddings)) must be false"
      }
      return $0.training.labelSmoothing == 0
        ? nil : "an adaptive softmax has no label smoothing: set \(name(\.training.labelSmoothing)) to 0"
    },
    ConfigurationRule([\.model.pyramid, \.task, \.model.layers]) {
      guard $0.model.pyramid > 0, $0.task == .seq2seq else { return nil }
      return $0.model.layers == 1
        ? nil : "stands on one layer that reads every step: set \(name(\.model.layers)) to 1"
    },
    ConfigurationRule([\.model.attentionQuery, \.model.inputFeeding, \.model.readoutSize]) {
      guard $0.task == .seq2seq, $0.model.context == .attention, $0.model.readoutSize == 0 else { return nil }
      guard $0.model.inputFeeding || $0.model.attentionQuery == .current else { return nil }
      return "needs a readout: set \(name(\.model.readoutSize)) above 0"
    },
    ConfigurationRule([\.model.coverage, \.model.attention, \.model.context]) {
      guard $0.task == .seq2seq, $0.model.coverage, $0.model.context == .attention else { return nil }
      return $0.model.attention.isAdditive
        ? nil : "is a part of additive scores; attention is \($0.model.attention.rawValue)"
    },
    ConfigurationRule([\.model.characterHiddenSize, \.model.characterEmbeddingSize]) {
      guard $0.model.characterHiddenSize > 0 || $0.model.characterEmbeddingSize > 0 else { return nil }
      return $0.model.characterHiddenSize > 0 && $0.model.characterEmbeddingSize > 0
        ? nil : "goes with \(name(\.model.characterEmbeddingSize)): set both above 0, or none"
    },
  ]

  /// States that are multiplied with each other, or handed on as they are, must be of one size.
  private static let widths: [ConfigurationRule] = [
    ConfigurationRule([
      \.model.attention, \.model.decoderHiddenSize, \.model.hiddenSize, \.model.bidirectional,
      \.model.projectionSize, \.model.context, \.task,
    ]) {
      let model = $0.model
      guard $0.task == .seq2seq, model.context == .attention, model.attention.multipliesStates else {
        return nil
      }
      let (encoder, decoder) = (
        model.encoderOutputSize, model.projectionSize ?? model.effectiveDecoderHiddenSize
      )
      return encoder == decoder
        ? nil
        : "\(model.attention.rawValue) multiplies states of the encoder (\(encoder) numbers) and of the decoder "
          + "(\(decoder)): make them equal with \(name(\.model.decoderHiddenSize)), or use "
          + ModelConfiguration.Attention.general.rawValue
    },
    ConfigurationRule([
      \.model.bridge, \.model.decoderHiddenSize, \.model.hiddenSize, \.model.bidirectional,
      \.model.projectionSize, \.task, \.data.train, \.data.format,
    ]) {
      guard $0.task == .seq2seq, $0.model.bridge == .copy else { return nil }
      let (model, directions) = ($0.model, $0.model.bidirectional ? 2 : 1)
      let widths = $0.possibleSources.map { $0 * directions * model.hiddenSize }
      guard widths.contains(model.effectiveDecoderHiddenSize) else {
        return
          "copy hands on states of \(widths[0]) numbers (all directions and sources together) to a decoder of "
          + "\(model.effectiveDecoderHiddenSize): set \(name(\.model.decoderHiddenSize)) to \(widths[0]), or use "
          + ModelConfiguration.Bridge.transform.rawValue
      }
      // Encoder and decoder project to the same width, so the copies of one direction of one source fit, and no others.
      let copies = $0.possibleSources.map { $0 * directions }
      guard let projection = model.projectionSize, !copies.contains(1) else { return nil }
      return
        "copy hands on outputs of \(copies[0] * projection) numbers to a decoder of \(projection): leave "
        + "\(name(\.model.projectionSize)) out, or use \(ModelConfiguration.Bridge.transform.rawValue)"
    },
  ]

  private static let training: [ConfigurationRule] = [
    ConfigurationRule([\.training.labelSmoothing, \.model.output]) {
      guard $0.training.labelSmoothing > 0, $0.model.output != .softmax else { return nil }
      return "smooths the targets of a softmax; \(name(\.model.output)) is \($0.model.output.rawValue)"
    },
    ConfigurationRule([\.training.epochs, \.training.steps]) {
      guard $0.training.epochs == 0, $0.training.steps == 0 else { return nil }
      return "the run would never end: set it or \(name(\.training.steps)) above 0"
    },
    ConfigurationRule([\.training.reproducible, \.training.batchSize]) {
      let shards = TrainingConfiguration.virtualShards
      guard $0.training.reproducible, $0.training.batchSize < shards else { return nil }
      return "sums \(shards) fixed parts of the batch, so \(name(\.training.batchSize)) must be at least "
        + "\(shards), not \($0.training.batchSize)"
    },
    ConfigurationRule([\.training.products, \.training.reproducible, \.training.precision]) {
      guard $0.training.products == .tuned else { return nil }
      if $0.training.reproducible {
        return
          "tuned follows a measurement, which may choose otherwise on another day or number of ranks: set "
          + "\(name(\.training.reproducible)) to false"
      }
      guard $0.training.precision == .bf16 else { return nil }
      return "tuned chooses between kernels and OpenBLAS, which has no products in bf16: leave it at rule"
    },
    ConfigurationRule([\.training.schedule.warmupSteps, \.training.steps]) {
      guard $0.training.steps > 0, $0.training.schedule.warmupSteps >= $0.training.steps else { return nil }
      return "must be below \(name(\.training.steps)) (\($0.training.steps)), or the warm-up never ends"
    },
  ]

  private static let decoding: [ConfigurationRule] = [
    ConfigurationRule([\.decoding.minLength, \.decoding.maxLength]) {
      let (least, most) = ($0.decoding.minLength, $0.decoding.maxLength)
      return least <= most ? nil : "\(least) is above \(name(\.decoding.maxLength)) (\(most))"
    }
  ]

  private static let validation: [ConfigurationRule] = [
    ConfigurationRule([\.evaluation.metric, \.task, \.model.output]) {
      let (task, output) = ($0.task, $0.model.output)
      guard !$0.evaluation.metric.belongs(to: task, output) else { return nil }
      let fitting = Metric.all.filter { $0.belongs(to: task, output) }
      let isOfTask = $0.evaluation.metric.belongs(to: task)
      return "the task \(task.rawValue)"
        + (isOfTask ? " with \(name(\.model.output)) \(output.rawValue)" : "")
        + " has no \($0.evaluation.metric.name); it has "
        + fitting.map(\.name).joined(separator: ", ")
    },
    ConfigurationRule([\.evaluation.metric, \.task, \.data.format]) {
      guard $0.evaluation.metric.comparesTexts, !$0.comparesTexts else { return nil }
      return
        "\($0.evaluation.metric.name) compares a text with those of the same vector, and a class has no right one: "
        + "loss or perplexity"
    },
    ConfigurationRule([\.training.schedule.kind, \.data.valid, \.data.validFraction]) {
      guard $0.training.schedule.kind == .plateau, !$0.data.hasValidation else { return nil }
      return "plateau follows the validation metric: " + wantsValidation
    },
    ConfigurationRule([\.evaluation.patience, \.data.valid, \.data.validFraction]) {
      guard $0.evaluation.patience > 0, !$0.data.hasValidation else { return nil }
      return "patience follows the validation metric: " + wantsValidation
    },
  ]

  /// Demanded of a run, not of a preset that waits for its text.
  static let needsText = ConfigurationRule([\.data.train, \.data.generator]) {
    guard $0.data.train == nil, $0.data.generator == .none else { return nil }
    let generator: DataConfiguration.Generator? =
      switch $0.task {
      case .languageModel: .dates
      case .seq2seq: .datePairs
      default: nil
      }
    return "nothing to learn from: add \(name(\.data.train))=FILE"
      + (generator.map { ", or \(name(\.data.generator))=\($0.rawValue) for generated data" } ?? "")
  }

  private static var wantsValidation: String {
    "set \(name(\.data.valid)), or \(name(\.data.validFraction)) above 0"
  }

  static func name(_ field: PartialKeyPath<RunConfiguration>) -> String {
    ConfigurationSchema.path(of: field)
  }
}

extension RunConfiguration {
  /// Width of what the output layer reads; two where it depends on the data whether there is a second source.
  fileprivate var tiedWidths: [Int] {
    if task == .languageModel { return [model.projectionSize ?? model.hiddenSize] }
    if model.readoutSize > 0 { return [model.readoutSize] }
    let state = model.projectionSize ?? model.effectiveDecoderHiddenSize
    guard task == .seq2seq, model.joinsContext else { return [state] }
    return possibleSources.map { state + $0 * model.encoderOutputSize }
  }

  /// How many sources the data of seq2seq may have.
  fileprivate var possibleSources: [Int] {
    let mayHaveColumns = data.train?.file != nil && data.format == .tsv
    return mayHaveColumns ? [1, 2] : [data.train?.secondSource == nil ? 1 : 2]
  }
}

extension ModelConfiguration.Attention {
  /// Whether states of encoder and decoder are multiplied as they are.
  var multipliesStates: Bool { self == .dot || self == .scaled || self == .learnedScale }
  /// Whether the score has a layer in which further terms can stand.
  var isAdditive: Bool { self == .additive || self == .normedAdditive || self == .location }
}

extension ModelConfiguration.Output {
  /// The tasks that have it.
  func belongs(to task: RunConfiguration.Task) -> Bool {
    switch self {
    case .softmax: true
    case .crf, .bernoulli: task == .tagger
    case .linear: task == .tagger || task == .classifier
    }
  }
}
