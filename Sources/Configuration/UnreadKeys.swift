/// Says why nothing reads a key whose value isn't the default: a setting that would be accepted and ignored is refused.
struct UnreadKey: Sendable {
  typealias Field = ConfigurationRule.Field

  /// The key, and the others that decide whether it is read.
  let fields: [Field]
  /// Why nothing reads it, or nil.
  let reason: @Sendable (RunConfiguration) -> String?

  init(_ fields: [Field], _ reason: @escaping @Sendable (RunConfiguration) -> String?) {
    self.fields = fields
    self.reason = reason
  }

  /// Why the task has no use for a key, or nil.
  static func reason(_ key: ConfigurationKey, task: RunConfiguration.Task) -> String? {
    guard !key.tasks.contains(task) else { return nil }
    let readers = RunConfiguration.Task.allCases.filter(key.tasks.contains).map(\.rawValue)
    return "is for \(readers.joined(separator: ", ")); the task \(task.rawValue) would ignore it"
  }

  /// The conditions beyond the task.
  static let all: [UnreadKey] = model + data + training + updates + decoding

  private static let model: [UnreadKey] = [
    UnreadKey([\.model.residual, \.model.layers, \.model.decoderLayers, \.task]) { needsTwoLayers($0) },
    UnreadKey([\.model.highway, \.model.layers, \.model.decoderLayers, \.task]) { needsTwoLayers($0) },
    UnreadKey([\.model.wordDropout, \.data.format, \.data.tokens, \.data.sourceTokens]) {
      if $0.data.format.isNumeric { return "replaces tokens; \($0.data.format.rawValue) holds numbers" }
      return $0.data.effectiveSourceTokens == .byte ? "has no <unk> to put in place of bytes" : nil
    },
    UnreadKey([\.model.adaptiveFactor, \.model.adaptiveCutoffs]) {
      $0.model.adaptiveCutoffs.isEmpty ? "is for clusters: set \(name(\.model.adaptiveCutoffs))" : nil
    },
    UnreadKey([\.model.initialization, \.model.initUniform]) { underUniform($0) },
    UnreadKey([\.model.forgetGateInit, \.model.initUniform]) { underUniform($0) },
    UnreadKey([\.model.summary, \.model.context, \.model.bridge]) {
      guard $0.model.bridge == .copy, $0.model.context != .everyStep else { return nil }
      return
        "makes the c of a bridge that transforms or of context every-step; \(name(\.model.bridge)) is copy"
    },
    UnreadKey([\.model.contextToOutput, \.model.context]) {
      $0.model.context == .everyStep
        ? nil : "is for context \(ModelConfiguration.Context.everyStep.rawValue)"
    },
    UnreadKey([\.model.condition, \.data.format, \.data.train]) {
      guard $0.data.format == .lines, $0.data.train?.file != nil, $0.model.condition != .none else {
        return nil
      }
      return "says where X enters; one file of lines holds no X"
    },
    attention(\.model.attention), attention(\.model.attentionQuery), attention(\.model.attentionWindow),
    attention(\.model.coverage),
    UnreadKey([\.model.attentionSize, \.task, \.model.context, \.model.attention, \.model.pooling]) {
      if $0.task == .classifier {
        return $0.model.pooling == .attention ? nil : "is for pooling attention"
      }
      return withoutAttention($0)
        ?? ($0.model.attention.isAdditive
          ? nil : "is a part of additive scores; attention is \($0.model.attention.rawValue)")
    },
  ]

  private static let data: [UnreadKey] = [
    UnreadKey([\.data.width, \.data.format]) {
      $0.data.format == .multihot ? nil : "is for format multihot"
    },
    UnreadKey([\.data.reverseSource, \.data.format]) {
      $0.data.format.isNumeric ? "turns tokens round; \($0.data.format.rawValue) holds numbers" : nil
    },
    UnreadKey([\.data.tooLong, \.data.maxLength]) {
      $0.data.maxLength == 0 ? "goes with \(name(\.data.maxLength)), which is 0: no limit" : nil
    },
    subwords(\.data.subwordKind), subwords(\.data.subwordVocabulary),
  ]

  private static let training: [UnreadKey] = [
    UnreadKey([\.training.recompute, \.training.bptt]) {
      guard $0.training.recompute >= $0.training.bptt else { return nil }
      return
        "keeps the states of every \($0.training.recompute)th step and computes those between again, but a chunk "
        + "has \($0.training.bptt) (\(name(\.training.bptt))): choose a smaller one, or 0 to keep all"
    },
    UnreadKey([\.training.coverageWeight, \.model.coverage]) {
      $0.model.coverage ? nil : "goes with \(name(\.model.coverage))"
    },
    UnreadKey([\.training.teacherForcingSteps, \.training.teacherForcingEnd]) {
      $0.training.teacherForcingEnd == nil ? "goes with \(name(\.training.teacherForcingEnd))" : nil
    },
  ]

  private static let updates: [UnreadKey] = [
    optimizer(\.training.momentum, [.momentum, .nesterov]), optimizer(\.training.decay, [.rmsprop]),
    optimizer(\.training.beta1, [.adam, .adamw]), optimizer(\.training.beta2, [.adam, .adamw]),
    optimizer(\.training.epsilon, [.rmsprop, .adagrad, .adam, .adamw]),
    schedule(\.training.schedule.startEpoch, [.step]),
    schedule(\.training.schedule.factor, [.exponential, .step, .plateau]),
    schedule(\.training.schedule.patience, [.plateau]),
    schedule(\.training.schedule.minimum, [.exponential, .step, .plateau, .inverseSquareRoot, .cosine]),
  ]

  private static let decoding: [UnreadKey] = [
    attention(\.decoding.coveragePenalty), comparison(\.evaluation.decodeLimit),
    comparison(\.evaluation.bleuTokens), comparison(\.evaluation.groupReferences),
    UnreadKey([
      \.decoding.replaceUnknown, \.model.context, \.model.pyramid, \.data.format, \.data.tokens,
      \.data.sourceTokens, \.data.targetTokens,
    ]) {
      if let reason = withoutAttention($0) { return reason }
      if $0.model.pyramid > 0 {
        return "needs a state for every word; with \(name(\.model.pyramid)) a state stands for several"
      }
      if $0.data.format.isNumeric || $0.data.effectiveSourceTokens == .bpe {
        return "copies words of the source, which holds \($0.data.format.isNumeric ? "numbers" : "subwords")"
      }
      return $0.data.effectiveTargetTokens == .byte ? "has nothing to replace: bytes have no <unk>" : nil
    },
  ]

  // MARK: Reasons that several keys share

  private static func optimizer(
    _ field: Field, _ kinds: [TrainingConfiguration.Optimizer]
  ) -> UnreadKey {
    UnreadKey([field, \.training.optimizer]) { words(kinds, $0.training.optimizer, "optimizer") }
  }

  private static func schedule(_ field: Field, _ kinds: [ScheduleConfiguration.Kind]) -> UnreadKey {
    UnreadKey([field, \.training.schedule.kind]) { words(kinds, $0.training.schedule.kind, "schedule") }
  }

  /// Why a key for some choices is not read with another.
  private static func words<Choice: ConfigurationChoice>(
    _ kinds: [Choice], _ chosen: Choice, _ what: String
  ) -> String? {
    kinds.contains(chosen)
      ? nil : "is for \(what) \(kinds.map(\.rawValue).joined(separator: ", ")), not \(chosen.rawValue)"
  }

  private static func needsTwoLayers(_ configuration: RunConfiguration) -> String? {
    let model = configuration.model
    let layers =
      switch configuration.task {
      case .seq2seq: max(model.layers + model.pyramid, model.effectiveDecoderLayers)
      case .generator: model.effectiveDecoderLayers
      case .languageModel, .tagger, .classifier: model.layers
      }
    return layers > 1 ? nil : "begins at the second layer; \(name(\.model.layers)) is 1"
  }

  private static func underUniform(_ configuration: RunConfiguration) -> String? {
    configuration.model.initUniform == nil
      ? nil : "is overruled by \(name(\.model.initUniform)), from which every parameter starts"
  }

  private static func attention(_ field: Field) -> UnreadKey {
    UnreadKey([field, \.model.context]) { withoutAttention($0) }
  }

  private static func withoutAttention(_ configuration: RunConfiguration) -> String? {
    let context = configuration.model.context
    return context == .attention
      ? nil : "needs attention; \(name(\.model.context)) is \(context.rawValue)"
  }

  private static func comparison(_ field: Field) -> UnreadKey {
    UnreadKey([field, \.task, \.data.format]) {
      $0.comparesTexts ? nil : "is for texts that are compared with others; a class has no right one"
    }
  }

  private static func subwords(_ field: Field) -> UnreadKey {
    UnreadKey([field, \.data.tokens, \.data.sourceTokens, \.data.targetTokens]) {
      [$0.data.effectiveSourceTokens, $0.data.effectiveTargetTokens].contains(.bpe)
        ? nil : "is for tokens bpe"
    }
  }

  private static func name(_ field: PartialKeyPath<RunConfiguration>) -> String {
    ConfigurationSchema.path(of: field)
  }
}

extension DataConfiguration.Format {
  /// Whether sources are numbers rather than text.
  var isNumeric: Bool { self == .csv || self == .npy || self == .multihot }
}
