extension ConfigurationSchema {
  static let data: [ConfigurationKey] = [
    ConfigurationKey(
      "data.train", \.data.train, .dataPath,
      "training data; paths are relative to the current directory"),
    ConfigurationKey(
      "data.valid", \.data.valid, .dataPath, "validation data; null: cut from the training data"),
    ConfigurationKey("data.test", \.data.test, .dataPath, "test data, for evaluate --split test"),
    ConfigurationKey(
      "data.valid_fraction", \.data.validFraction, .number(.from(0, below: 1)),
      "without data.valid: the part of the training data kept for validation (of a text, its end)"),
    ConfigurationKey("data.format", \.data.format, .choice, "layout of the files"),
    ConfigurationKey(
      "data.tokens", \.data.tokens, .choice,
      "byte: 256 values; char: Unicode characters; word: between white space; space: symbols between spaces; bpe: subwords"
    ),
    ConfigurationKey(
      "data.source_tokens", \.data.sourceTokens, .optional(.choice), tasks: .readers,
      "the source's; null: as tokens"),
    ConfigurationKey(
      "data.target_tokens", \.data.targetTokens, .optional(.choice), tasks: .writers,
      "the target's; null: as tokens"),
    ConfigurationKey(
      "data.shared_vocabulary", \.data.sharedVocabulary, .flag, tasks: [.seq2seq],
      "one vocabulary and one embedding for source and target"),
    ConfigurationKey(
      "data.subword_kind", \.data.subwordKind, .choice,
      "bpe: how SentencePiece learns subwords"),
    ConfigurationKey(
      "data.subword_vocabulary", \.data.subwordVocabulary, .integer(.within(8...1_000_000)),
      "bpe: number of subwords"),
    ConfigurationKey(
      "data.lowercase", \.data.lowercase, .flag, "turn the text to lower case (bytes: A to Z only)"),
    ConfigurationKey(
      "data.min_count", \.data.minCount, .integer(.atLeast(1)),
      "rarer tokens become <unk> (char, word, space)"),
    ConfigurationKey(
      "data.max_vocabulary", \.data.maxVocabulary, .integer(.atLeast(0)),
      "keep the most frequent tokens, special ones included; 0: no limit (char, word, space)"),
    ConfigurationKey(
      "data.reverse_source", \.data.reverseSource, .flag, tasks: [.seq2seq],
      "seq2seq: read the source's tokens backwards (Sutskever et al. 2014)"),
    ConfigurationKey(
      "data.max_length", \.data.maxLength, .integer(.within(0...10_000_000)), tasks: .sequences,
      "longest source and target in tokens; 0: no limit"),
    ConfigurationKey(
      "data.too_long", \.data.tooLong, .choice, tasks: .sequences,
      "what to do with sequences longer than max_length"),
    ConfigurationKey(
      "data.empty_sequences", \.data.emptySequences, .choice, tasks: .sequences,
      "what to do with lines without source or target"),
    ConfigurationKey(
      "data.width", \.data.width, .integer(.within(1...65_536)), tasks: [.tagger, .classifier],
      "multihot: numbers of a step"),
    ConfigurationKey(
      "data.generator", \.data.generator, .choice, tasks: [.languageModel, .seq2seq],
      "without data.train: dates writes a text; date-pairs, addition, copy and reverse write pairs for seq2seq"
    ),
    ConfigurationKey(
      "data.generated_size", \.data.generatedSize, .integer(.within(100...1_000_000_000)),
      tasks: [.languageModel, .seq2seq],
      "characters of generated text, or generated training pairs (addition: at most 400000)"),
  ]
}
