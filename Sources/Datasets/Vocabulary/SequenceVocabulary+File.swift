import Foundation

extension SequenceVocabulary {
  /// Writes one token a line in the order of ids, UTF-8; white space, control and format characters,
  /// backslashes and bytes that aren't printable ASCII as JSON escapes (`\u0020`, `\\`). The model of
  /// subwords goes to a file of the same name that ends in `.model`. Returns the paths. Throws
  /// `DataError.unwritable`.
  @discardableResult
  public func save(to path: String) throws -> [String] {
    try write(tokens, onlyASCII: tokenization == .byte, to: path)
    guard let subwords else { return [path] }
    let model = Self.modelPath(for: path)
    try subwords.save(to: model)
    return [path, model]
  }

  /// Where the model of the subwords in a vocabulary file is.
  public static func modelPath(for path: String) -> String {
    (path.hasSuffix(".txt") ? String(path.dropLast(4)) : path) + ".model"
  }

  /// Reads what `save` wrote.
  ///
  /// - Parameter boundaries: whether sequences begin and end with special tokens, as when it was made.
  /// - Throws: `DataError`, for wrong lines with their number.
  public static func load(path: String, options: SequenceTextOptions, boundaries: Bool) throws
    -> SequenceVocabulary
  {
    let specials = specials(options.tokenization, boundaries: boundaries)
    let tokens = try readTokens(path) { token, number in
      if number < specials.count {
        guard token == specials[number] else { return "expects \(specials[number]), found \(token)" }
      } else if options.tokenization == .byte {
        guard token.unicodeScalars.map(\.value) == [UInt32(number - specials.count)] else {
          return "expects the 256 byte values in order, found \(escaped(token, onlyASCII: true))"
        }
      } else if options.tokenization == .char, token.unicodeScalars.count != 1 {
        return "expects one character a line, found \(token)"
      }
      return nil
    }
    let least = specials.count + (options.tokenization == .byte ? 256 : 0)
    guard tokens.count >= least else {
      throw DataError.badVocabulary(
        path: path, line: tokens.count + 1, problem: "\(tokens.count) lines, at least \(least) expected")
    }
    guard options.tokenization == .bpe else {
      return SequenceVocabulary(
        options.tokenization, lowercase: options.lowercase, boundaries: boundaries, tokens: tokens)
    }
    let modelPath = modelPath(for: path)
    let vocabulary = try SequenceVocabulary(
      .load(path: modelPath), lowercase: options.lowercase, boundaries: boundaries, name: modelPath)
    guard vocabulary.tokens.map(\.utf8).elementsEqual(tokens.map(\.utf8), by: { $0.elementsEqual($1) }) else {
      throw DataError.subwordModel(name: modelPath, reason: "its pieces are not those of \(path)")
    }
    return vocabulary
  }
}

extension LabelVocabulary {
  /// Writes one label a line in the order of ids, escaped as in a vocabulary. Throws `DataError.unwritable`.
  public func save(to path: String) throws { try write(names, onlyASCII: false, to: path) }

  /// Reads what `save` wrote. Throws `DataError`, for wrong lines with their number.
  public static func load(path: String) throws -> LabelVocabulary {
    LabelVocabulary(ordered: try readTokens(path) { _, _ in nil })
  }
}

/// Writes a line for each token, replacing the file at once, so that a reader never sees half of it.
private func write(_ tokens: [String], onlyASCII: Bool, to path: String) throws {
  var text: [UInt8] = []
  for token in tokens {
    text.append(contentsOf: escaped(token, onlyASCII: onlyASCII).utf8)
    text.append(UInt8(ascii: "\n"))
  }
  do {
    try Data(text).write(to: URL(fileURLWithPath: path), options: .atomic)
  } catch {
    throw DataError.unwritable(path: path, reason: error.localizedDescription)
  }
}

/// The tokens of a file, all different; `problem` says what is wrong with the token of a number, or nil.
private func readTokens(_ path: String, _ problem: (String, Int) -> String?) throws -> [String] {
  let reader = try LineReader(.file(path))
  var tokens: [String] = []
  var known = WordTable()
  while try reader.next() {
    let wrong = { (text: String) in
      DataError.badVocabulary(path: path, line: tokens.count + 1, problem: text)
    }
    guard let text = String(validating: reader.bytes, as: UTF8.self) else { throw wrong("not UTF-8 text") }
    guard let token = unescaped(text) else { throw wrong("a backslash that begins no JSON escape") }
    guard !token.isEmpty else { throw wrong("an empty line where a token belongs") }
    let number = Int(known.intern(Array(token.utf8)))
    guard number == tokens.count else {
      throw wrong("the token \(escaped(token, onlyASCII: false)) again, first in line \(number + 1)")
    }
    if let found = problem(token, tokens.count) { throw wrong(found) }
    tokens.append(token)
  }
  return tokens
}
