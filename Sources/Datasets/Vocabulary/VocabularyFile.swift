import Checkpoints
import Foundation

extension Vocabulary {
  /// Writes one token per line in the order of ids, in UTF-8. White space, control and format characters, backslashes,
  /// and bytes that aren't printable ASCII become JSON escapes (`\u0020`, `\\`). The model of subwords goes to a file of
  /// the same name that ends in `.model`. Returns the paths. Throws `FileFailure`.
  @discardableResult
  public func save(to path: String) throws -> [String] {
    try write(tokens, onlyASCII: unit == .byte, to: path)
    guard let subwords else { return [path] }
    let model = Self.modelPath(for: path)
    try subwords.save(to: model)
    return [path, model]
  }

  /// The path of the subword model that belongs to a vocabulary file.
  static func modelPath(for path: String) -> String {
    (path.hasSuffix(".txt") ? String(path.dropLast(4)) : path) + ".model"
  }

  /// Reads the file that `save` wrote.
  ///
  /// - Parameter boundaries: the boundaries with which it was created.
  /// - Throws: `DataError`, which names the number of a wrong line.
  public static func load(path: String, options: TextOptions, boundaries: Boundaries) throws -> Vocabulary {
    let specials = specials(options.unit, boundaries)
    let tokens = try readTokens(path) { token, number in
      if number < specials.count {
        guard token == specials[number] else { return "expects \(specials[number]), found \(token)" }
      } else if options.unit == .byte {
        guard token.unicodeScalars.map(\.value) == [UInt32(number - specials.count)] else {
          return "expects the 256 byte values in order, found \(escaped(token, onlyASCII: true))"
        }
      } else if options.unit == .char, token.unicodeScalars.count != 1 {
        return "expects one character per line, found \(token)"
      }
      return nil
    }
    let least = specials.count + (options.unit == .byte ? 256 : 0)
    guard tokens.count >= least else {
      throw DataError.badVocabulary(
        path: path, line: tokens.count + 1, problem: "\(tokens.count) lines, at least \(least) expected")
    }
    guard options.unit == .bpe else {
      return Vocabulary(
        options.unit, lowercase: options.lowercase, boundaries: boundaries, tokens: tokens)
    }
    let modelPath = modelPath(for: path)
    let vocabulary = try Vocabulary(
      .load(path: modelPath), lowercase: options.lowercase, boundaries: boundaries, name: modelPath)
    guard vocabulary.tokens.map(\.utf8).elementsEqual(tokens.map(\.utf8), by: { $0.elementsEqual($1) }) else {
      throw DataError.subwordModel(name: modelPath, reason: "its pieces are not those of \(path)")
    }
    return vocabulary
  }
}

extension Vocabulary {
  /// Reads a vocabulary that another program or run created: one token per line in the order of ids, with the escapes of
  /// a vocabulary that a run has written. Special tokens come first, even if the file has them elsewhere or not at all. There
  /// must be other tokens.
  /// For subwords the path is that of a SentencePiece model, or of a vocabulary in the same folder as its model. Throws
  /// `DataError`.
  static func given(path: String, options: TextOptions, boundaries: Boundaries) throws -> Vocabulary {
    guard options.unit != .bpe else {
      let model = path.hasSuffix(".model") ? path : modelPath(for: path)
      return try Vocabulary(
        .load(path: model), lowercase: options.lowercase, boundaries: boundaries, name: model)
    }
    let special: Set = [
      SpecialToken.unknown, SpecialToken.beginOfSentence, SpecialToken.endOfSentence,
    ]
    let tokens = try readTokens(path) { token, _ in
      options.unit == .char && !special.contains(token) && token.unicodeScalars.count != 1
        ? "expects one character per line, found \(token)" : nil
    }.filter { !special.contains($0) }
    guard !tokens.isEmpty else {
      throw DataError.input(
        name: path, reason: "holds no tokens of text; a vocabulary has one token per line")
    }
    return Vocabulary(
      options.unit, lowercase: options.lowercase, boundaries: boundaries,
      tokens: specials(options.unit, boundaries) + tokens)
  }
}

extension LabelVocabulary {
  /// Writes one label per line in the order of ids, escaped as in a vocabulary. Throws `FileFailure`.
  public func save(to path: String) throws { try write(names, onlyASCII: false, to: path) }

  /// Reads the file that `save` wrote. Throws `DataError`, which names the number of a wrong line.
  public static func load(path: String) throws -> LabelVocabulary {
    LabelVocabulary(ordered: try readTokens(path) { _, _ in nil })
  }
}

/// Writes a line for each token. Throws `FileFailure`.
private func write(_ tokens: [String], onlyASCII: Bool, to path: String) throws {
  var text: [UInt8] = []
  for token in tokens {
    text.append(contentsOf: escaped(token, onlyASCII: onlyASCII).utf8)
    text.append(UInt8(ascii: "\n"))
  }
  try DurableFile.write(Data(text), to: path)
}

/// Reads the tokens of a file, which must be distinct. `problem` returns the problem of the token with a number, or nil.
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

// MARK: - Escapes

/// A token as a line of text without white space.
func escaped(_ token: String, onlyASCII: Bool) -> String {
  var line = ""
  for scalar in token.unicodeScalars { line += scalar.escaped(asASCII: onlyASCII) }
  return line
}

extension Unicode.Scalar {
  /// The scalar, or its JSON escape if it is white space, a control or format character, or a backslash; with
  /// `asASCII` also if it isn't printable ASCII.
  func escaped(asASCII: Bool) -> String {
    if self == "\\" { return "\\\\" }
    guard needsEscape || (asASCII && value > 0x7E) else { return String(self) }
    return String(self).utf16.reduce(into: "") { text, unit in
      let digits = String(unit, radix: 16)
      text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
  }

  private var needsEscape: Bool {
    properties.isWhitespace
      || [.control, .format, .lineSeparator, .paragraphSeparator].contains(properties.generalCategory)
  }
}

/// The token of a line, or nil if a backslash does not begin a JSON escape.
func unescaped(_ line: String) -> String? {
  guard line.utf8.contains(UInt8(ascii: "\\")) else { return line }
  let short: [UInt16: UInt16] = [
    0x22: 0x22, 0x5C: 0x5C, 0x2F: 0x2F, 0x62: 0x08, 0x66: 0x0C, 0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09,
  ]
  var units: [UInt16] = []
  var rest = Array(line.utf16)[...]
  while let unit = rest.popFirst() {
    guard unit == 0x5C else {
      units.append(unit)
      continue
    }
    guard let kind = rest.popFirst() else { return nil }
    if let plain = short[kind] {
      units.append(plain)
    } else {
      let digits = rest.prefix(4)
      let text = String(decoding: digits, as: UTF16.self)
      guard kind == 0x75, digits.count == 4, text.allSatisfy(\.isHexDigit), let code = UInt16(text, radix: 16)
      else { return nil }
      units.append(code)
      rest = rest.dropFirst(4)
    }
  }
  // A lone surrogate is not a character.
  return String(validating: units, as: UTF16.self)
}
