import Configuration
import Datasets

/// The corpora of sequences that a configuration names.
package enum SequenceData {
  /// Reads, or generates, all parts. Throws `DataError`.
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

  /// A configured split in a known encoding: read again, or generated again; nil if the run has no such split.
  package static func split(
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
    let corpus = try ExampleCorpus.load(sources, options: options, encoding: encoding)
    return switch split {
    case .train: corpus.train
    case .valid: corpus.valid
    case .test: corpus.test
    }
  }

  /// A file of the user's in a known encoding. Throws `DataError`.
  package static func file(
    _ path: String, of configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> ExampleSet {
    try ExampleCorpus.read(
      .file(.file(path)), options: options(configuration), encoding: encoding)
  }

  /// Where the training data come from: how many files there are decides what a line is.
  package static func trainingSource(_ configuration: RunConfiguration) -> DataSource {
    configuration.data.train.map(source) ?? .file(.memory([], name: "generated pairs"))
  }

  // MARK: Options

  package static func options(
    _ configuration: RunConfiguration, keepsTrainingTexts: Bool = false
  ) -> ExampleOptions {
    let (data, model) = (configuration.data, configuration.model)
    var options = ExampleOptions(
      // Generated pairs are TSV whatever the format of files would be.
      kind: kind(configuration), format: data.train == nil ? .tsv : data.format)
    options.source = data.text(of: data.sourceUnit)
    options.target = data.text(of: data.targetUnit)
    options.sharedVocabulary = data.sharedVocabulary
    options.characters = model.characterHiddenSize > 0
    options.numericTargets = model.output.isNumeric
    options.bits = model.output == .bernoulli
    options.equalSteps = configuration.task == .classifier && model.pooling == .all
    options.multihotWidth = data.width
    options.maximumLength = data.maxLength
    options.maximumTargetLength = data.maxLength
    options.overlong = data.tooLong
    options.emptySequences = data.emptySequences
    // Held-out data may hold targets that were never learnt: they count as wrong instead of being refused. A class that a
    // generator is to read can't be read, and is refused.
    options.unknownLabels = .count
    options.validFraction = data.valid == nil ? data.validFraction : 0
    // Held-out texts are always kept; those of the training examples only where they are evaluated.
    options.keepTrainingTexts = keepsTrainingTexts
    return options
  }

  private static func kind(_ configuration: RunConfiguration) -> DataKind {
    switch configuration.task {
    case .tagger: .tagged
    case .classifier: .labeled
    case .generator: .generated
    case .seq2seq, .languageModel: .paired
    }
  }

  private static func source(_ path: DataPath) -> DataSource {
    if let file = path.file { return .file(.file(file)) }
    return .parallel(
      source: .file(path.source ?? ""), target: .file(path.target ?? ""),
      secondSource: path.secondSource.map { .file($0) })
  }

  // MARK: Generated pairs

  /// Characters of the sequences that are copied or reversed.
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
