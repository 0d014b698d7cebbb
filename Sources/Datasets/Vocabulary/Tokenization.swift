/// The unit of text that gets an id.
public enum Tokenization: String, CaseIterable, Sendable {
  /// Bytes as they are; the vocabulary is always all 256 values, and any file is valid.
  case byte
  /// Unicode scalars of UTF-8 text, line ends and carriage returns included; a byte order mark is skipped.
  case char
  /// Words between white space; each line feed is the word `<eos>`, as in TensorFlow's Penn Treebank reader.
  case word
  /// Subwords of a SentencePiece model that is learnt from the training text; each line feed is `<eos>`.
  case bpe
}

/// How text becomes tokens.
public struct TextOptions: Sendable, Equatable {
  public var tokenization: Tokenization
  /// Turns the text to lower case; of bytes only A to Z, so that other bytes stay as they are.
  public var lowercase: Bool
  /// Tokens that occur less often in the training text become `<unk>` (not for bytes).
  public var minCount: Int
  /// Largest vocabulary, special tokens included; 0: no limit (not for bytes), of subwords 8,000.
  public var maxVocabulary: Int
  /// How the model of subwords is made.
  public var subwords = SubwordOptions()

  public init(
    _ tokenization: Tokenization, lowercase: Bool = false, minCount: Int = 1, maxVocabulary: Int = 0
  ) {
    self.tokenization = tokenization
    self.lowercase = lowercase
    self.minCount = minCount
    self.maxVocabulary = maxVocabulary
  }
}

/// Tokens that stand for something that isn't text.
public enum SpecialToken {
  /// Everything that isn't in the vocabulary.
  public static let unknown = "<unk>"
  /// What stands before the first token of a sequence that is generated.
  public static let beginOfSentence = "<bos>"
  /// The end of a line, for words, and of a sequence that is generated.
  public static let endOfSentence = "<eos>"
}
