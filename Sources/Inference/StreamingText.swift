import Datasets

/// Turns token ids into text as they come.
///
/// The pieces joined are what `Vocabulary.decode` gives for all ids. No piece ends within a character of UTF-8 text, because
/// a terminal would show its bytes as garbage.
package struct StreamingText {
  private let vocabulary: Vocabulary
  /// The last token: the separator between two words depends on it.
  private var previous: [Int32] = []
  /// The first bytes of a character that is not complete yet.
  private var incomplete: [UInt8] = []

  package init(_ vocabulary: Vocabulary) {
    self.vocabulary = vocabulary
  }

  /// The text that is complete with one more token; it may be empty.
  package mutating func append(_ id: Int32) -> [UInt8] {
    let text = vocabulary.decode(previous + [id]).dropFirst(vocabulary.decode(previous).count)
    previous = [id]
    incomplete += text
    let complete = incomplete.dropLast(Self.openCharacter(at: incomplete))
    incomplete.removeFirst(complete.count)
    return Array(complete)
  }

  /// The bytes of an incomplete character at the end of the text. The next token begins a new text.
  package mutating func finish() -> [UInt8] {
    defer { (previous, incomplete) = ([], []) }
    return incomplete
  }

  /// How many bytes at the end begin a character that isn't complete: 0 to 3.
  private static func openCharacter(at bytes: [UInt8]) -> Int {
    for (index, byte) in bytes.reversed().prefix(3).enumerated() where byte & 0xC0 != 0x80 {
      let needed =
        switch byte {
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: 1
        }
      return needed > index + 1 ? index + 1 : 0
    }
    return 0
  }
}
