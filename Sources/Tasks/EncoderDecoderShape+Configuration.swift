import Configuration
import Datasets
import RecurrentNN

extension EncoderDecoderShape {
  /// The encoder-decoder that a configuration describes, for the vocabularies of its data.
  ///
  /// - Throws: ``TrainingFailure/unfittingData(_:)`` if settings and data do not go together.
  package init(_ configuration: RunConfiguration, _ encoding: DataEncoding, sourceCount: Int) throws {
    let model = configuration.model
    let encoder = EncoderShape(
      try configuration.inputShape(encoding),
      network: NetworkOptions(model, layers: model.layers + model.pyramid, hiddenSize: model.hiddenSize),
      pyramidal: model.pyramid > 0, embeddingDropout: model.effectiveEmbeddingDropout,
      wordDropout: configuration.wordDropout(encoding))
    let decoder = try DecoderShape(configuration, encoding)
    let context = ContextForm(model)
    let encoderWidth = encoder.network.outputSize
    try Self.requireTie(configuration.model, decoder, contextSize: encoderWidth * sourceCount)
    let bridge = BridgeShape(model.bridge)
    if model.bridge == .copy {
      try Self.checkCopy(from: Array(repeating: encoder, count: sourceCount), to: decoder)
    }
    self.init(
      sources: Array(repeating: encoder, count: sourceCount), decoder: decoder, context: context,
      summary: SummaryForm(model.summary), bridge: bridge, tieOutput: model.tieEmbeddings,
      shareEmbeddings: configuration.data.sharedVocabulary, uniformInitialization: model.initUniform)
  }

  /// Throws unless the last states of the encoders, joined, are as wide as the decoder's.
  private static func checkCopy(from encoders: [EncoderShape], to decoder: DecoderShape) throws {
    func width(_ size: (NetworkOptions) -> Int) -> (encoders: Int, decoder: Int) {
      let networks = encoders.map(\.network)
      return (
        networks.reduce(0) { $0 + size($1) * ($1.bidirectional ? 2 : 1) }, size(decoder.network)
      )
    }
    let hidden = width { $0.cell.projectionSize ?? $0.hiddenSize }
    let cell = width(\.hiddenSize)
    guard hidden.encoders == hidden.decoder, cell.encoders == cell.decoder else {
      throw TrainingFailure.unfittingData(
        """
        model.bridge copy hands on states of \(cell.encoders) numbers (all directions and sources together) to a decoder of \
        \(cell.decoder): set model.decoder_hidden_size to \(cell.encoders) and leave model.projection_size out, or use transform
        """)
    }
  }

  /// How many sources there are, and so how wide their contexts, the configuration alone may not say.
  private static func requireTie(
    _ model: ModelConfiguration, _ decoder: DecoderShape, contextSize: Int
  ) throws {
    guard model.tieEmbeddings, case .direct(let withContext) = decoder.readout else { return }
    let top = decoder.network.outputSize + (withContext ? contextSize : 0)
    guard top != decoder.embeddingSize else { return }
    throw TrainingFailure.unfittingData(
      """
      model.tie_embeddings needs the embedding (\(decoder.embeddingSize)) to be as wide as what the output layer reads \
      (\(top), of state and contexts): set model.readout_size to \(decoder.embeddingSize)
      """)
  }
}

extension DecoderShape {
  /// The decoder that a configuration describes.
  package init(_ configuration: RunConfiguration, _ encoding: DataEncoding) throws {
    let model = configuration.model
    guard let target = encoding.target, let begin = target.beginOfSentence, let end = target.endOfSentence
    else { throw TrainingFailure.unfittingData("the data hold no sequences to write") }
    let hasContext = configuration.task == .seq2seq && model.joinsContext
    var network = NetworkOptions(
      model, layers: model.effectiveDecoderLayers, hiddenSize: model.effectiveDecoderHiddenSize)
    network.bidirectional = false
    self.init(
      vocabularySize: target.count, embeddingSize: model.effectiveDecoderEmbeddingSize, network: network,
      readout: model.readoutSize > 0
        ? .hidden(size: model.readoutSize, withContext: hasContext, withInput: true)
        : .direct(withContext: hasContext),
      inputFeeding: model.inputFeeding, readoutDropout: model.dropout,
      embeddingDropout: model.effectiveEmbeddingDropout, beginToken: Int(begin), endToken: Int(end))
  }
}

extension ContextForm {
  /// How the decoder uses the encoder.
  package init(_ model: ModelConfiguration) {
    switch model.context {
    case .initialState: self = .initialState
    case .everyStep: self = .everyStep
    case .attention: self = .attention(AttentionShape(model))
    }
  }
}

extension BridgeShape {
  /// How the decoder's first state is made.
  package init(_ bridge: ModelConfiguration.Bridge) {
    switch bridge {
    case .transform: self.init()
    case .copy: self.init(.identity, from: .finalStates, cellState: true)
    }
  }
}

extension SummaryForm {
  package init(_ summary: ModelConfiguration.Summary) {
    switch summary {
    case .last: self = .last
    case .lastTransform: self = .lastTransform()
    case .allTransform: self = .allTransform()
    }
  }
}

extension AttentionShape {
  /// The score a configuration asks for, with its options.
  package init(_ model: ModelConfiguration) {
    let size = model.effectiveAttentionSize
    let score: Score =
      switch model.attention {
      case .additive, .location: .additive(size: size, normed: false)
      case .normedAdditive: .additive(size: size, normed: true)
      case .dot, .scaled, .learnedScale: .dot
      case .general: .general
      }
    // The sizes of Chorowski et al. 2015, section 4, for inputs that are not speech.
    let location = model.attention == .location ? LocationFeatures(channels: 10, width: 15) : nil
    let scaling: Scaling =
      switch model.attention {
      case .scaled: .inverseSquareRoot
      case .learnedScale: .learned
      case .additive, .normedAdditive, .dot, .general, .location: .none
      }
    self.init(
      score, scaling: scaling,
      query: model.attentionQuery == .previous ? .previous : .current, coverage: model.coverage,
      location: location, window: model.attentionWindow)
  }
}

extension SearchOptions {
  /// The search that a configuration asks for.
  ///
  /// - Parameter count: hypotheses wanted of each sequence.
  package init(
    _ decoding: DecodingConfiguration, _ vocabulary: Vocabulary, count: Int = 1,
    keepsAttention: Bool = false
  ) {
    // A mark of the beginning never follows anything.
    let excluded = vocabulary.beginOfSentence.map { [$0] } ?? []
    let ratio = decoding.maxLengthRatio
    let length = LengthBounds(
      minimum: decoding.minLength, maximum: decoding.maxLength,
      maximumPerSource: ratio > 0 ? LinearLength(factor: ratio, offset: 10) : nil)
    let width = max(decoding.beam, count)
    self.init(
      beamWidth: width, resultCount: count,
      constraints: TokenConstraints(
        endToken: vocabulary.endOfSentence, length: length, excludedTokens: excluded,
        noRepeatedNgram: decoding.noRepeatNgram > 0 ? decoding.noRepeatNgram : nil),
      // A single hypothesis is compared with none.
      lengthPenalty: width > 1 ? decoding.lengthPenalty : 0,
      coveragePenalty: decoding.coveragePenalty, patience: decoding.patience,
      keepsAttention: keepsAttention || decoding.replaceUnknown)
  }
}
