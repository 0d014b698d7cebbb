import Communication
import Datasets
import Foundation
import RunLog

/// The data of a task: a stream of tokens, or examples. The configuration says how to read them. Only this file
/// distinguishes the two kinds.
package protocol TaskData: Dataset {
  /// The name of the file, for messages.
  var name: String { get }
  /// Reads or generates all splits. Throws `DataError`.
  static func load(_ configuration: RunConfiguration) throws -> Corpus<Self>
  /// Reads or generates a configured split again, for an existing model; nil if the run does not have this split.
  static func read(
    _ split: DataSplit, of configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> Self?
  /// Reads a file that the user passes for an existing model. Throws `DataError`.
  static func read(
    file path: String, of configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> Self
  /// The vocabularies and the shape of the data that a run has saved. Throws `DataError`.
  static func encoding(of run: RunPaths, _ configuration: RunConfiguration) throws -> DataEncoding

  /// The number of parallel streams whose state is carried from batch to batch; 0 for examples.
  static func streams(of batches: Batches) -> Int
  /// The examples whose outputs are compared with references. If `joined`, examples with the same source are one group.
  func comparedGroups(joined: Bool) -> [ArraySlice<Int32>]
  /// The number of steps of an example's source.
  func sourceLength(_ example: Int) -> Int
  /// The examples whose outputs can be shown; nil for a stream.
  var examples: ExampleSet? { get }
  /// The amount of text that is predicted; nil unless the data are a stream.
  func predictedSize(_ encoding: DataEncoding) -> Vocabulary.TextSize?
  /// The unknown tokens of each part of the data that consists of tokens and whose vocabulary may lack some.
  func unknownTokens(_ encoding: DataEncoding) -> [UnknownTokens]
}

/// The number of tokens of a text that a vocabulary lacks.
public struct UnknownTokens: Sendable, Equatable {
  /// The text: `text`, or `source`, `second_source` or `target` of examples.
  public var part: String
  public var unknown: Int
  /// The number of all tokens.
  public var tokens: Int

  /// From 0 to 1.
  public var share: Double { tokens > 0 ? Double(unknown) / Double(tokens) : 0 }
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
  /// The vocabulary of the model's outputs or, if it has none, of its inputs, with the name of its entries in a summary.
  var mainVocabulary: (name: String, count: Int) {
    if let stream { return ("tokens", stream.count) }
    if let target { return (source == nil ? "tokens" : "target tokens", target.count) }
    if let source { return ("tokens", source.count) }
    return ("labels", labels?.count ?? 0)
  }

  /// Notes on subword models with fewer pieces than asked for, because their text has no more to learn.
  func subwordNotes(_ data: DataOptions) -> [String] {
    let isShared = source != nil && source == target
    let vocabularies = [
      ("text", stream, data.vocabulary), (isShared ? "source and target" : "source", source, data.vocabulary),
      ("target", isShared ? nil : target, data.targetVocabulary),
    ]
    return vocabularies.compactMap { name, vocabulary, file in
      guard let vocabulary, vocabulary.unit == .bpe, file == nil, vocabulary.count < data.subwordVocabulary
      else { return nil }
      return
        "\(name): \(vocabulary.count) subwords instead of data.subword_vocabulary=\(data.subwordVocabulary), because "
        + "the text has no more to learn"
    }
  }

  /// Returns tokens written by a model as text.
  package func decode(_ ids: [Int32]) -> [UInt8] { (stream ?? target)?.decode(ids) ?? [] }
}

// MARK: - Streams

extension TokenStream: TaskData {
  package static func load(_ configuration: RunConfiguration) throws -> TextCorpus {
    try load(configuration, vocabulary: nil)
  }

  private static func load(_ configuration: RunConfiguration, vocabulary: Vocabulary?) throws -> TextCorpus {
    let data = configuration.data
    let train: TextSource =
      if let path = data.train?.file {
        .file(path)
      } else {
        DateTextGenerator(seed: UInt64(configuration.seed), characters: data.generatedSize).source()
      }
    if case .file(let path) = train, PreparedText.exists(at: path) {
      return try prepared(path, data, vocabulary)
    }
    let sources = textSources(data, train: train)
    return try TextCorpus.load(
      train: train, valid: sources.valid, test: sources.test, validFraction: sources.validFraction,
      options: data.sourceText, vocabulary: vocabulary)
  }

  private static func textSources(_ data: DataOptions, train: TextSource) -> TextSources {
    TextSources(
      train: train, valid: data.valid?.file.map { .file($0) }, test: data.test?.file.map { .file($0) },
      validFraction: data.valid == nil ? data.validFraction : 0)
  }

  // MARK: Prepared texts

  /// A text that `prepare` has cut into tokens, with other parts where the configuration names them.
  ///
  /// - Parameter known: the vocabulary of an earlier run, which must be that of the text.
  private static func prepared(
    _ folder: String, _ data: DataOptions, _ known: Vocabulary?
  ) throws -> TextCorpus {
    let text = try PreparedText(
      opening: folder, options: data.sourceText, settings: preparedSettings(data),
      // One rank of each host reads the whole file.
      verifies: (LauncherEnvironment.current?.localRank ?? 0) == 0)
    guard data.valid == nil || !text.isCut else {
      throw DataError.input(
        name: folder,
        reason:
          "its end was kept for validation when it was prepared, so data.valid would leave that text out; leave out "
          + "data.valid, or prepare the text with data.valid=FILE")
    }
    guard known == nil || text.encoding.stream == known else {
      throw DataError.input(
        name: folder,
        reason:
          "has another vocabulary than the run; name the text itself, or the folder that the run was trained on"
      )
    }
    func read(_ path: DataPath?) throws -> TokenStream? {
      guard let file = path?.file, let vocabulary = text.encoding.stream else { return nil }
      return try TokenStream(reading: .file(file), vocabulary: vocabulary)
    }
    return text.corpus(valid: try read(data.valid), test: try read(data.test))
  }

  /// The settings that decide the tokens of a text.
  private static func preparedSettings(_ data: DataOptions) -> [String: String] {
    var settings = [
      "data.tokens": data.tokens.rawValue, "data.lowercase": "\(data.lowercase)",
      // Wherever the program was started.
      "data.vocabulary": data.vocabulary.flatMap {
        DataPath(file: $0).absolute(in: FileManager.default.currentDirectoryPath).file
      } ?? "null",
    ]
    if data.valid == nil { settings["data.valid_fraction"] = "\(data.validFraction)" }
    switch data.tokens {
    case .bpe:
      settings["data.subword_kind"] = data.subwordKind.rawValue
      settings["data.subword_vocabulary"] = "\(data.subwordVocabulary)"
    case .char, .word, .space:
      settings["data.min_count"] = "\(data.minCount)"
      settings["data.max_vocabulary"] = "\(data.maxVocabulary)"
    case .byte: break
    }
    return settings
  }

  /// Cuts the text of a configuration into tokens, in a folder that can stand for it as `data.train`. Returns the number of
  /// tokens of each part.
  package static func prepare(_ configuration: RunConfiguration, in folder: String) throws -> [Int] {
    let data = configuration.data
    guard configuration.task.data == .stream, let path = data.train?.file else {
      throw TrainingFailure.unfittingData("only the text of a language model, in data.train, can be prepared")
    }
    return try PreparedText.write(
      textSources(data, train: .file(path)), options: data.sourceText,
      settings: preparedSettings(data),
      to: folder)
  }

  package static func read(
    _ split: DataSplit, of configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> TokenStream? {
    // Reads a text in its own file without the other files, which may have been moved.
    let data = configuration.data
    if let path = (split == .valid ? data.valid : split == .test ? data.test : nil)?.file {
      return try read(file: path, of: configuration, encoding)
    }
    let isPrepared = data.train?.file.map(PreparedText.exists) ?? false
    guard split != .test || isPrepared else { return nil }
    return try load(configuration, vocabulary: encoding.stream)[split]
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
    try DataEncoding.load(from: run.root, stream: configuration.data.sourceText)
  }

  package static func streams(of batches: StreamBatches) -> Int { batches.streams }

  package func comparedGroups(joined: Bool) -> [ArraySlice<Int32>] { [] }
  package var examples: ExampleSet? { nil }
  package func sourceLength(_ example: Int) -> Int { 0 }

  package func predictedSize(_ encoding: DataEncoding) -> Vocabulary.TextSize? {
    encoding.stream?.predictedSize(of: self)
  }

  package func unknownTokens(_ encoding: DataEncoding) -> [UnknownTokens] {
    guard let unknown = encoding.stream?.unknown else { return [] }
    return [UnknownTokens(part: "text", unknown: occurrences(of: unknown), tokens: count)]
  }
}

// MARK: - Examples

extension ExampleSet: TaskData {
  package static func load(_ configuration: RunConfiguration) throws -> ExampleCorpus {
    let data = configuration.data
    let options = options(configuration)
    guard let train = data.train else {
      return try ExampleCorpus.load(try generated(configuration), options: options, encoding: nil)
    }
    let sources = DataSources(
      train: source(train), valid: data.valid.map(source), test: data.test.map(source))
    return try ExampleCorpus.load(sources, options: options, encoding: nil)
  }

  package static func read(
    _ split: DataSplit, of configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> ExampleSet? {
    let data = configuration.data
    let options = options(configuration, keepsTrainingTexts: true)
    let path =
      switch split {
      case .train: data.valid == nil && data.validFraction > 0 ? nil : data.train
      case .valid: data.valid
      case .test: data.test
      }
    if let path { return try ExampleCorpus.read(source(path), options: options, encoding: encoding) }
    if split == .test && data.train != nil { return nil }
    let sources =
      try data.train.map { DataSources(train: source($0)) } ?? generated(configuration)
    return try ExampleCorpus.load(sources, options: options, encoding: encoding)[split]
  }

  package static func read(
    file path: String, of configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> ExampleSet {
    try ExampleCorpus.read(
      .file(.file(path)), options: options(configuration), encoding: encoding)
  }

  /// The source of the training data. The number of files determines how a line is read.
  package static func trainingSource(_ configuration: RunConfiguration) -> DataSource {
    configuration.data.train.map(source) ?? .file(.memory([], name: "generated pairs"))
  }

  package static func encoding(of run: RunPaths, _ configuration: RunConfiguration) throws -> DataEncoding {
    try DataEncoding.load(
      from: run.root, options: options(configuration), like: trainingSource(configuration))
  }

  package static func streams(of batches: ExampleBatches) -> Int { 0 }

  package func comparedGroups(joined: Bool) -> [ArraySlice<Int32>] {
    (joined ? groups() : (0..<Int32(count)).map { [$0] }).map { $0[...] }
  }

  package var examples: ExampleSet? { self }
  package func sourceLength(_ example: Int) -> Int { source?.length(example) ?? 0 }
  package func predictedSize(_ encoding: DataEncoding) -> Vocabulary.TextSize? { nil }

  package func unknownTokens(_ encoding: DataEncoding) -> [UnknownTokens] {
    let parts = [
      ("source", source, encoding.source), ("second_source", secondSource, encoding.source),
      ("target", target, encoding.target),
    ]
    return parts.compactMap { name, field, vocabulary in
      guard let ids = field?.tokenSequences?.elements, let unknown = vocabulary?.unknown else { return nil }
      return UnknownTokens(part: name, unknown: ids.count { $0 == unknown }, tokens: ids.count)
    }
  }
}

// MARK: - Options of the data

extension ExampleSet {
  package static func options(
    _ configuration: RunConfiguration, keepsTrainingTexts: Bool = false
  ) -> ExampleOptions {
    let model = configuration.model
    var data = configuration.data
    // Generated pairs are TSV, even if the configured format of files is another one.
    if data.train == nil { data.format = .tsv }
    if data.valid != nil { data.validFraction = 0 }
    var options = ExampleOptions(kind: configuration.task.data, data)
    options.characters = model.characterHiddenSize > 0
    options.numericTargets = model.output.isNumeric
    options.bits = model.output == .bernoulli
    options.equalSteps = model.pooling == .all
    // Targets of held-out data may be missing from the training data: they count as errors. A class that a generator
    // reads as its input is an error of the data.
    options.unknownLabels = .count
    // The texts of held-out examples are always kept; those of training examples only if they are evaluated.
    options.keepTrainingTexts = keepsTrainingTexts
    return options
  }

  private static func source(_ path: DataPath) -> DataSource {
    if let file = path.file { return .file(.file(file)) }
    return .parallel(
      source: .file(path.parts.source ?? ""), target: .file(path.parts.target ?? ""),
      secondSource: path.parts[.secondSource].map { .file($0) })
  }

  // MARK: Generated pairs

  /// Lengths of the sequences to copy or reverse, in characters.
  private static let copiedLengths = 1...20

  private static func generated(_ configuration: RunConfiguration) throws -> DataSources {
    let train = configuration.data.generatedSize
    let heldOut = max(20, min(1000, train / 9))
    let task = GeneratedTask(
      seed: UInt64(configuration.seed), train: train, valid: heldOut, test: heldOut)
    return switch configuration.data.generator {
    case .addition: try task.addition()
    case .copy: try task.symbols(.copy, lengths: copiedLengths)
    case .reverse: try task.symbols(.reverse, lengths: copiedLengths)
    case .datePairs, .dates, .none: try task.dates()
    }
  }
}
