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
      network: model.encoderNetwork, pyramidal: model.pyramid > 0, embeddingDropout: model.inputDropout,
      wordDropout: configuration.wordDropout(encoding))
    let decoder = try DecoderShape(configuration, encoding)
    let encoderWidth = encoder.network.outputSize
    try Self.requireTie(configuration.model, decoder, contextSize: encoderWidth * sourceCount)
    let bridge = BridgeShape(model.bridge)
    if model.bridge == .copy {
      try Self.checkCopy(from: Array(repeating: encoder, count: sourceCount), to: decoder)
    }
    self.init(
      sources: Array(repeating: encoder, count: sourceCount), decoder: decoder,
      context: ContextForm(model.context, model.attention), summary: SummaryForm(model.summary),
      bridge: bridge, tieOutput: model.tieEmbeddings,
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
    _ model: ModelOptions, _ decoder: DecoderShape, contextSize: Int
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
    self.init(
      vocabularySize: target.count, embeddingSize: model.targetEmbeddingSize,
      network: model.decoderNetwork,
      readout: model.readoutSize > 0
        ? .hidden(size: model.readoutSize, withContext: hasContext, withInput: true)
        : .direct(withContext: hasContext),
      inputFeeding: model.inputFeeding, readoutDropout: model.network.dropout,
      embeddingDropout: model.inputDropout, beginToken: Int(begin), endToken: Int(end))
  }
}

extension SearchOptions {
  /// The search that a configuration asks for.
  ///
  /// - Parameter count: hypotheses wanted of each sequence.
  package init(
    _ decoding: DecodingOptions, _ vocabulary: Vocabulary, count: Int = 1,
    keepsAttention: Bool = false
  ) {
    self = decoding.search(
      beginToken: vocabulary.beginOfSentence, endToken: vocabulary.endOfSentence, count: count,
      keepsAttention: keepsAttention)
  }
}
