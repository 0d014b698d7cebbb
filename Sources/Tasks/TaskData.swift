import Checkpoints
import Configuration
import Datasets
import RunLog

/// What a task learns from, read as its configuration says: a stream of tokens, or examples.
///
/// The only place that asks which of the two it is.
package protocol TaskData: Dataset {
  /// The name of the file, for messages.
  var name: String { get }
  /// Reads, or generates, all parts. Throws `DataError`.
  static func load(_ configuration: RunConfiguration) throws -> TaskCorpus<Self>
  /// A configured part for a known model: read again, or generated again; nil if the run has no such part.
  static func read(
    _ split: DataSplit, of configuration: RunConfiguration, _ description: DataDescription
  ) throws -> Self?
  /// A file of the user's for a known model. Throws `DataError`.
  static func read(
    file path: String, of configuration: RunConfiguration, _ description: DataDescription
  ) throws -> Self
  /// What a run has kept of the data it was trained on. Throws `DataError`, ``TrainingFailure``.
  static func description(
    of run: RunPaths, _ configuration: RunConfiguration, _ tensors: [String: TensorInfo]
  ) throws -> DataDescription

  /// Parallel streams of batches whose state is carried; 0 where every example begins anew.
  static func streams(of batches: Batches) -> Int
  /// Batches for an evaluation of some of the examples.
  func evaluationBatches(_ options: BatchOptions, including includes: (_ example: Int32) -> Bool) -> Batches
  /// The examples whose outputs are compared with references, those with the same source together if asked.
  func comparedGroups(joined: Bool) -> [ArraySlice<Int32>]
  /// Steps of an example's source.
  func sourceLength(_ example: Int) -> Int
  /// How much text is predicted, of a stream.
  func predictedSize(_ description: DataDescription) -> Vocabulary.TextSize?
}

/// The data of a run.
package struct TaskCorpus<Part: TaskData> {
  package let description: DataDescription
  package let train: Part
  package let valid: Part?
  package let test: Part?
  /// A hash of everything, the same on every rank and in every process.
  package let digest: UInt64

  package subscript(split: DataSplit) -> Part? {
    switch split {
    case .train: train
    case .valid: valid
    case .test: test
    }
  }

  /// The parts there are, with their names for messages.
  var parts: [(name: String, part: Part)] {
    [("training data", train), ("validation data", valid), ("test data", test)].compactMap { name, part in
      part.map { (name, $0) }
    }
  }
}

// MARK: - Streams

extension TokenStream: TaskData {
  package static func load(_ configuration: RunConfiguration) throws -> TaskCorpus<TokenStream> {
    TaskCorpus(try Corpora.load(configuration))
  }

  package static func read(
    _ split: DataSplit, of configuration: RunConfiguration, _ description: DataDescription
  ) throws -> TokenStream? {
    // A text in a file of its own needs no look at the others, which may be elsewhere by now.
    switch split {
    case .train: return try Corpora.load(configuration, vocabulary: description.text).train
    case .valid:
      guard let path = configuration.data.valid?.file else {
        return try Corpora.load(configuration, vocabulary: description.text).valid
      }
      return try read(file: path, of: configuration, description)
    case .test:
      return try configuration.data.test?.file.map { try read(file: $0, of: configuration, description) }
    }
  }

  package static func read(
    file path: String, of configuration: RunConfiguration, _ description: DataDescription
  ) throws -> TokenStream {
    guard let vocabulary = description.text else {
      throw TrainingFailure.unfittingData("the model was not trained on a text")
    }
    return try TextCorpus.encode(.file(path), vocabulary: vocabulary)
  }

  package static func description(
    of run: RunPaths, _ configuration: RunConfiguration, _ tensors: [String: TensorInfo]
  ) throws -> DataDescription {
    DataDescription(
      text: try Vocabulary.load(
        path: run.vocabulary(), tokenization: Corpora.tokenization(configuration.data),
        lowercase: configuration.data.lowercase))
  }

  package static func streams(of batches: StreamBatches) -> Int { batches.streams }

  package func evaluationBatches(
    _ options: BatchOptions, including includes: (Int32) -> Bool
  ) -> StreamBatches { evaluationBatches(options) }

  package func comparedGroups(joined: Bool) -> [ArraySlice<Int32>] { [] }
  package func sourceLength(_ example: Int) -> Int { 0 }

  package func predictedSize(_ description: DataDescription) -> Vocabulary.TextSize? {
    description.text?.predictedSize(of: self)
  }
}

extension TaskCorpus<TokenStream> {
  package init(_ corpus: TextCorpus) {
    self.init(
      description: DataDescription(text: corpus.vocabulary), train: corpus.train, valid: corpus.valid,
      test: corpus.test, digest: corpus.digest)
  }
}

// MARK: - Examples

extension ExampleSet: TaskData {
  package static func load(_ configuration: RunConfiguration) throws -> TaskCorpus<ExampleSet> {
    let corpus = try SequenceData.load(configuration)
    return TaskCorpus(
      description: DataDescription(corpus.encoding, DataShape(corpus, configuration)), train: corpus.train,
      valid: corpus.valid, test: corpus.test, digest: corpus.digest)
  }

  package static func read(
    _ split: DataSplit, of configuration: RunConfiguration, _ description: DataDescription
  ) throws -> ExampleSet? { try SequenceData.split(split, of: configuration, description.encoding) }

  package static func read(
    file path: String, of configuration: RunConfiguration, _ description: DataDescription
  ) throws -> ExampleSet { try SequenceData.file(path, of: configuration, description.encoding) }

  package static func description(
    of run: RunPaths, _ configuration: RunConfiguration, _ tensors: [String: TensorInfo]
  ) throws -> DataDescription {
    let shape = try DataShape(of: run, tensors, configuration)
    return DataDescription(shape.applied(to: try encoding(of: run, configuration), configuration), shape)
  }

  /// The vocabularies of a run. Throws `DataError`.
  package static func encoding(of run: RunPaths, _ configuration: RunConfiguration) throws -> DataEncoding {
    try DataEncoding.load(
      from: run.root, options: SequenceData.options(configuration),
      like: SequenceData.trainingSource(configuration))
  }

  package static func streams(of batches: ExampleBatches) -> Int { 0 }

  package func evaluationBatches(
    _ options: BatchOptions, including includes: (Int32) -> Bool
  ) -> ExampleBatches { ExampleBatches(evaluating: self, options, including: includes) }

  package func comparedGroups(joined: Bool) -> [ArraySlice<Int32>] {
    guard joined else { return (0..<Int32(count)).map { [$0][...] } }
    let groups = groups()
    return (0..<groups.count).map { groups.members($0) }
  }

  package func sourceLength(_ example: Int) -> Int { source?.length(example) ?? 0 }
  package func predictedSize(_ description: DataDescription) -> Vocabulary.TextSize? { nil }
}

/// The corpora a configuration names.
package enum Corpora {
  /// Reads, or generates, the text of a configuration. Throws `DataError`.
  package static func load(_ configuration: RunConfiguration, vocabulary: Vocabulary? = nil) throws
    -> TextCorpus
  {
    let data = configuration.data
    let train: TextSource =
      if let path = data.train?.file {
        .file(path)
      } else {
        DateTextGenerator(seed: UInt64(configuration.seed), characters: data.generatedSize).source()
      }
    return try TextCorpus.load(
      train: train, valid: data.valid?.file.map { .file($0) }, test: data.test?.file.map { .file($0) },
      validFraction: data.valid == nil ? data.validFraction : 0, options: options(data),
      vocabulary: vocabulary)
  }

  package static func options(_ data: DataConfiguration) -> TextOptions {
    var options = TextOptions(
      tokenization(data), lowercase: data.lowercase, minCount: data.minCount,
      maxVocabulary: data.tokens == .bpe ? data.subwordVocabulary : data.maxVocabulary)
    options.subwords.kind = SubwordOptions.Kind(data.subwordKind)
    return options
  }

  package static func tokenization(_ data: DataConfiguration) -> Tokenization {
    switch data.tokens {
    case .byte: .byte
    case .char: .char
    case .word, .space: .word
    case .bpe: .bpe
    }
  }
}

extension SubwordOptions.Kind {
  package init(_ kind: DataConfiguration.SubwordKind) {
    switch kind {
    case .bpe: self = .bpe
    case .unigram: self = .unigram
    }
  }
}
