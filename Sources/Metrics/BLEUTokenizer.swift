import UnicodeText

/// The methods of splitting a text into tokens for BLEU, under the names of sacrebleu.
///
/// Tokenizers that need a dictionary or a model (zh, ja-mecab, ko-mecab, spm) are not available.
public enum BLEUTokenizer: String, CaseIterable, Sendable {
  /// The tokenizer of NIST's mteval-v13a.pl: the default, and the one to report.
  case mteval13a = "13a"
  /// The tokenizer of mteval-v14.pl with `--international-tokenization`: Unicode's punctuation and symbols are tokens.
  /// Characters that are newer than the Unicode version of Swift's standard library count as characters without a
  /// class.
  case international = "intl"
  /// Every character except white space is a token.
  case characters = "char"
  /// Splits only at white space, for text that is tokenized already.
  case none

  /// Returns the text with its tokens separated by white space.
  func tokenized(_ text: [UInt32], lowercase: Bool) -> [UInt32] {
    // In the order of sacrebleu: case, white space at the end, tokenizer.
    let cased = lowercase ? lowercased(text) : text
    let end = cased.lastIndex { !isPythonWhiteSpace($0) }.map { $0 + 1 } ?? 0
    let text = end == cased.count ? cased : Array(cased[..<end])
    return switch self {
    case .mteval13a: separatedAsInMteval13a(text)
    case .international: separatedByUnicodeClass(text)
    case .characters: Array(text.map { [$0] }.joined(separator: [space]))
    case .none: text
    }
  }
}

private let space: UInt32 = 0x20

// MARK: - 13a

/// The steps of mteval-v13a.pl. Each step scans the text from left to right, and matches of the same step don't
/// overlap.
private func separatedAsInMteval13a(_ text: [UInt32]) -> [UInt32] {
  // The language-independent part: marks of skipped segments, words broken at line ends, SGML entities.
  var line = replacing(Literals.skipped, in: text, with: [])
  line = replacing(Literals.brokenWord, in: line, with: [])
  line = replacing([0x0A], in: line, with: [space])
  if line.contains(0x26) {
    for (entity, character) in Literals.entities { line = replacing(entity, in: line, with: [character]) }
  }
  // The language-dependent part, for Western languages. The spaces at both ends count as characters other than digits.
  line = [space] + line + [space]
  line = surrounding(line, where: isOwnToken)
  line = splittingPairs(line, where: { !isDigit($0) && isPointOrComma($1) }, spaces: (false, true))
  line = splittingPairs(line, where: { isPointOrComma($0) && !isDigit($1) }, spaces: (true, false))
  return splittingPairs(line, where: { isDigit($0) && $1 == 0x2D }, spaces: (false, true))
}

private enum Literals {
  static let skipped = scalars(of: "<skipped>")
  static let brokenWord = scalars(of: "-\n")
  static let entities: [([UInt32], UInt32)] = [
    (scalars(of: "&quot;"), 0x22), (scalars(of: "&amp;"), 0x26), (scalars(of: "&lt;"), 0x3C),
    (scalars(of: "&gt;"), 0x3E),
  ]
}

/// ASCII's punctuation and symbols, except apostrophe, comma, hyphen and full stop.
private func isOwnToken(_ character: UInt32) -> Bool {
  switch character {
  case 0x21...0x26, 0x28...0x2B, 0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
  default: false
  }
}

private func isDigit(_ character: UInt32) -> Bool { 0x30...0x39 ~= character }

private func isPointOrComma(_ character: UInt32) -> Bool { character == 0x2E || character == 0x2C }

// MARK: - intl

/// The steps of mteval-v14.pl: a symbol is always a token, punctuation unless it is between digits.
private func separatedByUnicodeClass(_ text: [UInt32]) -> [UInt32] {
  var line = splittingPairs(
    text, where: { characterClass($0) != .number && characterClass($1) == .punctuation },
    spaces: (false, true))
  line = splittingPairs(
    line, where: { characterClass($0) == .punctuation && characterClass($1) != .number },
    spaces: (true, false))
  return surrounding(line) { characterClass($0) == .symbol }
}

private enum CharacterClass { case number, punctuation, symbol, other }

/// The general categories N, P, S, and all others.
private func characterClass(_ character: UInt32) -> CharacterClass {
  guard let scalar = Unicode.Scalar(character) else { return .other }
  switch scalar.properties.generalCategory {
  case .decimalNumber, .letterNumber, .otherNumber: return .number
  case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
    .finalPunctuation, .otherPunctuation:
    return .punctuation
  case .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol: return .symbol
  default: return .other
  }
}

// MARK: - Steps

/// Puts spaces around each character for which the condition is true.
private func surrounding(_ text: [UInt32], where condition: (UInt32) -> Bool) -> [UInt32] {
  var result: [UInt32] = []
  result.reserveCapacity(text.count * 2)
  for character in text {
    if condition(character) {
      result.append(space)
      result.append(character)
      result.append(space)
    } else {
      result.append(character)
    }
  }
  return result
}

/// Puts a space between the characters of each pair for which the condition is true, and before and after the pair if
/// requested.
private func splittingPairs(
  _ text: [UInt32], where condition: (UInt32, UInt32) -> Bool, spaces: (before: Bool, after: Bool)
) -> [UInt32] {
  var result: [UInt32] = []
  result.reserveCapacity(text.count * 2)
  var index = 0
  while index < text.count {
    guard index + 1 < text.count, condition(text[index], text[index + 1]) else {
      result.append(text[index])
      index += 1
      continue
    }
    if spaces.before { result.append(space) }
    result.append(text[index])
    result.append(space)
    result.append(text[index + 1])
    if spaces.after { result.append(space) }
    index += 2
  }
  return result
}

/// Replaces each occurrence of a sequence of characters, from left to right.
private func replacing(_ sequence: [UInt32], in text: [UInt32], with replacement: [UInt32]) -> [UInt32] {
  guard text.contains(sequence[0]) else { return text }
  var result: [UInt32] = []
  result.reserveCapacity(text.count)
  var index = 0
  while index < text.count {
    if text[index] == sequence[0], text[index...].starts(with: sequence) {
      result += replacement
      index += sequence.count
    } else {
      result.append(text[index])
      index += 1
    }
  }
  return result
}
