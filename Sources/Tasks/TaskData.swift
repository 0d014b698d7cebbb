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
  static func load(_ configuration: RunConfiguration) throws -> Corpus<Self>
  /// A configured part for a known model: read again, or generated again; nil if the run has no such part.
  static func read(
    _ split: DataSplit, of configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> Self?
  /// A file of the user's for a known model. Throws `DataError`.
  static func read(
    file path: String, of configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> Self
  /// The vocabularies and the shape of the data that a run has kept. Throws `DataError`.
  static func encoding(of run: RunPaths, _ configuration: RunConfiguration) throws -> DataEncoding

  /// Parallel streams of batches whose state is carried; 0 where every example begins anew.
  static func streams(of batches: Batches) -> Int
  /// Batches for an evaluation of some of the examples.
  func evaluationBatches(_ options: BatchOptions, including includes: (_ example: Int32) -> Bool) -> Batches
  /// The examples whose outputs are compared with references, those with the same source together if asked.
  func comparedGroups(joined: Bool) -> [ArraySlice<Int32>]
  /// Steps of an example's source.
  func sourceLength(_ example: Int) -> Int
  /// How much text is predicted, of a stream.
  func predictedSize(_ encoding: DataEncoding) -> Vocabulary.TextSize?
}

extension Corpus {
  package subscript(split: DataSplit) -> Data? {
    switch split {
    case .train: train
    case .valid: valid
    case .test: test
    }
  }
}

extension DataEncoding {
  /// The vocabulary of what a model predicts, or else of what it reads, with its name for a summary.
  var mainVocabulary: (name: String, count: Int) {
    if let stream { return ("vocabulary", stream.count) }
    if let target { return (source == nil ? "vocabulary" : "target vocabulary", target.count) }
    if let source { return ("vocabulary", source.count) }
    return ("set of labels", labels?.count ?? 0)
  }

  /// Tokens that a model has written as text.
  package func decode(_ ids: [Int32]) -> [UInt8] { (stream ?? target)?.decode(ids) ?? [] }
}

// MARK: - Streams

extension TokenStream: TaskData {
  package static func load(_ configuration: RunConfiguration) throws -> TextCorpus {
    try Corpora.load(configuration)
  }

  package static func read(
    _ split: DataSplit, of configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> TokenStream? {
    // A text in a file of its own needs no look at the others, which may be elsewhere by now.
    switch split {
    case .train: return try Corpora.load(configuration, vocabulary: encoding.stream).train
    case .valid:
      guard let path = configuration.data.valid?.file else {
        return try Corpora.load(configuration, vocabulary: encoding.stream).valid
      }
      return try read(file: path, of: configuration, encoding)
    case .test:
      return try configuration.data.test?.file.map { try read(file: $0, of: configuration, encoding) }
    }
  }

  package static func read(
    file path: String, of configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> TokenStream {
    guard let vocabulary = encoding.stream else {
      throw TrainingFailure.unfittingData("the model was not trained on a text")
    }
    return try TokenStream(reading: .file(path), vocabulary: vocabulary)
  }

  package static func encoding(of run: RunPaths, _ configuration: RunConfiguration) throws -> DataEncoding {
    try DataEncoding.load(from: run.root, stream: Corpora.options(configuration.data))
  }

  package static func streams(of batches: StreamBatches) -> Int { batches.streams }

  package func evaluationBatches(
    _ options: BatchOptions, including includes: (Int32) -> Bool
  ) -> StreamBatches { evaluationBatches(options) }

  package func comparedGroups(joined: Bool) -> [ArraySlice<Int32>] { [] }
  package func sourceLength(_ example: Int) -> Int { 0 }

  package func predictedSize(_ encoding: DataEncoding) -> Vocabulary.TextSize? {
    encoding.stream?.predictedSize(of: self)
  }
}

// MARK: - Examples

extension ExampleSet: TaskData {
  package static func load(_ configuration: RunConfiguration) throws -> ExampleCorpus {
    try SequenceData.load(configuration)
  }

  package static func read(
    _ split: DataSplit, of configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> ExampleSet? { try SequenceData.split(split, of: configuration, encoding) }

  package static func read(
    file path: String, of configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> ExampleSet { try SequenceData.file(path, of: configuration, encoding) }

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
    (joined ? groups() : (0..<Int32(count)).map { [$0] }).map { $0[...] }
  }

  package func sourceLength(_ example: Int) -> Int { source?.length(example) ?? 0 }
  package func predictedSize(_ encoding: DataEncoding) -> Vocabulary.TextSize? { nil }
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
      TokenUnit(rawValue: data.tokens.rawValue) ?? .char, lowercase: data.lowercase, minCount: data.minCount,
      maxVocabulary: data.tokens == .bpe ? data.subwordVocabulary : data.maxVocabulary)
    options.subwordKind = SubwordKind(rawValue: data.subwordKind.rawValue) ?? .bpe
    return options
  }
}
