import Configuration
import Datasets
import RecurrentNN

extension RunConfiguration {
  /// The recurrent network of a tagger or a classifier.
  package func network(_ encoding: DataEncoding) throws -> SequenceNetworkShape {
    SequenceNetworkShape(
      input: try inputShape(encoding),
      recurrent: model.network,
      inputDropout: model.inputDropout, outputDropout: model.network.dropout,
      wordDropout: wordDropout(encoding),
      uniformInitialization: model.initUniform)
  }

  /// How source tokens are dropped in training, if they are.
  package func wordDropout(_ encoding: DataEncoding) -> WordDropout? {
    guard model.wordDropout > 0 else { return nil }
    return encoding.source?.unknown.map { WordDropout(rate: model.wordDropout, unknown: $0) }
  }

  /// What the model reads at each step: tokens, words with their characters, or vectors.
  package func inputShape(_ encoding: DataEncoding) throws -> InputShape {
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
    // Sequences that predict their own next step are what is read as well.
    guard let width = encoding.sourceWidth ?? encoding.targetWidth else {
      throw TrainingFailure.unfittingData("the data hold nothing to read")
    }
    return .vectors(size: width)
  }
}

extension ExampleSet {
  /// Throws ``TrainingFailure/unfittingData(_:)`` if the vectors of a side are not as wide as the model's; nil: any width.
  package func requireWidth(_ width: Int?, of side: Side) throws {
    guard let width, let vectors = field(side)?.vectorSequences, vectors.width != width else { return }
    throw TrainingFailure.unfittingData(
      "\(name): vectors of \(vectors.width) numbers for a model made for \(width)")
  }
}
