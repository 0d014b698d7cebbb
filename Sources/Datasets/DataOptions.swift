/// The layout of a file.
public enum DataFormat: String, CaseIterable, Sendable {
  /// One stream of text, for language models.
  case text
  /// One sequence per line.
  case lines
  /// `label<TAB>text`, or `source<TAB>target[<TAB>second source]`.
  case tsv
  /// A token and its tag per line, a blank line between sentences; other columns in between are skipped.
  case columns
  /// CoNLL-U: the columns FORM and UPOS.
  case conllu
  /// `label,x0,x1,…`: one number per step.
  case csv
  /// `label<TAB>file.npy`: one array [steps, width] per line, its path relative to the list.
  case npy
  /// Steps between `|`, each step the keys that sound: `39 43 46|39 43|46`.
  case multihot
}

/// The unit of text that gets an id.
public enum TokenUnit: String, CaseIterable, Sendable {
  case byte
  /// Unicode scalars.
  case char
  /// Words between white space of any kind.
  case word
  /// Symbols between spaces or tabs, such as phonemes.
  case space
  /// Subwords of a SentencePiece model.
  case bpe
}

/// How a SentencePiece model chooses its subwords.
public enum SubwordKind: String, CaseIterable, Sendable {
  /// Byte-pair encoding (Sennrich, Haddow, Birch 2016).
  case bpe
  /// The unigram language model (Kudo 2018).
  case unigram
}

/// What to do with an example that is longer than the limit.
public enum OverlongExamples: String, CaseIterable, Sendable {
  case error, skip, truncate
}

/// What to do with an example whose source or target is empty.
public enum EmptyExamples: String, CaseIterable, Sendable {
  case error, skip
}

/// Data that the program writes itself when no file is given.
public enum GeneratedData: String, CaseIterable, Sendable {
  case none
  /// A text about dates, for language models.
  case dates
  /// Dates as people write them and in ISO 8601, for seq2seq, like the kinds below.
  case datePairs = "date-pairs"
  case addition, copy, reverse

  /// True for source and target pairs, which have validation and test parts of their own; false for a text.
  public var isPairs: Bool { self != .none && self != .dates }

  /// The largest number of training pairs; nil if there is no such limit.
  ///
  /// Two numbers of up to three digits have 500,500 different sums, and the last of them would hardly ever be drawn.
  public var largestSize: Int? { self == .addition ? 400_000 : nil }
}

/// What a task learns from: one stream of tokens, or examples of some form.
public enum DataKind: String, CaseIterable, Sendable {
  /// One stream of tokens, each the target of the one before it (language models).
  case stream
  /// Sequences with a target for every step (taggers).
  case tagged
  /// Sequences with one target each (classifiers).
  case labeled
  /// Target sequences from a class, from a vector, or from nothing (generators).
  case generated
  /// Target sequences from source sequences (seq2seq).
  case paired
}
