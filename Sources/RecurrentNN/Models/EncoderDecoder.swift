import NumericKernels
import Options
import Parameters

/// How the states of the encoder reach the decoder.
public struct ContextForm: Sendable, Hashable {
  public enum Kind: String, OptionChoice {
    /// As the decoder's initial state alone.
    case initialState = "initial-state"
    /// c takes the place of the first input; the initial state is the bridge's.
    case initialInput = "initial-input"
    /// c is joined to every input (Cho et al. 2014).
    case everyStep = "every-step"
    /// A separate context for every step.
    case attention

    /// Whether the decoder reads c itself.
    public var readsSummary: Bool { condition != .none }

    package var condition: DecoderCondition {
      switch self {
      case .initialState, .attention: .none
      case .initialInput: .initialInput
      case .everyStep: .everyStep
      }
    }
  }

  public var kind: Kind
  /// The shape of the attention, if the context is computed by attention.
  public var shape: AttentionShape

  public init(_ kind: Kind, _ shape: AttentionShape = AttentionShape()) {
    (self.kind, self.shape) = (kind, shape)
  }

  public static let initialState = ContextForm(.initialState)
  public static let initialInput = ContextForm(.initialInput)
  public static let everyStep = ContextForm(.everyStep)
  public static func attention(_ shape: AttentionShape) -> ContextForm { ContextForm(.attention, shape) }

  package var condition: DecoderCondition { kind.condition }
  /// The attention; nil for other kinds of context.
  public var attention: AttentionShape? { kind == .attention ? shape : nil }
}

/// The sizes and options of an encoder-decoder.
public struct EncoderDecoderShape: Sendable, Hashable {
  /// One source, or two with an encoder each (a text and a question): their contexts, summaries and states are joined.
  public var sources: [EncoderShape]
  public var decoder: DecoderShape
  public var context: ContextForm
  public var summary: SummaryForm
  public var bridge: BridgeShape
  /// Whether the output layer's weight is the target's embedding.
  public var tieOutput: Bool
  /// Whether sources and target share one embedding.
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

  /// Whether c is part of the model.
  package var needsSummary: Bool {
    context.condition != .none || (bridge.form != .zero && bridge.source == .summary)
  }

  /// Stops the program at an invalid combination of options.
  func requireMeaning() {
    precondition((1...2).contains(sources.count), "\(sources.count) sources: a model has one or two")
    if context.kind == .initialState {
      precondition(bridge.form != .zero, "context as initial state with a bridge that passes nothing on")
    }
    if context.attention?.query == .current {
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

/// Pairs of sources and targets, in the caller's order.
public struct EncoderDecoderBatch<Element: Scalar> {
  /// The sequences of each source of the model, as many as there are targets.
  public let sources: [InputSequences<Element>]
  /// The targets without begin and end marks, which the model adds.
  public let targets: TokenSequences
  /// The samples in training; nil: nothing is dropped, and every step reads the true token.
  public let masks: SampleMasks?

  public init(sources: [InputSequences<Element>], targets: TokenSequences, masks: SampleMasks? = nil) {
    self.sources = sources
    self.targets = targets
    self.masks = masks
  }
}

/// An encoder-decoder (N-M): one or two sources are read, and a target of any length is generated.
///
///     h = encoder(x),   s_0 = bridge(h),   s_i = cells([E[y_{i-1}]; c or c_i], s_{i-1}),   p(y_i) = softmax(W r_i + b)
///
/// Sutskever et al. 2014 (c as initial state), Cho et al. 2014 (c at every step), Bahdanau et al. 2014 (attention).
/// Parameter names: `encoder.…` (`encoder2.…`), `summary.…`, `bridge.…`, `attention.…` (`attention2.…`), `decoder.…`; see
/// the layers for the rest of the names.
public struct EncoderDecoder<Element: Scalar>: Sendable {
  public let shape: EncoderDecoderShape
  public let layout: ParameterLayout
  let sources: SourceEncoders<Element>
  let bridge: Bridge<Element>
  let decoder: Decoder<Element>

  /// Throws `OptionError` if options of cells exclude each other. Requires a shape whose parts fit together.
  public init(_ shape: EncoderDecoderShape) throws(OptionError) {
    shape.requireMeaning()
    let stateSize = try shape.decoder.stateSize()
    let querySize = shape.decoder.network.outputSize
    self.shape = shape
    var builder = ParameterLayout.Builder(initializeAllUniform: shape.uniformInitialization)
    let sources = try SourceEncoders<Element>(shape, in: &builder)
    bridge = builder.scoped("bridge") {
      Bridge(
        shape.bridge, to: stateSize, summarySize: sources.summarySize,
        layerSizes: sources.layerSizes, in: &$0)
    }
    var attentions: [Attention<Element>] = []
    if var attention = shape.context.attention {
      try attention.validate()
      attention.size = attention.size ?? shape.decoder.network.hiddenSize
      for (index, encoder) in sources.encoders.enumerated() {
        attentions.append(
          builder.scoped(SourceEncoders<Element>.name("attention", index)) {
            Attention(attention, memorySize: encoder.outputSize, querySize: querySize, in: &$0)
          })
      }
    }
    let table = shape.shareEmbeddings ? sources.encoders.first?.embedding.table : nil
    decoder = try builder.scoped("decoder") { builder throws(OptionError) in
      try Decoder(
        shape.decoder, condition: shape.context.condition, conditionSize: sources.summarySize,
        attentions: attentions, sharedTable: table, tieOutput: shape.tieOutput, in: &builder)
    }
    self.sources = sources
    layout = builder.build()
  }

  /// Weights multiplied per source step and per target token in the forward pass.
  public var multipliedWeights: (source: Int, target: Int) {
    let keys = decoder.attentions.reduce(0) { $0 + ($1.key?.count ?? 0) }
    return (sources.encoders.reduce(keys) { $0 + $1.multipliedWeights }, decoder.multipliedWeights)
  }

  // MARK: Training and evaluation

  /// Computes the summed loss of a batch and, if `gradients` is given, adds the gradients of that SUM to it.
  ///
  /// - Parameters:
  ///   - batch: sources and targets.
  ///   - options: label smoothing, teacher forcing, coverage loss.
  ///   - context: parameters and workspace, whose arena is left as it was; masks come with the batch.
  /// - Returns: the loss in nats; its tokens are those of the targets and one end mark each.
  public func evaluate(
    _ batch: EncoderDecoderBatch<Element>, _ options: DecoderOptions = DecoderOptions(),
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> LossSum {
    context.arena.scoped {
      let targets = DecoderBatch<Element>(batch.targets, shape.decoder, masks: batch.masks, context.arena)
      let order = targets.layout.order
      let encoded = sources.forward(batch.sources, order: order, masks: batch.masks, context)
      let start = start(encoded, order, memoriesIn: context.arena, context)
      let masked = context.masked(
        by: batch.masks, targets.layout,
        firstStream: SourceEncoders<Element>.firstStream(ofSource: shape.sources.count))
      let pass = decoder.forward(targets, from: start, options, masked)
      let (loss, dr) = decoder.loss(pass, options, into: gradients, masked)
      if let gradients, let dr {
        let dStart = decoder.backward(pass, readoutGradient: dr, options, into: gradients, masked)
        let dEncoded = sources.zeroGradient(encoded, context)
        if let dCondition = dStart.condition { dEncoded.summary?.add(dCondition) }
        bridge.backward(
          encoded.bridgeInput, start.state, stateGradient: dStart.state, inputGradient: dEncoded,
          into: gradients, context)
        sources.backward(
          encoded, gradient: dEncoded, memories: Array(zip(start.memories, dStart.memories)).map { ($0, $1) },
          into: gradients, context)
      }
      return LossSum(total: loss, tokens: targets.layout.rowCount)
    }
  }

  private func start(
    _ encoded: SourceEncoders<Element>.Pass, _ order: [Int], memoriesIn arena: Arena<Element>,
    _ context: LayerContext<Element>
  ) -> DecoderStart<Element> {
    DecoderStart(
      state: bridge.forward(encoded.bridgeInput, batchSize: order.count, context),
      condition: shape.context.condition == .none ? nil : encoded.bridgeInput.summary,
      memories: decoder.attentions.isEmpty
        ? [] : encoded.passes.map { SourceMemory($0.output, $0.layout, order: order, arena) })
  }

  // MARK: Decoding

  /// Reads the sources of a batch and returns a decoder for them.
  ///
  /// - Parameter context: parameters and workspace, which the result keeps.
  public func decoder(
    for batch: [InputSequences<Element>], _ context: LayerContext<Element>
  ) -> SequenceDecoder<Element> {
    let count = batch.first?.count ?? 0
    return SequenceDecoder(decoder, count: count, context) { kept, context in
      let order = Array(0..<count)
      return start(
        sources.forward(batch, order: order, masks: nil, context), order, memoriesIn: kept, context)
    }
  }
}
