/// The tokens of a model, each with its id: its place in the list.
///
/// - bytes: all 256 values in order;
/// - characters: `<unk>` first, then by code point;
/// - words, `<eos>` and `<unk>` among them: by falling frequency in the training text, then by code points;
/// - subwords, `<eos>`, `<unk>` and an idle `<bos>` among them: in the same order, which isn't that of their model.
public struct Vocabulary: Sendable, Equatable {
  public let tokenization: Tokenization
  /// Text is turned to lower case before it is looked up.
  public let lowercase: Bool
  /// The tokens in the order of their ids; a byte is the character of the same number.
  public let tokens: [String]
  /// The id of tokens that aren't in the list; nil for bytes, where none is missing.
  public let unknown: Int32?
  /// The id of a line end; nil where line ends are ordinary characters.
  public let endOfSentence: Int32?

  /// The UTF-8 of the tokens by id. Not a dictionary of strings: Swift takes canonically equivalent strings
  /// for equal, and two ways to write an accented letter are two tokens.
  private let table: WordTable
  /// The model of subwords, and its id for each of these.
  let subwords: SequenceVocabulary?
  let modelIDs: [Int32]

  /// The vocabulary of these tokens, which must be different and hold the special ones of their kind.
  init(
    tokenization: Tokenization, lowercase: Bool, tokens: [String], subwords: SequenceVocabulary? = nil
  ) {
    self.tokenization = tokenization
    self.lowercase = lowercase
    self.tokens = tokens
    var table = WordTable()
    for token in tokens { _ = table.intern(Array(token.utf8)) }
    precondition(table.count == tokens.count, "\(tokens.count) tokens, of which \(table.count) are different")
    self.table = table
    unknown = tokenization == .byte ? nil : table.number(of: SpecialToken.unknown)
    let hasLines = tokenization == .word || tokenization == .bpe
    endOfSentence = hasLines ? table.number(of: SpecialToken.endOfSentence) : nil
    self.subwords = subwords
    modelIDs = subwords.map { model in tokens.map { model.id(of: $0) ?? 0 } } ?? []
  }

  public static func == (first: Vocabulary, second: Vocabulary) -> Bool {
    first.tokenization == second.tokenization && first.lowercase == second.lowercase
      && first.table == second.table && first.subwords == second.subwords
  }

  /// All 256 byte values.
  public static func bytes(lowercase: Bool = false) -> Vocabulary {
    let tokens = (UInt8.min...UInt8.max).map { String(Unicode.Scalar($0)) }
    return Vocabulary(tokenization: .byte, lowercase: lowercase, tokens: tokens)
  }

  /// Number of tokens, special ones included.
  public var count: Int { tokens.count }

  /// The id of a token, or nil.
  public func id(of token: String) -> Int32? { table.number(of: token) }

  /// The token of an id in `0 ..< count`.
  public subscript(id: Int32) -> String { tokens[Int(id)] }

  /// The ids of a short text, such as a prompt, cut as the training text was; throws `DataError`.
  ///
  /// A word at the very end counts as complete; only a line feed gives an end of sentence.
  public func encode(_ text: [UInt8], name: String = "text") throws -> [Int32] {
    if subwords != nil { return try encodeSubwords(text, name: name) }
    var ids: [Int32] = []
    var scanner = SymbolScanner(name: name, lowercase: lowercase, table: symbolTable())
    let idOfSymbol = self.idOfSymbol(in: scanner.table)
    try scanner.scan(.memory(text, name: name)) { symbols in
      for symbol in symbols { ids.append(symbol < 0 ? unknown ?? 0 : idOfSymbol[Int(symbol)]) }
    }
    return ids
  }

  /// Tokens that stand for no text, and that nothing is written with.
  public var notText: [Int32] {
    [unknown, subwords == nil ? nil : id(of: SpecialToken.beginOfSentence)].compactMap { $0 }
  }

  /// The text of ids: bytes as they were, characters joined, words with a space between them, subwords as their model
  /// joins them, and a line feed for each end of sentence. Characters that aren't in the vocabulary are U+FFFD.
  public func decode(_ ids: some Sequence<Int32>) -> [UInt8] {
    if subwords != nil { return decodeSubwords(ids) }
    var text: [UInt8] = []
    var isLineStart = true
    for id in ids {
      switch tokenization {
      case .byte, .bpe: text.append(UInt8(truncatingIfNeeded: id))
      case .char: text.append(contentsOf: (id == unknown ? "\u{FFFD}" : self[id]).utf8)
      case .word:
        if id == endOfSentence {
          text.append(UInt8(ascii: "\n"))
        } else {
          text.append(contentsOf: ((isLineStart ? "" : " ") + self[id]).utf8)
        }
        isLineStart = id == endOfSentence
      }
    }
    return text
  }

  /// A hash of the tokens and their order that is the same on every rank and in every process.
  public var digest: UInt64 {
    var hash = StableHash()
    hash.combine(tokenization.rawValue)
    hash.combine(lowercase ? 1 : 0)
    for token in tokens { hash.combine(token) }
    if let subwords { hash.combine(subwords.digest) }
    return hash.value
  }
}

// MARK: - Between the symbols of a table and ids

extension Vocabulary {
  /// A frozen table that knows the tokens of this vocabulary.
  func symbolTable() -> SymbolTable {
    var table = SymbolTable(tokenization)
    for token in tokens {
      switch tokenization {
      case .byte, .bpe: break
      case .char where token == SpecialToken.unknown: break
      case .char: for scalar in token.unicodeScalars { _ = table.symbol(of: scalar) }
      case .word: _ = table.symbol(ofWord: Array(token.utf8))
      }
    }
    table.isFrozen = true
    return table
  }

  /// The id of each symbol of a table; the unknown token for symbols that aren't in this vocabulary.
  func idOfSymbol(in table: SymbolTable) -> [Int32] {
    (0..<table.count).map { id(of: table.text(of: $0)) ?? unknown ?? 0 }
  }
}
