/// Texts as arrays of Unicode scalars, the characters that other programs count, and what Python does to
/// them: the scores are compared with those of Python programs.

/// The scalar values of a text.
func scalars(of text: String) -> [UInt32] {
  var result: [UInt32] = []
  result.reserveCapacity(text.utf8.count)
  for scalar in text.unicodeScalars { result.append(scalar.value) }
  return result
}

/// Whether Python's `str.split` takes a character for white space: Unicode's White_Space and the four
/// separators U+001C to U+001F.
func isWhiteSpace(_ character: UInt32) -> Bool {
  switch character {
  case 0x09...0x0D, 0x1C...0x20: true
  case ..<0x80: false
  case 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
  default: false
  }
}

func isDigit(_ character: UInt32) -> Bool { 0x30...0x39 ~= character }

/// The text without the white space at its end.
func withoutTrailingSpace(_ text: [UInt32]) -> [UInt32] {
  let end = text.lastIndex { !isWhiteSpace($0) }.map { $0 + 1 } ?? 0
  return end == text.count ? text : Array(text[..<end])
}

/// The text in lower case by Unicode's full mapping, in which a sigma at the end of a word is ς.
func lowercased(_ text: [UInt32]) -> [UInt32] {
  var result: [UInt32] = []
  result.reserveCapacity(text.count)
  for (index, character) in text.enumerated() {
    switch character {
    case 0x41...0x5A: result.append(character + 0x20)
    case ..<0x80: result.append(character)
    case capitalSigma: result.append(isFinalSigma(text, at: index) ? 0x3C2 : 0x3C3)
    default:
      // Every value came out of a String, so it is a scalar.
      guard let scalar = Unicode.Scalar(character) else { continue }
      result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars.map(\.value))
    }
  }
  return result
}

private let capitalSigma: UInt32 = 0x3A3

/// Unicode's condition Final_Sigma: a letter before it and none after it, case-ignorable characters between
/// them skipped.
private func isFinalSigma(_ text: [UInt32], at index: Int) -> Bool {
  func isIgnorable(_ character: UInt32) -> Bool {
    Unicode.Scalar(character)?.properties.isCaseIgnorable ?? false
  }
  func isCased(_ character: UInt32) -> Bool { Unicode.Scalar(character)?.properties.isCased ?? false }
  let before = text[..<index].last { !isIgnorable($0) }
  let after = text[(index + 1)...].first { !isIgnorable($0) }
  return before.map(isCased) == true && after.map(isCased) != true
}
