import UnicodeText

/// Cuts lines of valid text into the units that get ids, without a string for each.
struct LineTokenizer: Sendable, Equatable {
  let tokenization: SequenceTokenization
  let lowercase: Bool

  /// Calls `body` with each unit as it stands in the line: words, or symbols between spaces.
  func forEachWord<Failure>(
    in line: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Void
  ) throws(Failure) {
    var start = 0
    var position = 0
    while position < line.count {
      let width = tokenization == .space ? spaceWidth(line, position) : whiteSpaceWidth(line, position)
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

  /// Calls `body` with each scalar of the line, in lower case if asked for.
  func forEachScalar(in line: UnsafeBufferPointer<UInt8>, _ body: (Unicode.Scalar) -> Void) {
    var decoder = UTF8Decoder()
    func decode(_ line: some Collection<UInt8>) {
      for byte in line {
        if case .scalar(let scalar) = decoder.next(byte) { body(scalar) }
      }
    }
    if lowercase { decode(lowercased(utf8: line)) } else { decode(line) }
  }

  /// Overwrites `word` with a unit in the case of the vocabulary.
  func fold(_ unit: UnsafeBufferPointer<UInt8>, into word: inout [UInt8]) {
    word.removeAll(keepingCapacity: true)
    if lowercase { word.append(contentsOf: lowercased(utf8: unit)) } else { word.append(contentsOf: unit) }
  }

  /// A byte in the case of the vocabulary.
  func fold(_ byte: UInt8) -> UInt8 { lowercase ? lowercasedASCII(byte) : byte }

  private func spaceWidth(_ line: UnsafeBufferPointer<UInt8>, _ position: Int) -> Int {
    line[position] == 0x20 || line[position] == 0x09 ? 1 : 0
  }

  /// Bytes of the white space that begins here, 0 for none.
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

/// Calls `body` with the cells of a line between tabs, of which there is always one more than tabs.
func forEachCell<Failure>(
  in line: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Void
) throws(Failure) {
  var start = 0
  for position in 0...line.count where position == line.count || line[position] == 0x09 {
    try body(UnsafeBufferPointer(rebasing: line[start..<position]))
    start = position + 1
  }
}
