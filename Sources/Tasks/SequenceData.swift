import Configuration
import Datasets

/// The corpora of sequences that a configuration names.
package enum SequenceData {
  /// Reads, or generates, all parts. Throws `DataError`.
  package static func load(_ configuration: RunConfiguration) throws -> SequenceCorpus {
    let data = configuration.data
    let options = options(configuration)
    guard let train = data.train else {
      return try SequenceCorpus.load(try generated(configuration), options: options, encoding: nil)
    }
    let sources = SequenceSources(
      train: source(train), valid: data.valid.map(source), test: data.test.map(source))
    return try SequenceCorpus.load(sources, options: options, encoding: nil)
  }

  /// A configured split in a known encoding: read again, or generated again; nil if the run has no such split.
  package static func split(
    _ split: DataSplit, of configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> ExampleSet? {
    let data = configuration.data
    let options = options(configuration)
    let path =
      switch split {
      case .train: data.valid == nil && data.validFraction > 0 ? nil : data.train
      case .valid: data.valid
      case .test: data.test
      }
    if let path { return try SequenceCorpus.read(source(path), options: options, encoding: encoding) }
    if split == .test && data.train != nil { return nil }
    let sources =
      try data.train.map { SequenceSources(train: source($0)) } ?? generated(configuration)
    let corpus = try SequenceCorpus.load(sources, options: options, encoding: encoding)
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
    try SequenceCorpus.read(
      .file(.file(path)), options: options(configuration), encoding: encoding)
  }

  /// Where the training data come from: how many files there are decides what a line is.
  package static func trainingSource(_ configuration: RunConfiguration) -> SequenceSource {
    configuration.data.train.map(source) ?? .file(.memory([], name: "generated pairs"))
  }

  // MARK: Options

  package static func options(_ configuration: RunConfiguration) -> SequenceOptions {
    let (data, model) = (configuration.data, configuration.model)
    var options = SequenceOptions(task: task(configuration), format: format(configuration))
    options.source = text(data.sourceUnit, data)
    options.target = text(data.targetUnit, data)
    options.sharedVocabulary = data.sharedVocabulary
    options.characters = model.characterHiddenSize > 0
    options.numericTargets = model.output.isNumeric
    options.bits = model.output == .bernoulli
    options.equalSteps = configuration.task == .classifier && model.pooling == .all
    options.multihotWidth = data.width
    options.maximumLength = data.maxLength
    options.maximumTargetLength = data.maxLength
    options.overlong =
      switch data.tooLong {
      case .error: .error
      case .skip: .skip
      case .truncate: .truncate
      }
    options.emptySequences = data.emptySequences == .skip ? .skip : .error
    // Held-out data may hold targets that were never learnt: they count as wrong instead of being refused. A class that a
    // generator is to read can't be read, and is refused.
    options.unknownLabels = .count
    options.validFraction = data.valid == nil ? data.validFraction : 0
    options.subwords.kind = SubwordOptions.Kind(data.subwordKind)
    return options
  }

  private static func task(_ configuration: RunConfiguration) -> Datasets.SequenceTask {
    switch configuration.task {
    case .tagger: .tagger
    case .classifier: .classifier
    case .generator: .generator
    case .seq2seq, .languageModel: .seq2seq
    }
  }

  /// Generated pairs are TSV whatever the format of files would be.
  private static func format(_ configuration: RunConfiguration) -> SequenceFormat {
    if configuration.data.train == nil { return .tsv }
    return switch configuration.data.format {
    case .text, .lines: .lines
    case .tsv: .tsv
    case .columns: .columns
    case .conllu: .conllu
    case .csv: .csv
    case .npy: .npy
    case .multihot: .multihot
    }
  }

  private static func text(
    _ tokens: TokenUnit, _ data: DataOptions
  ) -> SequenceTextOptions {
    let tokenization: SequenceTokenization =
      switch tokens {
      case .byte: .byte
      case .char: .char
      case .word: .word
      case .space: .space
      case .bpe: .bpe
      }
    return SequenceTextOptions(
      tokenization, lowercase: data.lowercase, minCount: data.minCount,
      maxVocabulary: tokens == .bpe ? data.subwordVocabulary : data.maxVocabulary)
  }

  private static func source(_ path: DataPath) -> SequenceSource {
    if let file = path.file { return .file(.file(file)) }
    return .parallel(
      source: .file(path.source ?? ""), target: .file(path.target ?? ""),
      secondSource: path.secondSource.map { .file($0) })
  }

  // MARK: Generated pairs

  /// Letters of the sequences that are copied or reversed.
  private static let copiedLengths = 1...20

  private static func generated(_ configuration: RunConfiguration) throws -> SequenceSources {
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

extension ReadingReport {
  /// What a user should know of the reading of a part, one line each.
  public func warnings(of part: String) -> [String] {
    func line(_ count: Int, _ what: String, _ first: DataError?) -> [String] {
      count == 0 ? [] : ["\(part): \(count) \(what)" + (first.map { "; the first: \($0)" } ?? "")]
    }
    return line(emptySkipped + overlongSkipped, "entries left out (empty or too long)", firstSkipped)
      + line(truncated, "sequences cut to data.max_length", nil)
      + line(unknownLabels, "labels that were never learnt count as wrong", firstUnknownLabel)
  }
}
