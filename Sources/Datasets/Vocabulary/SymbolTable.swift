/// Numbers the distinct bytes, scalars or words of a text in the order in which they are met.
///
/// Frozen, it only looks up, and what it hasn't met is `missing`. Symbols of words start with the two special
/// tokens, whether the text holds them or not.
struct SymbolTable {
  /// The symbol of what a frozen table doesn't know.
  static let missing: Int32 = -1
  static let endOfSentence: Int32 = 0
  static let unknownWord: Int32 = 1

  let tokenization: Tokenization
  var isFrozen = false
  private(set) var scalars: [Unicode.Scalar] = []
  /// By scalar value; flat, because a look-up happens for every character.
  private var symbolOfScalar: [Int32] = []
  private(set) var words = WordTable()

  init(_ tokenization: Tokenization) {
    precondition(tokenization != .bpe, "subwords are no symbols that a table could number")
    self.tokenization = tokenization
    switch tokenization {
    case .byte, .bpe: break
    case .char: symbolOfScalar = [Int32](repeating: Self.missing, count: 0x11_0000)
    case .word:
      for word in [SpecialToken.endOfSentence, SpecialToken.unknown] { _ = symbol(ofWord: Array(word.utf8)) }
    }
  }

  /// Number of symbols.
  var count: Int {
    switch tokenization {
    case .byte, .bpe: 256
    case .char: scalars.count
    case .word: words.count
    }
  }

  mutating func symbol(of scalar: Unicode.Scalar) -> Int32 {
    let known = symbolOfScalar[Int(scalar.value)]
    guard known == Self.missing, !isFrozen else { return known }
    let symbol = Int32(scalars.count)
    symbolOfScalar[Int(scalar.value)] = symbol
    scalars.append(scalar)
    return symbol
  }

  mutating func symbol(ofWord word: [UInt8]) -> Int32 {
    isFrozen ? words.find(word) : words.intern(word)
  }

  /// The text of a symbol; the value of a byte is the scalar of the same number.
  func text(of symbol: Int) -> String {
    switch tokenization {
    case .byte, .bpe: String(Unicode.Scalar(UInt8(symbol)))
    case .char: String(scalars[symbol])
    case .word: String(decoding: words[symbol], as: UTF8.self)
    }
  }
}

/// A hash table of byte strings, numbered in the order of their first appearance.
///
/// All bytes lie in one array, so that a look-up in a text of millions of words makes no string.
struct WordTable: Sendable, Equatable {
  private var bytes: [UInt8] = []
  private var ends: [Int] = []
  private var hashes: [UInt64] = []
  /// Open addressing: the number of a word, or -1; a power of two, at most half full.
  private var slots = [Int32](repeating: -1, count: 1024)

  var count: Int { ends.count }

  static func == (first: WordTable, second: WordTable) -> Bool {
    first.ends == second.ends && first.bytes == second.bytes
  }

  /// The bytes of a word.
  subscript(number: Int) -> ArraySlice<UInt8> {
    bytes[(number == 0 ? 0 : ends[number - 1])..<ends[number]]
  }

  /// The number of a word, or -1.
  func find(_ word: [UInt8]) -> Int32 { slots[slot(of: word, Self.hash(word))] }

  /// The number of a word, or nil.
  func number(of word: String) -> Int32? {
    let number = find(Array(word.utf8))
    return number < 0 ? nil : number
  }

  /// The number of a word, a new one if need be.
  mutating func intern(_ word: [UInt8]) -> Int32 {
    let hash = Self.hash(word)
    let place = slot(of: word, hash)
    guard slots[place] < 0 else { return slots[place] }
    let number = Int32(count)
    slots[place] = number
    bytes.append(contentsOf: word)
    ends.append(bytes.count)
    hashes.append(hash)
    if count * 2 > slots.count { grow() }
    return number
  }

  private func slot(of word: [UInt8], _ hash: UInt64) -> Int {
    let mask = slots.count - 1
    var place = Int(truncatingIfNeeded: hash) & mask
    while slots[place] >= 0 {
      let number = Int(slots[place])
      if hashes[number] == hash, self[number].elementsEqual(word) { break }
      place = (place + 1) & mask
    }
    return place
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: slots.count * 2)
    let mask = slots.count - 1
    for number in 0..<count {
      var place = Int(truncatingIfNeeded: hashes[number]) & mask
      while slots[place] >= 0 { place = (place + 1) & mask }
      slots[place] = Int32(number)
    }
  }

  private static func hash(_ word: [UInt8]) -> UInt64 {
    var hash = StableHash()
    for byte in word { hash.combine(UInt64(byte)) }
    return hash.value
  }
}
