import Datasets
import RecurrentNN

// The models described by a configuration, for the vocabularies and widths of its data.

extension RunConfiguration {
  /// The recurrent network of a tagger or a classifier.
  func network(_ encoding: DataEncoding) throws -> SequenceNetworkShape {
    SequenceNetworkShape(
      encoder: try encoder(encoding, network: model.network), outputDropout: model.network.dropout,
      uniformInitialization: model.initUniform)
  }

  /// The encoder of a source.
  fileprivate func encoder(_ encoding: DataEncoding, network: NetworkOptions) throws -> EncoderShape {
    EncoderShape(
      try inputShape(encoding), network: network, pyramidal: model.pyramid > 0,
      embeddingDropout: model.inputDropout, wordDropout: wordDropout(encoding))
  }

  /// The dropout of source tokens in training; nil: none.
  private func wordDropout(_ encoding: DataEncoding) -> WordDropout? {
    guard model.wordDropout > 0 else { return nil }
    return encoding.source?.unknown.map { WordDropout(rate: model.wordDropout, unknown: $0) }
  }

  /// The input of the model at each step: tokens, words with their characters, or vectors.
  private func inputShape(_ encoding: DataEncoding) throws -> InputShape {
    if let vocabulary = encoding.source {
      guard model.characterHiddenSize > 0, let characters = encoding.characters else {
        return .tokens(vocabularySize: vocabulary.count, embeddingSize: model.embeddingSize)
      }
      return .words(
        vocabularySize: vocabulary.count, embeddingSize: model.embeddingSize,
        characters: CharacterShape(
          vocabularySize: characters.count, embeddingSize: model.characterEmbeddingSize,
          hiddenSize: model.characterHiddenSize))
    }
    // Without a source, the sequences to predict are also the input.
    guard let width = encoding.sourceWidth ?? encoding.targetWidth else {
      throw TrainingFailure.unfittingData("the data hold nothing to read")
    }
    return .vectors(size: width)
  }
}

extension SequenceClassifierShape {
  /// The classifier, or the matcher, that a configuration describes.
  ///
  /// - Throws: ``TrainingFailure/unfittingData(_:)`` if all states are joined and the sequences differ in length.
  init(_ configuration: RunConfiguration, _ encoding: DataEncoding, _ output: OutputShape) throws {
    let model = configuration.model
    let pooling: Pooling
    switch model.pooling {
    case .last, .mean, .max: pooling = Pooling(model.pooling)
    case .attention: pooling = .attention(size: model.attention.size ?? model.network.hiddenSize)
    case .all:
      guard let steps = encoding.sourceSteps else {
        throw TrainingFailure.unfittingData("pooling all needs data of one length")
      }
      pooling = .all(steps: steps)
    }
    self.init(network: try configuration.network(encoding), pooling: pooling, output: output)
  }
}

extension ExampleSet {
  /// Throws ``TrainingFailure/unfittingData(_:)`` if the vectors of a side do not have the width of the model. nil
  /// accepts any width.
  package func requireWidth(_ width: Int?, of side: Side) throws {
    guard let width, let vectors = field(side)?.vectorSequences, vectors.width != width else { return }
    throw TrainingFailure.unfittingData(
      "\(name): vectors of \(vectors.width) numbers for a model made for \(width)")
  }
}

// MARK: - Encoder-decoders and generators

extension EncoderDecoderShape {
  /// The encoder-decoder described by a configuration, for the vocabularies of its data.
  ///
  /// - Throws: ``TrainingFailure/unfittingData(_:)`` if the settings do not fit the data.
  package init(_ configuration: RunConfiguration, _ encoding: DataEncoding, sourceCount: Int) throws {
    let model = configuration.model
    let encoder = try configuration.encoder(encoding, network: model.encoderNetwork)
    let decoder = try DecoderShape(configuration, encoding)
    try configuration.requireFittingWidths(sources: sourceCount)
    self.init(
      sources: Array(repeating: encoder, count: sourceCount), decoder: decoder,
      context: ContextForm(model.context, model.attention), summary: SummaryForm(model.summary),
      bridge: BridgeShape(model.bridge), tieOutput: model.tieEmbeddings,
      shareEmbeddings: configuration.data.sharedVocabulary, uniformInitialization: model.initUniform)
  }
}

extension DecoderShape {
  /// The decoder described by a configuration.
  package init(_ configuration: RunConfiguration, _ encoding: DataEncoding) throws {
    let model = configuration.model
    guard let target = encoding.target, let begin = target.beginOfSentence, let end = target.endOfSentence
    else { throw TrainingFailure.unfittingData("the data hold no sequences to write") }
    let hasContext = configuration.task.groups.contains(.encoderDecoder) && model.joinsContext
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

// MARK: - Any model

/// The sizes and options of a model of any kind.
package enum ModelShape: Sendable {
  case languageModel(LanguageModelShape)
  case tagger(SequenceTaggerShape)
  case classifier(SequenceClassifierShape)
  case matcher(SequenceMatcherShape)
  case generator(GeneratorShape)
  case encoderDecoder(EncoderDecoderShape)
}
