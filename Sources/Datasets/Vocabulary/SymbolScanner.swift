/// Cuts a text, given in parts, into the symbols of a table.
struct SymbolScanner {
  /// Longest word, in bytes; more is no text of words, and would only fill the memory.
  static let longestWord = 1 << 20

  /// Named in errors.
  let name: String
  let lowercase: Bool
  var table: SymbolTable

  private var decoder = UTF8Decoder()
  private var word: [UInt8] = []
  /// Bytes taken so far, the first byte of the character being decoded, and line feeds so far.
  private var offset = 0
  private var characterStart = 0
  private var lineFeeds = 0

  init(name: String, lowercase: Bool, table: SymbolTable) {
    self.name = name
    self.lowercase = lowercase
    self.table = table
  }

  /// Scans a whole text; `body` gets its symbols in parts. Throws `DataError` for what isn't text.
  mutating func scan(_ source: TextSource, _ body: ([Int32]) -> Void) throws {
    var symbols: [Int32] = []
    symbols.reserveCapacity(TextSource.chunkSize)
    try source.forEachChunk { bytes in
      symbols.removeAll(keepingCapacity: true)
      try scan(bytes, into: &symbols)
      body(symbols)
    }
    guard decoder.isComplete else {
      throw DataError.invalidUTF8(name: name, line: lineFeeds + 1, offset: characterStart)
    }
    symbols.removeAll(keepingCapacity: true)
    endWord(into: &symbols)
    body(symbols)
  }

  /// Appends the symbols that end in `bytes`.
  private mutating func scan(_ bytes: UnsafeBufferPointer<UInt8>, into symbols: inout [Int32]) throws {
    switch table.tokenization {
    case .byte, .bpe:
      for byte in bytes { symbols.append(Int32(lowercase ? lowercased(byte) : byte)) }
    case .char:
      for byte in bytes {
        guard let scalar = try decode(byte) else { continue }
        forEachCased(scalar) { symbols.append($0.table.symbol(of: $1)) }
      }
    case .word:
      for byte in bytes {
        guard let scalar = try decode(byte) else { continue }
        try scanWord(scalar, into: &symbols)
      }
    }
  }

  /// The character that `byte` completes; nil within characters and for a byte order mark at the beginning.
  @inline(__always)
  private mutating func decode(_ byte: UInt8) throws -> Unicode.Scalar? {
    if decoder.isComplete { characterStart = offset }
    let step = decoder.next(byte)
    offset += 1
    switch step {
    case .incomplete: return nil
    case .invalid: throw DataError.invalidUTF8(name: name, line: lineFeeds + 1, offset: characterStart)
    case .scalar("\0"): throw DataError.binary(name: name, line: lineFeeds + 1, offset: characterStart)
    case .scalar("\u{FEFF}") where characterStart == 0: return nil
    case .scalar(let scalar):
      if scalar == "\n" { lineFeeds += 1 }
      return scalar
    }
  }

  @inline(__always)
  private mutating func scanWord(_ scalar: Unicode.Scalar, into symbols: inout [Int32]) throws {
    guard !isWhiteSpace(scalar.value) else {
      endWord(into: &symbols)
      if scalar == "\n" { symbols.append(SymbolTable.endOfSentence) }
      return
    }
    if scalar.isASCII {
      let byte = UInt8(truncatingIfNeeded: scalar.value)
      word.append(lowercase ? lowercased(byte) : byte)
    } else {
      forEachCased(scalar) { $0.word.append(contentsOf: $1.utf8) }
    }
    guard word.count <= Self.longestWord else {
      throw DataError.wordTooLong(name: name, line: lineFeeds + 1, limit: Self.longestWord)
    }
  }

  private mutating func endWord(into symbols: inout [Int32]) {
    guard !word.isEmpty else { return }
    symbols.append(table.symbol(ofWord: word))
    word.removeAll(keepingCapacity: true)
  }

  /// Calls `body` with the scalar, or with its lower case, which may be several scalars.
  @inline(__always)
  private mutating func forEachCased(
    _ scalar: Unicode.Scalar, _ body: (inout SymbolScanner, Unicode.Scalar) -> Void
  ) {
    guard lowercase else { return body(&self, scalar) }
    if scalar.isASCII {
      return body(&self, Unicode.Scalar(lowercased(UInt8(truncatingIfNeeded: scalar.value))))
    }
    for lower in scalar.properties.lowercaseMapping.unicodeScalars { body(&self, lower) }
  }
}

@inline(__always)
private func lowercased(_ byte: UInt8) -> UInt8 {
  byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
}
