/// The tokens of one side of a task, each with its id: its place in the list.
///
/// Special tokens come first: `<unk>` for what isn't in the list (never for bytes), then `<bos>` and `<eos>`
/// if sequences begin and end with them, as targets that are generated do. There is none for padding, because
/// batches are packed. Then
///
/// - bytes: all 256 values in order;
/// - characters: by code point;
/// - words and symbols: by falling frequency in the training text, then by code points;
/// - subwords: the pieces of the model in its order.
public struct SequenceVocabulary: Sendable, Equatable, CustomStringConvertible {
  public let tokenization: SequenceTokenization
  /// Text is turned to lower case before it is looked up.
  public let lowercase: Bool
  /// The tokens in the order of their ids; a byte is the character of the same number.
  public let tokens: [String]
  /// The id of what isn't in the list; nil for bytes.
  public let unknown: Int32?
  /// The id before the first token of a sequence, if there is one.
  public let beginOfSentence: Int32?
  /// The id after the last token of a sequence, if there is one.
  public let endOfSentence: Int32?

  /// The model that cuts the text, for subwords.
  let subwords: SubwordModel?
  let tokenizer: LineTokenizer
  /// The UTF-8 of the tokens by id. Not a dictionary of strings: Swift takes canonically equivalent strings
  /// for equal, and two ways to write an accented letter are two tokens.
  let table: WordTable
  let scalars: ScalarTable

  /// The special tokens of a kind of vocabulary, in the order of their ids.
  static func specials(_ tokenization: SequenceTokenization, boundaries: Bool) -> [String] {
    (tokenization == .byte ? [] : [SpecialToken.unknown])
      + (boundaries ? [SpecialToken.beginOfSentence, SpecialToken.endOfSentence] : [])
  }

  /// The vocabulary of these tokens, special ones first, which must be different.
  init(
    _ tokenization: SequenceTokenization, lowercase: Bool, boundaries: Bool, tokens: [String],
    subwords: SubwordModel? = nil
  ) {
    self.tokenization = tokenization
    self.lowercase = lowercase
    self.tokens = tokens
    self.subwords = subwords
    tokenizer = LineTokenizer(tokenization: tokenization, lowercase: lowercase)
    var table = WordTable()
    var scalars = ScalarTable()
    let specials = Self.specials(tokenization, boundaries: boundaries)
    for (id, token) in tokens.enumerated() {
      _ = table.intern(Array(token.utf8))
      if tokenization == .char, id >= specials.count, let scalar = token.unicodeScalars.first {
        scalars.set(scalar, to: Int32(id))
      }
    }
    precondition(table.count == tokens.count, "\(tokens.count) tokens, of which \(table.count) are different")
    precondition(tokens.starts(with: specials), "\(tokens.prefix(3)) where \(specials) come first")
    self.table = table
    self.scalars = scalars
    unknown = tokenization == .byte ? nil : 0
    beginOfSentence = boundaries ? Int32(specials.count - 2) : nil
    endOfSentence = boundaries ? Int32(specials.count - 1) : nil
  }

  public static func == (first: SequenceVocabulary, second: SequenceVocabulary) -> Bool {
    first.tokenizer == second.tokenizer && first.endOfSentence == second.endOfSentence
      && first.table == second.table && first.subwords?.bytes == second.subwords?.bytes
  }

  /// Number of tokens, special ones included.
  public var count: Int { tokens.count }

  /// Number of special tokens; their ids are the first.
  public var specialCount: Int { (unknown == nil ? 0 : 1) + (endOfSentence == nil ? 0 : 2) }

  /// The id of a token, or nil.
  public func id(of token: String) -> Int32? { table.number(of: token) }

  /// The token of an id in `0 ..< count`.
  public subscript(id: Int32) -> String { tokens[Int(id)] }

  public var description: String { "\(count) tokens (\(tokenization.rawValue))" }

  /// A hash of the tokens and their order, and of the subword model, that is the same on every rank and in
  /// every process.
  public var digest: UInt64 {
    var hash = StableHash()
    hash.combine(tokenization.rawValue)
    hash.combine(lowercase ? 1 : 0)
    hash.combine(endOfSentence == nil ? 0 : 1)
    for token in tokens { hash.combine(token) }
    for byte in subwords?.bytes ?? [] { hash.combine(UInt64(byte)) }
    return hash.value
  }
}
