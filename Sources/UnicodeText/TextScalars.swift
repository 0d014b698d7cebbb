/// Texts as Unicode scalars, with the rules that Python applies to them, because our metrics and
/// vocabularies are compared with those of Python programs.
///
/// Swift's own `String` and `Character` are not used on data: they treat canonically equivalent texts as
/// equal, and combine a space and the following combining mark into one character.

/// The scalar values of UTF-8. Bytes that are not UTF-8 become U+FFFD.
public func scalars(ofUTF8 bytes: some Collection<UInt8>) -> [UInt32] {
  var result: [UInt32] = []
  result.reserveCapacity(bytes.count)
  for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars { result.append(scalar.value) }
  return result
}

/// The scalar values of a text.
public func scalars(of text: String) -> [UInt32] { scalars(ofUTF8: text.utf8) }

/// Whether Python's `str.split`, `str.strip` and `\s` treat a scalar as white space: Unicode's White_Space
/// and the four separators U+001C to U+001F.
public func isPythonWhiteSpace(_ scalar: UInt32) -> Bool {
  switch scalar {
  case 0x09...0x0D, 0x1C...0x20: true
  case ..<0x80: false
  case 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
  default: false
  }
}

// MARK: - Lower case

/// The text in lower case, with the same scalars that Python's `str.lower` returns: Unicode's full mapping, in which a
/// capital sigma at the end of a word becomes ς.
public func lowercased(_ text: [UInt32]) -> [UInt32] {
  var result: [UInt32] = []
  result.reserveCapacity(text.count)
  for (index, scalar) in text.enumerated() {
    switch scalar {
    case 0x41...0x5A: result.append(scalar + 0x20)
    case ..<0x80: result.append(scalar)
    case capitalSigma: result.append(isFinalSigma(text, at: index) ? 0x3C2 : 0x3C3)
    default:
      guard let value = Unicode.Scalar(scalar) else {
        result.append(scalar)
        continue
      }
      for lower in value.properties.lowercaseMapping.unicodeScalars { result.append(lower.value) }
    }
  }
  return result
}

/// Lower-cases UTF-8 text in the same way. Bytes that are not UTF-8 become U+FFFD.
///
/// White space ends the context of a sigma, so a line may be split into words before or after.
public func lowercased(utf8 text: some Collection<UInt8>) -> [UInt8] {
  if text.allSatisfy({ $0 < 0x80 }) { return text.map(lowercasedASCII) }
  var result: [UInt8] = []
  result.reserveCapacity(text.count)
  for scalar in lowercased(scalars(ofUTF8: text)) {
    guard let scalar = Unicode.Scalar(scalar) else { continue }
    result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
  }
  return result
}

/// The byte with A to Z in lower case; other bytes are parts of characters and stay as they are.
public func lowercasedASCII(_ byte: UInt8) -> UInt8 {
  UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte ? byte | 0x20 : byte
}

private let capitalSigma: UInt32 = 0x3A3

/// Unicode's condition Final_Sigma: a cased scalar before it and none after it, where scalars that are
/// case-ignorable are skipped.
private func isFinalSigma(_ text: [UInt32], at index: Int) -> Bool {
  func isIgnorable(_ scalar: UInt32) -> Bool {
    Unicode.Scalar(scalar)?.properties.isCaseIgnorable ?? false
  }
  func isCased(_ scalar: UInt32) -> Bool { Unicode.Scalar(scalar)?.properties.isCased ?? false }
  let before = text[..<index].last { !isIgnorable($0) }
  let after = text[(index + 1)...].first { !isIgnorable($0) }
  return before.map(isCased) == true && after.map(isCased) != true
}
