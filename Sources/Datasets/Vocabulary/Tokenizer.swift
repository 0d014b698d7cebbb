import UnicodeText

/// Cuts lines of valid text into the units that get ids, without creating a string for each.
struct Tokenizer: Sendable, Equatable {
  let unit: TokenUnit
  let lowercase: Bool

  /// A line in the case of the vocabulary.
  func folded(_ line: [UInt8]) -> [UInt8] {
    guard lowercase else { return line }
    return unit == .byte ? line.map(lowercasedASCII) : lowercased(utf8: line)
  }

  /// Calls `body` with each word, or each symbol between spaces or tabs, of a line.
  func forEachWord<Failure>(
    in line: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Void
  ) throws(Failure) {
    var start = 0
    var position = 0
    while position < line.count {
      let width = unit == .space ? spaceWidth(line, position) : whiteSpaceWidth(line, position)
      guard width > 0 else {
        position += 1
        continue
      }
      if position > start { try body(UnsafeBufferPointer(rebasing: line[start..<position])) }
      position += width
      start = position
    }
    if position > start { try body(UnsafeBufferPointer(rebasing: line[start..<position])) }
  }

  /// Calls `body` with each scalar of a line, which must be valid UTF-8.
  func forEachScalar(in line: UnsafeBufferPointer<UInt8>, _ body: (Unicode.Scalar) -> Void) {
    var position = 0
    while position < line.count {
      let first = UInt32(line[position])
      let width = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
      let lead = width == 1 ? first : first & (0x7F >> UInt32(width))
      let value = line[position + 1..<position + width].reduce(lead) { $0 << 6 | UInt32($1 & 0x3F) }
      if let scalar = Unicode.Scalar(value) { body(scalar) }
      position += width
    }
  }

  private func spaceWidth(_ line: UnsafeBufferPointer<UInt8>, _ position: Int) -> Int {
    line[position] == 0x20 || line[position] == 0x09 ? 1 : 0
  }

  /// The number of bytes of the white space that begins here; 0 for none.
  private func whiteSpaceWidth(_ line: UnsafeBufferPointer<UInt8>, _ position: Int) -> Int {
    func isSpace(width: Int) -> Bool {
      guard position + width <= line.count else { return false }
      // The bits of a scalar of two or three bytes of UTF-8.
      let lead = UInt32(line[position]) & (width == 2 ? 0x1F : 0x0F)
      return isWhiteSpace(
        line[position + 1..<position + width].reduce(lead) { $0 << 6 | UInt32($1 & 0x3F) })
    }
    switch line[position] {
    case 0x20, 0x09...0x0D: return 1
    case ..<0xC2: return 0
    case 0xC2: return isSpace(width: 2) ? 2 : 0
    case 0xE1, 0xE2, 0xE3: return isSpace(width: 3) ? 3 : 0
    default: return 0
    }
  }
}

/// Calls `body` with the cells of a line between tabs. There is always one more cell than tabs.
func forEachCell<Failure>(
  in line: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Void
) throws(Failure) {
  var start = 0
  for position in 0...line.count where position == line.count || line[position] == 0x09 {
    try body(UnsafeBufferPointer(rebasing: line[start..<position]))
    start = position + 1
  }
}

/// Calls `body` with the words of a line that is input for a model of columns.
///
/// - Parameter allowsSpaces: words may have spaces in them if there are tabs between words.
func forEachInputWord<Failure>(
  in line: UnsafeBufferPointer<UInt8>, allowsSpaces: Bool,
  _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Void
) throws(Failure) {
  let cutsAtTabs = allowsSpaces && line.contains(0x09)
  var start = 0
  for position in 0...line.count {
    let isEnd = position == line.count || (cutsAtTabs ? line[position] == 0x09 : isASCIISpace(line[position]))
    guard isEnd else { continue }
    if position > start { try body(UnsafeBufferPointer(rebasing: line[start..<position])) }
    start = position + 1
  }
}
