import Datasets

/// Turns token ids into text as the tokens arrive.
///
/// The concatenated pieces are equal to the result of `Vocabulary.decode` for all ids. No piece ends within a UTF-8
/// character, because a terminal would show its bytes as garbage.
package struct StreamingText {
  private let vocabulary: Vocabulary
  /// The last token, which determines the separator before the next word.
  private var previous: [Int32] = []
  /// The first bytes of a character that is not complete yet.
  private var incomplete: [UInt8] = []

  package init(_ vocabulary: Vocabulary) {
    self.vocabulary = vocabulary
  }

  /// Returns the text that one more token completes, which may be empty.
  package mutating func append(_ id: Int32) -> [UInt8] {
    let text = vocabulary.decode(previous + [id]).dropFirst(vocabulary.decode(previous).count)
    previous = [id]
    incomplete += text
    let complete = incomplete.dropLast(Self.openCharacter(at: incomplete))
    incomplete.removeFirst(complete.count)
    return Array(complete)
  }

  /// Returns the bytes of an incomplete character at the end of the text, and starts a new text.
  package mutating func finish() -> [UInt8] {
    defer { (previous, incomplete) = ([], []) }
    return incomplete
  }

  /// The number of bytes at the end that are the start of an incomplete character: 0 to 3.
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
