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
  static let all: [ConfigurationRule] = model + training + validation

  private static let model: [ConfigurationRule] = [
    ConfigurationRule([\.model.tieEmbeddings, \.model.embeddingSize, \.model.hiddenSize]) {
      guard $0.model.tieEmbeddings, $0.model.embeddingSize != $0.model.hiddenSize else { return nil }
      return "needs \(name(\.model.embeddingSize)) (\($0.model.embeddingSize)) to equal "
        + "\(name(\.model.hiddenSize)) (\($0.model.hiddenSize))"
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

  private static let training: [ConfigurationRule] = [
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
    ConfigurationRule([\.training.schedule.warmupSteps, \.training.steps]) {
      guard $0.training.steps > 0, $0.training.schedule.warmupSteps >= $0.training.steps else { return nil }
      return "must be below \(name(\.training.steps)) (\($0.training.steps)), or the warm-up never ends"
    },
  ]

  private static let validation: [ConfigurationRule] = [
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
    return "no text to learn from: add \(name(\.data.train))=FILE, or \(name(\.data.generator))="
      + "\(DataConfiguration.Generator.dates.rawValue) for generated text"
  }

  private static var wantsValidation: String {
    "set \(name(\.data.valid)), or \(name(\.data.validFraction)) above 0"
  }

  private static func name(_ field: PartialKeyPath<RunConfiguration>) -> String {
    ConfigurationSchema.path(of: field)
  }
}

extension DataConfiguration {
  /// True when some text is set apart for validation.
  public var hasValidation: Bool { valid != nil || validFraction > 0 }
}
