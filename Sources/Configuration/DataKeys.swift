import Datasets
import Options
import Tasks

/// Keys that say where data come from, how they are read, and how texts become tokens.
extension ConfigurationSchema {
  static let data: [Key] = [
    Key(
      "data.train", \.data.train, change: .always, isForEvaluation: true,
      "training data; paths are relative to the current directory"),
    Key(
      "data.valid", \.data.valid, change: .always, isForEvaluation: true,
      "validation data; null: cut from the training data"),
    Key(
      "data.test", \.data.test, change: .always, isForEvaluation: true, "test data, for evaluate --split test"
    ),
    Key(
      "data.embeddings", \.data.embeddings, groups: [.stream, .source], change: .whenResumed,
      "text file of word vectors (word2vec, GloVe): initial embeddings of the tokens that are read; null: none"
    ),
    Key(
      "data.valid_fraction", \.data.validFraction, isForEvaluation: true,
      "without data.valid: the part of the training data kept for validation (of a text, its end)"),
    Key("data.format", \.data.format, change: .never, "layout of the files"),
    Key(
      "data.columns", \.data.columns, groups: [.examples],
      "the columns of tsv, csv, columns and conllu files by name or number, as [text, label] or {source: 2-101, target: label}; "
        + "one source of csv is text, several are numbers; null: as the format has them"),
    Key("data.delimiter", \.data.delimiter, groups: [.csv], "csv: the character between fields"),
    Key(
      "data.window", \.data.window, groups: [.labeled], change: .never,
      "csv: forecast from windows of this many rows of a table, one row per time step; 0: an example is a line"
    ),
    Key("data.horizon", \.data.horizon, groups: [.labeled], change: .never, "windows: rows to forecast"),
    Key(
      "data.season", \.data.season, groups: [.labeled], isForEvaluation: true,
      "windows: rows of a season, such as 24 hours, for the forecast to compare with; 0: none"),
    Key(
      "data.scaling", \.data.scaling, groups: [.examples], change: .never,
      "numbers of sources and targets: standard: mean 0, standard deviation 1 over the training part, undone on output"
    ),
    Key(
      "data.missing", \.data.missing, groups: [.examples], change: .never,
      "csv, npy: missing numbers of a source: an error, or the mean with a second number that says so"),
    Key("data.decimal", \.data.decimal, groups: [.csv], "csv: the mark before decimals"),
    Key(
      "data.tokens", \.data.tokens, change: .never,
      "byte: 256 values; char: Unicode characters; word: between white space; space: symbols between spaces; bpe: subwords"
    ),
    Key(
      "data.source_tokens", \.data.sourceTokens, groups: [.source], change: .never,
      "the source's; null: as tokens"),
    Key(
      "data.target_tokens", \.data.targetTokens, groups: [.writing], change: .never,
      "the target's; null: as tokens"),
    Key(
      "data.vocabulary", \.data.vocabulary, groups: [.stream, .source], change: .whenResumed,
      "file with the vocabulary of what is read, one token per line (bpe: a SentencePiece model); null: that of the training data"
    ),
    Key(
      "data.target_vocabulary", \.data.targetVocabulary, groups: [.writing], change: .whenResumed,
      "the same of what is written"),
    Key(
      "data.shared_vocabulary", \.data.sharedVocabulary, groups: [.encoderDecoder], change: .never,
      "one vocabulary and one embedding for source and target"),
    Key(
      "data.subword_kind", \.data.subwordKind, change: .never, "bpe: how SentencePiece learns subwords"),
    Key(
      "data.subword_vocabulary", \.data.subwordVocabulary, change: .never, "bpe: number of subwords"),
    Key(
      "data.lowercase", \.data.lowercase, change: .never,
      "convert the text to lower case (bytes: A to Z only)"),
    Key(
      "data.min_count", \.data.minCount, change: .never, "rarer tokens become <unk> (char, word, space)"),
    Key(
      "data.max_vocabulary", \.data.maxVocabulary, change: .never,
      "keep the most frequent tokens, special ones included; 0: no limit (char, word, space)"),
    Key(
      "data.reverse_source", \.data.reverseSource, groups: [.encoderDecoder], change: .never,
      "seq2seq: read the source's tokens backwards (Sutskever et al. 2014)"),
    Key(
      "data.max_length", \.data.maxLength, groups: [.examples],
      "longest source and target in tokens; 0: no limit"),
    Key(
      "data.too_long", \.data.tooLong, groups: [.examples], "what to do with sequences longer than max_length"
    ),
    Key(
      "data.empty_sequences", \.data.emptySequences, groups: [.examples], isForEvaluation: true,
      "what to do with lines without source or target"),
    Key(
      "data.width", \.data.width, groups: [.multihot], change: .never,
      "multihot: numbers per step"),
    Key(
      "data.generator", \.data.generator, groups: [.generatedData], isForEvaluation: true,
      "without data.train: dates writes a text; date-pairs, addition, copy and reverse write pairs for seq2seq"
    ),
    Key(
      "data.generated_size", \.data.generatedSize, groups: [.generatedData], isForEvaluation: true,
      "characters of generated text, or generated training pairs (addition: at most 400000)"),
  ]
}
