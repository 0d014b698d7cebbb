/// A token as a line of text that holds no white space.
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

/// The token of a line, or nil when a backslash begins no JSON escape.
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
  // A lone surrogate is no character.
  return String(validating: units, as: UTF16.self)
}
