import Options

/// The layout of a file.
public enum DataFormat: String, OptionChoice {
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
  /// `label,x0,x1,…`: one number per step; or rows of which a named column is text.
  case csv
  /// `label<TAB>file.npy`: one array [steps, width] per line, whose path is relative to the list.
  case npy
  /// Steps separated by `|`, each with the keys that sound: `39 43 46|39 43|46`.
  case multihot

  /// Whether the file has one word per line, each with its tag.
  public var holdsWords: Bool { self == .columns || self == .conllu }
}

/// The unit of text that gets an id.
public enum TokenUnit: String, OptionChoice {
  case byte
  /// A Unicode scalar.
  case char
  /// A word between white space of any kind.
  case word
  /// A symbol between spaces or tabs, such as a phoneme.
  case space
  /// A subword of a SentencePiece model.
  case bpe

  /// Whether a token is a word, with white space around it.
  public var isWord: Bool { self == .word || self == .space }
}

/// How a SentencePiece model chooses its subwords.
public enum SubwordKind: String, OptionChoice {
  /// Byte-pair encoding (Sennrich, Haddow, Birch 2016).
  case bpe
  /// The unigram language model (Kudo 2018).
  case unigram
}

/// How to treat an example that is longer than the limit.
public enum OverlongExamples: String, OptionChoice {
  case error, skip, truncate
}

/// How to treat an example whose source or target is empty.
public enum EmptyExamples: String, OptionChoice {
  case error, skip
}

/// Data that the program generates when no file is given.
public enum GeneratedData: String, OptionChoice {
  case none
  /// A text about dates, for language models.
  case dates
  /// Dates as people write them and in ISO 8601, for seq2seq, like the kinds below.
  case datePairs = "date-pairs"
  case addition, copy, reverse

  /// True for source and target pairs, which have their own validation and test parts; false for a text.
  public var isPairs: Bool { self != .none && self != .dates }

  /// The largest number of training pairs; nil if there is no such limit.
  ///
  /// Two numbers of up to three digits have 500,500 different sums, and drawing the last of them would take very long.
  public var largestSize: Int? { self == .addition ? 400_000 : nil }
}

/// The data of a run, and how they become tokens.
public struct DataOptions: Options {
  public var train: DataPath?
  public var valid: DataPath?
  public var test: DataPath?
  /// Word vectors, which are the initial embeddings of the tokens that a model reads.
  public var embeddings: String?
  /// Without `valid`: the part of the training data that is kept for validation.
  public var validFraction = 0.1
  public var format = DataFormat.text
  public var tokens = TokenUnit.char
  /// The columns of tsv, csv, columns and conllu files, if they are not the default ones.
  public var columns: DataColumns?
  /// The delimiter between the fields of csv.
  public var delimiter = Delimiter.auto
  /// The decimal mark of the numbers in csv files.
  public var decimal = DecimalMark.point
  /// Rows of a table that a model reads to forecast the next ones; 0: an example is a line.
  public var window = 0
  /// Rows that are forecast.
  public var horizon = 0
  /// Rows after which a table repeats itself, such as 24 hours; 0: it does not. Only for the forecast to compare with.
  public var season = 0
  /// Of the numbers of sources, and of targets that are numbers.
  public var scaling = NumberScaling.none
  public var missing = MissingNumbers.error
  /// The token unit of sources; nil: `tokens`. See `sourceUnit`.
  public var sourceTokens: TokenUnit?
  /// The token unit of targets; nil: `tokens`. See `targetUnit`.
  public var targetTokens: TokenUnit?
  /// A file with the vocabulary of the sources; nil: it is counted.
  public var vocabulary: String?
  /// A file with the vocabulary of the targets; nil: it is counted.
  public var targetVocabulary: String?
  /// Whether source and target share one vocabulary.
  public var sharedVocabulary = false
  public var subwordKind = SubwordKind.bpe
  public var subwordVocabulary = 8000
  public var lowercase = false
  /// The count below which tokens become `<unk>`.
  public var minCount = 1
  /// The maximum size of the vocabulary, including special tokens; 0: no limit.
  public var maxVocabulary = 50_000
  /// Whether the tokens of a source are read backwards (Sutskever et al. 2014).
  public var reverseSource = false
  /// The maximum number of tokens of a source or target; 0: no limit.
  public var maxLength = 0
  public var tooLong = OverlongExamples.error
  public var emptySequences = EmptyExamples.error
  /// The number of keys of a multi-hot step.
  public var width = 88
  /// The data to generate if there is no `train`.
  public var generator = GeneratedData.none
  /// The number of characters of a generated text, or of generated training pairs.
  public var generatedSize = 1_000_000

  public init() {}

  /// Whether there is validation data.
  public var hasValidation: Bool { valid != nil || validFraction > 0 || generator.isPairs }
  /// Whether sources are numbers rather than text. A source that is one column of csv is text; several columns are numbers.
  public var holdsNumbers: Bool {
    switch format {
    case .npy, .multihot: true
    case .csv: window > 0 || columns?.hasOneSource != true
    case .text, .lines, .tsv, .columns, .conllu: false
    }
  }
  public var sourceUnit: TokenUnit { sourceTokens ?? tokens }
  public var targetUnit: TokenUnit { targetTokens ?? tokens }
  /// The way the text that a model reads, including the text of a stream, is cut into tokens.
  public var sourceText: TextOptions { text(of: sourceUnit, vocabulary) }
  /// The way the text that a model writes is cut into tokens.
  public var targetText: TextOptions {
    text(of: targetUnit, sharedVocabulary ? vocabulary : targetVocabulary)
  }

  private func text(of unit: TokenUnit, _ vocabulary: String?) -> TextOptions {
    var options = TextOptions(
      unit, lowercase: lowercase, minCount: minCount,
      maxVocabulary: unit == .bpe ? subwordVocabulary : maxVocabulary)
    options.subwordKind = subwordKind
    options.vocabularyFile = vocabulary
    return options
  }

  /// A bound on the vocabulary of a text; nil if it depends on the text alone.
  public var largestVocabulary: Int? {
    switch tokens {
    case .byte: 256
    case .char, .word, .space: maxVocabulary > 0 ? maxVocabulary : nil
    case .bpe: subwordVocabulary
    }
  }

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.validFraction, .from(0, below: 1))
    checks.bound(\.subwordVocabulary, .within(8...1_000_000))
    checks.bound(\.minCount, .atLeast(1))
    checks.bound(\.maxVocabulary, .atLeast(0))
    checks.bound(\.maxLength, .within(0...10_000_000))
    checks.bound(\.width, .within(1...65_536))
    checks.bound(\.generatedSize, .within(100...1_000_000_000))
    let units: Set = [sourceUnit, targetUnit]
    let hasSubwords = units.contains(.bpe)
    checks.read(
      \.subwordKind, if: hasSubwords, with: \.tokens, \.sourceTokens, \.targetTokens,
      otherwise: "is for tokens bpe")
    checks.read(
      \.subwordVocabulary, if: hasSubwords, with: \.tokens, \.sourceTokens, \.targetTokens,
      otherwise: "is for tokens bpe")
    let isGiven = vocabulary != nil && (targetVocabulary != nil || sharedVocabulary)
    let counts = !isGiven && units.contains { $0 != .byte && $0 != .bpe }
    let bytes: OptionText<Self> = "is for tokens char, word, space and bpe; there are always 256 bytes"
    checks.read(\.vocabulary, if: sourceUnit != .byte, with: \.tokens, \.sourceTokens, otherwise: bytes)
    checks.read(\.targetVocabulary, if: targetUnit != .byte, with: \.tokens, \.targetTokens, otherwise: bytes)
    checks.read(
      \.vocabulary, if: !holdsNumbers, with: \.format,
      otherwise: "is for text; \(format.rawValue) holds numbers")
    checks.read(
      \.targetVocabulary, if: !sharedVocabulary, with: \.sharedVocabulary,
      otherwise: "is that of the source: set \(\.vocabulary)")
    checks.read(
      \.minCount, if: counts, with: \.tokens, \.sourceTokens, \.targetTokens,
      otherwise: "is for tokens char, word, space")
    checks.read(
      \.maxVocabulary, if: counts, with: \.tokens, \.sourceTokens, \.targetTokens,
      otherwise: "is for tokens char, word, space")
    if (1...2).contains(maxVocabulary) {
      checks.refuse(
        \.maxVocabulary, with: \.tokens,
        because: "leaves only special tokens: at least 3, or 0 for no limit")
    }
    checks.read(
      \.reverseSource, if: !holdsNumbers, with: \.format,
      otherwise: "reverses tokens, but \(format.rawValue) holds numbers")
    checks.read(
      \.tooLong, if: maxLength > 0, with: \.maxLength,
      otherwise: "needs a limit: set \(\.maxLength) above 0")
    checks.read(\.width, if: \.format, isOneOf: [.multihot])
    checks.read(\.columns, if: \.format, isOneOf: [.tsv, .csv, .columns, .conllu])
    if let problem = columns?.problem(in: format, isTable: window > 0) {
      checks.refuse(\.columns, with: \.format, \.window, because: "\(problem)")
    }
    checkWindows(&checks)
    checks.read(\.missing, if: \.format, isOneOf: [.csv, .npy])
    checks.read(
      \.missing, if: format != .csv || holdsNumbers, with: \.columns,
      otherwise: "masks numbers; \(\.columns) has one source, which is text")
    checks.read(\.delimiter, if: \.format, isOneOf: [.csv])
    checks.read(\.decimal, if: \.format, isOneOf: [.csv])
    if decimal == .comma, delimiter == .comma {
      checks.refuse(
        \.decimal, with: \.delimiter,
        because: "comma needs another delimiter: set \(\.delimiter) to semicolon or tab")
    }
  }
}

extension DataOptions {
  fileprivate func checkWindows(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.window, .within(0...100_000))
    checks.bound(\.horizon, .within(0...10_000))
    checks.bound(\.season, .within(0...100_000))
    checks.read(\.window, if: \.format, isOneOf: [.csv])
    checks.read(
      \.horizon, if: window > 0, with: \.window,
      otherwise: "is for windows over a table: set \(\.window) above 0")
    checks.read(
      \.season, if: window > 0, with: \.window,
      otherwise: "is for windows over a table: set \(\.window) above 0")
    checks.read(
      \.maxLength, if: window == 0, with: \.window,
      otherwise: "is for examples that are lines: all windows of \(\.window) rows have one length")
    checks.read(
      \.emptySequences, if: window == 0, with: \.window,
      otherwise: "is for examples that are lines, not for windows of \(\.window) rows")
    guard window > 0 else { return }
    if horizon == 0 {
      checks.refuse(\.window, with: \.horizon, because: "needs rows to forecast: set \(\.horizon) above 0")
    }
    if season > window {
      checks.refuse(
        \.season, with: \.window,
        because: "must not be longer than \(\.window), which holds the season before")
    }
  }
}

/// The names of the parts of an example in a configuration.
public enum DataPart: String, CaseIterable, Sendable {
  case source, target
  case secondSource = "second_source"
  /// Other words for source and target.
  case input, labels
  /// Of the rows of a table: rows with another value in this column belong to another series.
  case series

  /// The parts that can be files.
  public static let files = allCases.filter { $0 != .series }
}

extension Dictionary where Key == DataPart {
  /// The part that is read: `source` or `input`.
  public var source: Value? { self[.source] ?? self[.input] }
  /// The part that belongs to the source: `target` or `labels`.
  public var target: Value? { self[.target] ?? self[.labels] }
}

/// One file, or parallel files that are read line by line together.
public struct DataPath: Sendable, Equatable, ExpressibleByStringLiteral {
  /// The file that holds everything.
  public var file: String?
  /// Parallel files.
  public var parts: [DataPart: String]

  public init(file: String) { (self.file, parts) = (file, [:]) }

  public init(parts: [DataPart: String]) { (file, self.parts) = (nil, parts) }

  public init(stringLiteral value: String) { self.init(file: value) }

  /// The problem of an incomplete set of parallel files, or nil.
  public var problem: String? {
    guard file == nil else { return nil }
    let given = Set(parts.keys)
    let pairs: [Set<DataPart>] = [
      [.source, .target], [.source, .target, .secondSource], [.input, .labels],
    ]
    return pairs.contains(given)
      ? nil : "parallel files are {source, target}, with second_source if there are two, or {input, labels}"
  }

  /// The same files with absolute paths, with relative paths starting from `directory`.
  public func absolute(in directory: String) -> DataPath {
    func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "\(directory)/\(path)" }
    return file.map { DataPath(file: absolute($0)) } ?? DataPath(parts: parts.mapValues(absolute))
  }
}

/// The kind of data that a task learns from: one stream of tokens, or examples of some form.
public enum DataKind: String, CaseIterable, Sendable {
  /// One stream of tokens, each the target of the previous one (language models).
  case stream
  /// Sequences with a target for every step (taggers).
  case tagged
  /// Sequences with one target each (classifiers).
  case labeled
  /// Target sequences from a class, from a vector, or from nothing (generators).
  case generated
  /// Two sequences with one target for both (matchers).
  case matched
  /// Target sequences from source sequences (seq2seq).
  case paired

  /// The keys of parallel files with this kind of data.
  public var parallelFiles: String {
    switch self {
    case .tagged, .labeled: "{input: …, labels: …}"
    case .matched: "{source: …, second_source: …, target: …}"
    case .stream, .generated, .paired: "{source: …, target: …}"
    }
  }

  /// Whether the sources of csv may be numbers. Otherwise it has columns of text, which must be named.
  public var readsNumbersOfCSV: Bool { self == .labeled || self == .paired }

  /// Whether examples may have two sources.
  public var takesSecondSource: Bool { self == .matched || self == .paired }

  /// The formats for this kind of data.
  public var formats: [DataFormat] {
    switch self {
    case .stream: [.text]
    case .tagged: [.lines, .columns, .conllu, .csv, .npy, .multihot]
    case .labeled: [.lines, .tsv, .csv, .npy, .multihot]
    case .generated: [.lines, .tsv, .csv, .npy]
    case .matched: [.lines, .tsv, .csv]
    case .paired: [.lines, .tsv, .csv, .npy]
    }
  }
}
