/// A token as a visible label, and its approximate width.
///
/// Spaces, control characters and formatting characters are replaced by visible signs, so that a label is never invisible
/// and never changes the direction of the text next to it.
struct VisibleText: Equatable {
  /// The text to draw.
  let text: String
  /// The estimated width of the text in units of the font size; the actual font is unknown.
  let width: Double

  /// - Parameters:
  ///   - token: any text.
  ///   - most: the maximum width; a wider label is shortened and ends with `…`.
  ///   - keepsSpaces: white space becomes a plain space, as in a title.
  init(_ token: String, most: Double = .infinity, keepsSpaces: Bool = false) {
    var (text, width) = ("", 0.0)
    // The longest prefix that leaves space for an ellipsis, and its width.
    var (cut, cutWidth) = ("", 0.0)
    var isTooWide = false
    // Adds whole grapheme clusters, so that no character loses its combining marks.
    for character in token {
      let sign = Self.visible(character, isFirst: text.isEmpty, keepsSpaces: keepsSpaces)
      let signWidth = sign.unicodeScalars.reduce(0) { $0 + Self.width(of: $1) }
      if width + signWidth > most {
        isTooWide = true
        break
      }
      text += sign
      width += signWidth
      if width + 1 <= most { (cut, cutWidth) = (text, width) }
    }
    if isTooWide { (text, width) = (cut + "…", cutWidth + 1) }
    if text.isEmpty && !keepsSpaces { (text, width) = ("∅", 0.8) }
    self.text = text
    self.width = width
  }

  // MARK: - Signs

  private static func visible(_ character: Character, isFirst: Bool, keepsSpaces: Bool) -> String {
    var result = ""
    // Carriage return and line feed are one Character, and so is an emoji of several scalars.
    let scalars = character.unicodeScalars
    let hasBase = scalars.contains { isBase($0) }
    for scalar in scalars {
      if keepsSpaces && scalar.properties.isWhitespace {
        result += " "
      } else if let sign = signs[scalar] {
        result += sign
      } else if isMark(scalar) {
        // A mark without a base character would be drawn over the preceding one.
        if isFirst && !hasBase && result.isEmpty { result += "◌" }
        result.unicodeScalars.append(scalar)
      } else if isJoiner(scalar) && hasBase {
        result.unicodeScalars.append(scalar)
      } else if isBase(scalar) {
        result.unicodeScalars.append(scalar)
      } else {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        result += "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
      }
    }
    return result
  }

  /// More familiar than Unicode's symbols for control characters, which are too small to read.
  private static let signs: [Unicode.Scalar: String] = [" ": "␣", "\n": "\\n", "\t": "\\t", "\r": "\\r"]

  private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .spacingMark: true
    default: false
    }
  }

  /// Whether the scalar is a joiner or a tag of a flag.
  private static func isJoiner(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x200C, 0x200D, 0xE0020...0xE007F: true
    default: false
    }
  }

  /// Whether the scalar is visible on its own.
  private static func isBase(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.properties.isDefaultIgnorableCodePoint { return false }
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .spaceSeparator, .lineSeparator,
      .paragraphSeparator, .nonspacingMark, .enclosingMark, .spacingMark:
      return false
    default: return true
    }
  }

  // MARK: - Width

  /// Returns the width in units of the font size. For common sans-serif fonts, the estimate is rather too wide than too
  /// narrow.
  private static func width(of scalar: Unicode.Scalar) -> Double {
    switch scalar {
    case "i", "j", "l", "I", "f", "t", "r", ".", ",", ":", ";", "'", "|", "!", "(", ")", "[", "]", " ":
      return 0.42
    case "m", "w", "M", "W", "%", "@": return 0.95
    case "A"..."Z", "+", "<", ">", "=", "~", "#": return 0.75
    case "\u{21}"..."\u{7E}": return 0.64
    default: break
    }
    if isJoiner(scalar) { return 0 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return 0
    default: break
    }
    switch scalar.value {
    // East Asian wide characters and emoji.
    case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE4F, 0xFF00...0xFF60,
      0xFFE0...0xFFE6, 0x1F000...0x1FAFF, 0x20000...0x3FFFD:
      return 1.05
    default: return 0.7
    }
  }
}
