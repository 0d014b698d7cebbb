import Foundation

extension Vocabulary {
  /// Largest vocabulary file that is read, in bytes.
  private static let largestFile = 1 << 30

  /// Writes one token a line in the order of ids, UTF-8; white space, control and format characters,
  /// backslashes and bytes that aren't printable ASCII as JSON escapes (`\u000a`, `\\`). Replaces the file at
  /// once, so that a reader never sees half of it. The model of subwords goes to a file of the same name that ends in
  /// `.model`. Throws `DataError.unwritable`.
  public func save(to path: String) throws {
    var text: [UInt8] = []
    for token in tokens {
      text.append(contentsOf: escaped(token, onlyASCII: tokenization == .byte).utf8)
      text.append(UInt8(ascii: "\n"))
    }
    do {
      try Data(text).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw DataError.unwritable(path: path, reason: error.localizedDescription)
    }
    try subwords?.subwords?.save(to: SequenceVocabulary.modelPath(for: path))
  }

  /// Reads what `save` wrote. Throws `DataError`, for wrong lines with their number.
  public static func load(path: String, tokenization: Tokenization, lowercase: Bool = false) throws
    -> Vocabulary
  {
    var bytes: [UInt8] = []
    try TextSource.file(path).forEachChunk { chunk in
      bytes.append(contentsOf: chunk)
      guard bytes.count <= largestFile else {
        throw DataError.badVocabulary(path: path, line: 1, problem: "more than \(largestFile) bytes")
      }
    }
    var reader = VocabularyReader(path: path, tokenization: tokenization)
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    for line in lines { try reader.add(line) }
    let tokens = try reader.finish()
    guard tokenization == .bpe else {
      return Vocabulary(tokenization: tokenization, lowercase: lowercase, tokens: tokens)
    }
    return try subwords(tokens, path: path, lowercase: lowercase)
  }

  /// The vocabulary of a model of subwords, whose pieces are in another order.
  private static func subwords(_ tokens: [String], path: String, lowercase: Bool) throws -> Vocabulary {
    let modelPath = SequenceVocabulary.modelPath(for: path)
    let model = try SequenceVocabulary(
      .load(path: modelPath), lowercase: lowercase, boundaries: true, name: modelPath)
    guard tokens.count == model.count, tokens.allSatisfy({ model.id(of: $0) != nil }) else {
      throw DataError.subwordModel(name: modelPath, reason: "its pieces are not those of \(path)")
    }
    return Vocabulary(tokenization: .bpe, lowercase: lowercase, tokens: tokens, subwords: model)
  }
}

/// Checks the lines of a vocabulary file one after the other.
private struct VocabularyReader {
  let path: String
  let tokenization: Tokenization
  private var tokens: [String] = []
  private var known = WordTable()

  init(path: String, tokenization: Tokenization) {
    self.path = path
    self.tokenization = tokenization
  }

  mutating func add(_ line: ArraySlice<UInt8>) throws {
    guard let text = String(validating: line, as: UTF8.self) else { throw problem("not UTF-8 text") }
    guard let token = unescaped(text) else { throw problem("a backslash that begins no JSON escape") }
    guard !token.isEmpty else { throw problem("an empty line where a token belongs") }
    switch tokenization {
    case .byte:
      guard tokens.count < 256, token.unicodeScalars.map(\.value) == [UInt32(tokens.count)] else {
        throw problem("expects the 256 byte values in order, found \(escaped(token, onlyASCII: true))")
      }
    case .char:
      guard tokens.isEmpty == (token == SpecialToken.unknown),
        tokens.isEmpty || token.unicodeScalars.count == 1
      else {
        throw problem("expects \(SpecialToken.unknown) first and then one character a line, found \(token)")
      }
    case .word:
      guard !token.unicodeScalars.contains(where: \.properties.isWhitespace) else {
        throw problem("white space in a word")
      }
    case .bpe: break
    }
    let number = Int(known.intern(Array(token.utf8)))
    guard number == tokens.count else {
      throw problem("the token \(escaped(token, onlyASCII: false)) again, first in line \(number + 1)")
    }
    tokens.append(token)
  }

  func finish() throws -> [String] {
    switch tokenization {
    case .byte where tokens.count != 256: throw problem("expects 256 lines, found \(tokens.count)")
    case .char where tokens.isEmpty: throw problem("no tokens")
    case .word, .bpe:
      for special in [SpecialToken.unknown, SpecialToken.endOfSentence] where known.number(of: special) == nil
      {
        throw problem("the token \(special) is missing")
      }
    default: break
    }
    return tokens
  }

  private func problem(_ text: String) -> DataError {
    .badVocabulary(path: path, line: tokens.count + 1, problem: text)
  }
}
