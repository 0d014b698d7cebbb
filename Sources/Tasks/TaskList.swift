import Configuration
import Datasets
import RecurrentNN

/// What a configuration trains.
package enum TaskList {
  /// Reads the data and builds the model. Throws `DataError` and the errors of configurations that do not fit their data.
  package static func make(_ configuration: RunConfiguration, plan: ShardPlan) throws -> any TrainingTask {
    switch configuration.task {
    case .languageModel:
      try LanguageModelTask(configuration, corpus: try Corpora.load(configuration), plan: plan)
    case .tagger, .classifier, .generator, .seq2seq:
      try SupervisedTask(configuration, plan: plan)
    }
  }
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

  package static func options(_ data: DataOptions) -> TextOptions {
    var options = TextOptions(
      tokenization(data), lowercase: data.lowercase, minCount: data.minCount,
      maxVocabulary: data.tokens == .bpe ? data.subwordVocabulary : data.maxVocabulary)
    options.subwords.kind = SubwordOptions.Kind(data.subwordKind)
    return options
  }

  package static func tokenization(_ data: DataOptions) -> Tokenization {
    switch data.tokens {
    case .byte: .byte
    case .char: .char
    case .word, .space: .word
    case .bpe: .bpe
    }
  }
}

extension SubwordOptions.Kind {
  package init(_ kind: SubwordKind) {
    switch kind {
    case .bpe: self = .bpe
    case .unigram: self = .unigram
    }
  }
}
