/// How what the encoder has read reaches the decoder.
public enum ContextForm: Sendable, Hashable {
  /// As the decoder's initial state alone.
  case initialState
  /// c takes the place of the first input; the initial state is the bridge's.
  case initialInput
  /// c is joined to every input (Cho et al. 2014).
  case everyStep
  /// A context of its own for every step.
  case attention(AttentionShape)

  var condition: DecoderCondition {
    switch self {
    case .initialState, .attention: .none
    case .initialInput: .initialInput
    case .everyStep: .everyStep
    }
  }
}

/// The sizes and options of an encoder-decoder.
public struct EncoderDecoderShape: Sendable, Hashable {
  /// One source, or two with an encoder each (a text and a question): their contexts, summaries and states are joined.
  public var sources: [EncoderShape]
  public var decoder: DecoderShape
  public var context: ContextForm
  public var summary: SummaryForm
  public var bridge: BridgeShape
  /// The output layer's weight is the target's embedding.
  public var tieOutput: Bool
  /// Sources and target have one embedding.
  public var shareEmbeddings: Bool
  /// If set, every parameter starts from U(-bound, bound).
  public var uniformInitialization: Double?

  public init(
    sources: [EncoderShape], decoder: DecoderShape, context: ContextForm, summary: SummaryForm = .last,
    bridge: BridgeShape = BridgeShape(), tieOutput: Bool = false, shareEmbeddings: Bool = false,
    uniformInitialization: Double? = nil
  ) {
    self.sources = sources
    self.decoder = decoder
    self.context = context
    self.summary = summary
    self.bridge = bridge
    self.tieOutput = tieOutput
    self.shareEmbeddings = shareEmbeddings
    self.uniformInitialization = uniformInitialization
  }

  /// c is part of the model.
  var needsSummary: Bool {
    context.condition != .none || (bridge.form != .zero && bridge.source == .summary)
  }

  /// Stops at a combination that has no meaning.
  func requireMeaning() {
    precondition((1...2).contains(sources.count), "\(sources.count) sources: a model has one or two")
    if case .initialState = context {
      precondition(bridge.form != .zero, "context as initial state with a bridge that hands nothing on")
    }
    if case .attention(let attention) = context, attention.query == .current {
      precondition(
        decoder.readout.withContext, "attention from the current state without the context in the readout")
    }
    if shareEmbeddings {
      let target = InputShape.tokens(
        vocabularySize: decoder.vocabularySize, embeddingSize: decoder.embeddingSize)
      for source in sources {
        precondition(
          source.input == target,
          "a source of \(source.input) shares its embedding with a target of \(target)")
      }
    }
  }
}
