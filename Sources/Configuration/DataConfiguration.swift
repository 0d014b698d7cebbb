/// Where the data come from and how they are cut into tokens.
public struct DataConfiguration: Sendable, Equatable {
  /// Layout of the files.
  public enum Format: String, ConfigurationChoice {
    case text, lines, tsv, columns, conllu, csv, npy, multihot
  }
  /// Unit of text that gets an id.
  public enum Tokens: String, ConfigurationChoice { case byte, char, word, space, bpe }
  /// Data that the program writes itself when no file is given.
  public enum Generator: String, ConfigurationChoice {
    case none, dates
    case datePairs = "date-pairs"
    case addition, copy, reverse
  }
  /// How subwords are learnt.
  public enum SubwordKind: String, ConfigurationChoice { case bpe, unigram }
  /// What happens to sequences longer than `maxLength`.
  public enum Overlong: String, ConfigurationChoice { case error, skip, truncate }
  /// What happens to lines without a source or without a target.
  public enum EmptySequences: String, ConfigurationChoice { case error, skip }

  public var train: DataPath?
  public var valid: DataPath?
  public var test: DataPath?
  public var validFraction = 0.1
  public var format = Format.text
  public var tokens = Tokens.char
  public var sourceTokens: Tokens?
  public var targetTokens: Tokens?
  public var sharedVocabulary = false
  public var subwordKind = SubwordKind.bpe
  public var subwordVocabulary = 8000
  public var lowercase = false
  public var minCount = 1
  public var maxVocabulary = 50_000
  public var reverseSource = false
  public var maxLength = 0
  public var tooLong = Overlong.error
  public var emptySequences = EmptySequences.error
  public var width = 88
  public var generator = Generator.none
  public var generatedSize = 1_000_000

  public init() {}

  /// True when something is set apart for validation.
  public var hasValidation: Bool { valid != nil || validFraction > 0 || generator.makesPairs }
  public var effectiveSourceTokens: Tokens { sourceTokens ?? tokens }
  public var effectiveTargetTokens: Tokens { targetTokens ?? tokens }
}

extension DataConfiguration.Generator {
  /// Whether it writes pairs for seq2seq (with a validation part of its own) rather than a text.
  public var makesPairs: Bool { self != .none && self != .dates }

  /// The largest number of training pairs that it is asked for; nil without a limit of its own.
  ///
  /// Two numbers of up to three digits have 500,500 different sums, of which the last ones would hardly ever be drawn.
  var mostPairs: Int? { self == .addition ? 400_000 : nil }
}

/// One file, or parallel files that are read line by line together.
public struct DataPath: Sendable, Equatable, ExpressibleByStringLiteral {
  /// The names under which the parts of parallel files are written.
  public enum Part: String, CaseIterable, Sendable {
    case source, target
    case secondSource = "second_source"
    case input, labels
  }

  /// The file that holds everything.
  public var file: String?
  /// Parallel files.
  public var parts: [Part: String]

  public init(file: String) { (self.file, parts) = (file, [:]) }

  public init(parts: [Part: String]) { (file, self.parts) = (nil, parts) }

  public init(stringLiteral value: String) { self.init(file: value) }

  /// The sequences that are read: `source` or `input`.
  public var source: String? { parts[.source] ?? parts[.input] }
  /// What belongs to them: `target` or `labels`.
  public var target: String? { parts[.target] ?? parts[.labels] }
  public var secondSource: String? { parts[.secondSource] }

  /// What is missing of a set of parallel files, or nil.
  var problem: String? {
    guard file == nil else { return nil }
    let given = Set(parts.keys)
    let pairs: [Set<Part>] = [[.source, .target], [.source, .target, .secondSource], [.input, .labels]]
    return pairs.contains(given)
      ? nil : "parallel files are {source, target}, with second_source if there are two, or {input, labels}"
  }

  /// Every file named.
  public var files: [String] { [file, source, secondSource, target].compactMap { $0 } }
}
