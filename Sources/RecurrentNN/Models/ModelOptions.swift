import Options

/// The options of a model of any task: everything that does not follow from its data.
public struct ModelOptions: Options, Hashable {
  /// The recurrent layers; of an encoder-decoder, those of its encoder.
  public var network = NetworkOptions()
  /// Width of the vectors of tokens, and of the classes of a generator.
  public var embeddingSize = 256
  /// Encoders: additional layers that each halve the number of states (Chan et al. 2016).
  public var pyramid = 0

  /// Probability of dropping a unit of the embedding; nil: as `network.dropout`, see `inputDropout`.
  public var embeddingDropout: Double?
  /// Probability of reading an input token as the unknown one in training.
  public var wordDropout = 0.0
  /// If set, every parameter starts from U(-initUniform, initUniform).
  public var initUniform: Double?

  /// Whether the output layer and the embedding share one matrix.
  public var tieEmbeddings = false
  /// Width of the vectors of characters, with `characterHiddenSize`.
  public var characterEmbeddingSize = 0
  /// Units of each direction of the network that reads the characters of a word; 0: none.
  public var characterHiddenSize = 0
  public var output = OutputShape.Kind.softmax
  /// Levels of the quantiles of output quantile, rising.
  public var quantiles = [0.1, 0.5, 0.9]
  /// Language models: where the clusters of an adaptive softmax begin; empty: one softmax.
  public var adaptiveCutoffs: [Int] = []
  /// The factor by which each of those clusters is narrower than the previous one.
  public var adaptiveFactor = 4.0
  /// Classifiers: how states become one vector.
  public var pooling = Pooling.Kind.last
  /// Decoders: width of the hidden layer before the output layer; 0: none.
  public var readoutSize = 0

  public var context = ContextForm.Kind.attention
  public var bridge = BridgeShape.Name.transform
  public var summary = SummaryForm.Kind.last
  /// With context every-step: whether c is also an input of the output layer.
  public var contextToOutput = false
  /// Generators: how the condition enters the decoder.
  public var condition = GeneratorShape.Form.everyStep
  /// Also the size of a classifier's attention pooling.
  public var attention = AttentionShape()
  /// Whether the decoder also reads its last output vector.
  public var inputFeeding = false
  /// The number of decoder layers; nil: as in the encoder.
  public var decoderLayers: Int?
  /// Units of the decoder's cells; nil: as in the encoder.
  public var decoderHiddenSize: Int?
  /// Width of the decoder's embedding; nil: as in the encoder. See `targetEmbeddingSize`.
  public var decoderEmbeddingSize: Int?

  public init() {}

  /// The dropout of the embedding.
  public var inputDropout: Double { embeddingDropout ?? network.dropout }
  /// Width of the embedding of a decoder's tokens.
  public var targetEmbeddingSize: Int { decoderEmbeddingSize ?? embeddingSize }
  /// The layers of an encoder, those of a pyramid included.
  public var encoderNetwork: NetworkOptions { network(layers: network.layers + pyramid) }
  /// The layers of a decoder, which reads in one direction.
  public var decoderNetwork: NetworkOptions {
    var decoder = network(layers: decoderLayers ?? network.layers)
    decoder.hiddenSize = decoderHiddenSize ?? network.hiddenSize
    decoder.bidirectional = false
    return decoder
  }
  /// Whether a decoder's output vector, or the readout before it, reads the contexts as well as the decoder's state.
  public var joinsContext: Bool { context == .attention || contextToOutput }

  /// The network with another number of layers. A single layer has no connection around it.
  private func network(layers: Int) -> NetworkOptions {
    var result = network
    result.layers = layers
    if layers < 2 { result.connection = .none }
    return result
  }

  /// Doesn't check the layers: Tasks does, where it is known whether there is a decoder.
  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.embeddingSize, .within(1...65_536))
    checks.bound(\.pyramid, .within(0...8))
    checks.bound(\.embeddingDropout, .from(0, below: 1))
    checks.bound(\.wordDropout, .from(0, below: 1))
    checks.bound(\.initUniform, .above(0, to: 10))
    checks.bound(\.characterEmbeddingSize, .within(0...65_536))
    checks.bound(\.characterHiddenSize, .within(0...65_536))
    checks.bound(\.adaptiveCutoffs, .rising(from: 1))
    checks.bound(\.adaptiveFactor, .within(1...1024))
    checks.bound(\.readoutSize, .within(0...65_536))
    checks.bound(\.decoderLayers, .within(1...64))
    checks.bound(\.decoderHiddenSize, .within(1...65_536))
    checks.bound(\.decoderEmbeddingSize, .within(1...65_536))
    checks.include(\.attention)
    checkInput(&checks)
    checkDecoder(&checks)
  }

  private func checkInput(_ checks: inout OptionChecks<Self>) {
    checks.read(
      \.network.cell.initialization, if: initUniform == nil, with: \.initUniform,
      otherwise: "has no effect with \(\.initUniform), which initializes every parameter")
    checks.read(
      \.network.cell.forgetGateInit, if: initUniform == nil, with: \.initUniform,
      otherwise: "has no effect with \(\.initUniform), which initializes every parameter")
    if (characterHiddenSize > 0) != (characterEmbeddingSize > 0) {
      checks.refuse(
        \.characterHiddenSize, with: \.characterEmbeddingSize,
        because: "needs \(\.characterEmbeddingSize), and vice versa: set both above 0 or both to 0")
    }
    checks.read(
      \.adaptiveFactor, if: !adaptiveCutoffs.isEmpty, with: \.adaptiveCutoffs,
      otherwise: "is for clusters: set \(\.adaptiveCutoffs)")
    if !adaptiveCutoffs.isEmpty, tieEmbeddings {
      checks.refuse(
        \.adaptiveCutoffs, with: \.tieEmbeddings,
        because:
          "an adaptive softmax has no matrix of the embedding's shape: \(\.tieEmbeddings) must be false")
    }
    checks.read(\.quantiles, if: output == .quantile, with: \.output, otherwise: "goes with output quantile")
    if quantiles.isEmpty || quantiles != Set(quantiles).sorted()
      || !quantiles.allSatisfy({ $0 > 0 && $0 < 1 })
    {
      checks.refuse(\.quantiles, because: "must be rising numbers between 0 and 1")
    }
    guard pyramid > 0 else { return }
    if network.layers != 1 {
      checks.refuse(
        \.pyramid, with: \.network.layers,
        because: "needs one layer below it that reads every step: set \(\.network.layers) to 1")
    }
    for option in [\Self.network.residual, \Self.network.highway] where self[keyPath: option] {
      checks.refuse(
        \.pyramid, with: option,
        because: "has layers of unequal input and output width: set \(option) to false")
    }
  }

  private func checkDecoder(_ checks: inout OptionChecks<Self>) {
    checks.read(
      \.summary, if: bridge == .transform || context.readsSummary, with: \.context, \.bridge,
      otherwise: """
        makes the c of a bridge that transforms or of context every-step; \(\.bridge) is copy
        """)
    checks.read(
      \.contextToOutput, if: context == .everyStep, with: \.context,
      otherwise: "is for context \(ContextForm.Kind.everyStep.rawValue)")
    needsAttention(\.attention.score, &checks)
    needsAttention(\.attention.query, &checks)
    needsAttention(\.attention.window, &checks)
    needsAttention(\.attention.coverage, &checks)
  }

  private func needsAttention<Value: Equatable>(
    _ option: KeyPath<Self, Value>, _ checks: inout OptionChecks<Self>
  ) {
    checks.read(
      option, if: context == .attention, with: \.context,
      otherwise: "needs attention; \(\.context) is \(context.rawValue)")
  }
}
