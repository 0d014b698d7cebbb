/// What the settings say of the data before any are read: what a line of a format is for a task. The reader refuses the
/// same (`RecordLayout` in Datasets), but nothing that was checked here gets so far.
extension ConfigurationRule {
  static let data: [ConfigurationRule] = files + tokens + targets + generated

  // MARK: Files

  private static let files: [ConfigurationRule] = [
    files(\.data.train) { $0.train }, files(\.data.valid) { $0.valid }, files(\.data.test) { $0.test },
    likeTraining(\.data.valid) { $0.valid }, likeTraining(\.data.test) { $0.test },
  ]

  private static func files(
    _ field: Field, _ path: @escaping @Sendable (DataConfiguration) -> DataPath?
  ) -> ConfigurationRule {
    ConfigurationRule([field, \.data.format, \.task]) {
      guard let path = path($0.data) else { return nil }
      guard path.file != nil || $0.task != .languageModel else { return "a language model reads one file" }
      return path.problem ?? problem(of: path, $0)
    }
  }

  /// What a format makes of the number of files, for a format that the task has.
  private static func problem(of path: DataPath, _ configuration: RunConfiguration) -> String? {
    let (task, format) = (configuration.task, configuration.data.format)
    guard task != .languageModel, format.belongs(to: task) else { return nil }
    guard path.file == nil else {
      guard format == .lines, task != .generator else { return nil }
      let fitting = task == .seq2seq ? "{source: …, target: …}" : "{input: …, labels: …}"
      return "one file of lines holds no pairs: name \(fitting), or use another \(name(\.data.format))"
    }
    guard format == .lines else {
      return
        "parallel files hold one sequence a line: set \(name(\.data.format)) to lines, not \(format.rawValue)"
    }
    return path.secondSource == nil || task == .seq2seq ? nil : "only the task seq2seq has a second source"
  }

  /// How many files there are says what a line is, and how many sources a model reads.
  private static func likeTraining(
    _ field: Field, _ path: @escaping @Sendable (DataConfiguration) -> DataPath?
  ) -> ConfigurationRule {
    ConfigurationRule([field, \.data.train, \.data.format, \.task]) {
      guard $0.task != .languageModel, let train = $0.data.train, let path = path($0.data) else { return nil }
      guard (train.file == nil) == (path.file == nil) else {
        return "must be \(train.file == nil ? "several files" : "one file"), as \(name(\.data.train)) is"
      }
      guard (train.secondSource == nil) != (path.secondSource == nil) else { return nil }
      return "must have \(train.secondSource == nil ? "no" : "a") second source, as \(name(\.data.train)) has"
    }
  }

  // MARK: Tokens

  private static let tokens: [ConfigurationRule] =
    sourceTokens([\.data.format, \.task]) {
      guard $0.task == .tagger, !$0.data.effectiveSourceTokens.isWords else { return nil }
      if $0.data.format.holdsWords {
        return "\($0.data.format.rawValue) holds words as they are: use word or space"
      }
      return $0.data.format.isNumeric || $0.data.effectiveSourceTokens != .bpe
        ? nil : "tags belong to words, not to subwords: use \(DataConfiguration.Tokens.word.rawValue)"
    } + [
      ConfigurationRule([\.data.tokens, \.task]) {
        guard $0.task == .languageModel, $0.data.tokens == .space else { return nil }
        return
          "\($0.data.tokens.rawValue) is for models of sequences; a language model of a text takes byte, char, word or bpe"
      },
      ConfigurationRule([
        \.model.characterHiddenSize, \.data.tokens, \.data.sourceTokens, \.data.format, \.data.train,
      ]) {
        guard $0.model.characterHiddenSize > 0 else { return nil }
        guard !$0.data.format.isNumeric || $0.data.train == nil else {
          return "reads the letters of words; \($0.data.format.rawValue) holds numbers"
        }
        let tokens = $0.data.effectiveSourceTokens
        return tokens.isWords || $0.data.format.holdsWords
          ? nil : "reads the letters of words; the tokens are \(tokens.rawValue): use word or space"
      },
      ConfigurationRule([
        \.data.sharedVocabulary, \.data.format, \.data.train, \.data.tokens, \.data.sourceTokens,
        \.data.targetTokens, \.task,
      ]) {
        guard $0.task == .seq2seq, $0.data.sharedVocabulary else { return nil }
        if $0.data.train != nil, $0.data.format.isNumeric {
          return "needs two sides of text; \($0.data.format.rawValue) holds numbers"
        }
        let (source, target) = ($0.data.effectiveSourceTokens, $0.data.effectiveTargetTokens)
        return source == target
          ? nil
          : "needs both sides cut the same way; the source is cut into \(source.rawValue), the target into "
            + target.rawValue
      },
      ConfigurationRule([\.data.sharedVocabulary, \.model.characterHiddenSize, \.task]) {
        guard $0.task == .seq2seq, $0.data.sharedVocabulary, $0.model.characterHiddenSize > 0 else {
          return nil
        }
        return
          "is one embedding for both sides, and letters are the source's alone: set one of them to 0 or false"
      },
      ConfigurationRule([
        \.data.sharedVocabulary, \.model.decoderEmbeddingSize, \.model.embeddingSize, \.task,
      ]) {
        let (source, target) = ($0.model.embeddingSize, $0.model.effectiveDecoderEmbeddingSize)
        guard $0.task == .seq2seq, $0.data.sharedVocabulary, source != target else { return nil }
        return
          "is one embedding as well, which can't have \(source) numbers for the source and \(target) for the target: "
          + "leave \(name(\.model.decoderEmbeddingSize)) at null"
      },
    ]

  /// A demand on how the source is cut, said of the key that says it.
  private static func sourceTokens(
    _ others: [Field], _ problem: @escaping @Sendable (RunConfiguration) -> String?
  ) -> [ConfigurationRule] {
    [
      ConfigurationRule([\.data.tokens, \.data.sourceTokens] + others) {
        $0.data.sourceTokens == nil ? problem($0) : nil
      },
      ConfigurationRule([\.data.sourceTokens] + others) {
        $0.data.sourceTokens == nil ? nil : problem($0)
      },
    ]
  }

  // MARK: Targets

  private static let targets: [ConfigurationRule] = [
    ConfigurationRule([\.model.output, \.data.format, \.task]) {
      let (output, format) = ($0.model.output, $0.data.format)
      guard $0.task == .tagger, output.belongs(to: .tagger) else { return nil }
      if format.holdsWords, output.isNumeric {
        return "\(output.rawValue) learns numbers; the tags of \(format.rawValue) are names: use npy or lines"
      }
      return format == .multihot && !output.isNumeric
        ? "\(output.rawValue) chooses among tags; multihot has none, each step is what the one before it learns: "
          + "use bernoulli or linear" : nil
    },
    ConfigurationRule([
      \.model.adaptiveCutoffs, \.data.tokens, \.data.maxVocabulary, \.data.subwordVocabulary, \.task,
    ]) {
      guard $0.task == .languageModel, let last = $0.model.adaptiveCutoffs.last,
        let largest = $0.data.largestVocabulary, last >= largest
      else { return nil }
      return "must all be below the size of the vocabulary, which is at most \(largest)"
    },
  ]

  private static let generated: [ConfigurationRule] = [
    ConfigurationRule([\.data.generator, \.task]) {
      guard $0.data.train == nil, $0.data.generator.makesPairs, $0.task != .seq2seq else { return nil }
      return "\($0.data.generator.rawValue) writes pairs, for the task seq2seq"
    },
    ConfigurationRule([\.data.generatedSize, \.data.generator, \.data.train, \.task]) {
      guard $0.task == .seq2seq, $0.data.train == nil, let most = $0.data.generator.mostPairs,
        $0.data.generatedSize > most
      else { return nil }
      return
        "\($0.data.generator.rawValue) has too few different pairs for \($0.data.generatedSize): at most \(most)"
    },
  ]
}

extension DataConfiguration {
  /// What no vocabulary of a language model is larger than; nil where only the text says.
  fileprivate var largestVocabulary: Int? {
    switch tokens {
    case .byte: 256
    case .char, .word, .space: maxVocabulary > 0 ? maxVocabulary : nil
    case .bpe: subwordVocabulary
    }
  }
}

extension DataConfiguration.Tokens {
  /// Whether a token is a word, with white space around it.
  var isWords: Bool { self == .word || self == .space }
}

extension DataConfiguration.Format {
  /// The tasks that read it.
  public func belongs(to task: RunConfiguration.Task) -> Bool {
    switch self {
    case .text: task == .languageModel
    case .lines: task != .languageModel
    case .tsv: task == .classifier || task == .generator || task == .seq2seq
    case .columns, .conllu: task == .tagger
    case .csv: task == .classifier || task == .seq2seq
    case .npy: task != .languageModel
    case .multihot: task == .tagger || task == .classifier
    }
  }

  /// Whether words stand apart in the file, each with its tag.
  var holdsWords: Bool { self == .columns || self == .conllu }
}

extension ModelConfiguration.Output {
  /// Whether targets are numbers rather than names.
  public var isNumeric: Bool { self == .linear || self == .bernoulli }
}
