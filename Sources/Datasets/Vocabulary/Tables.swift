/// A 64-bit hash that is the same in every process, on every machine and in every version of the program.
///
/// The offset and prime of FNV-1a (Fowler, Noll, Vo) applied to 64-bit words, with the upper half folded into
/// the lower one after each. It detects accidental changes, not attacks.
struct StableHash {
  private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  /// Adds a word; the step is reversible, so two inputs that differ in one word never collide.
  mutating func combine(_ word: UInt64) {
    value = (value ^ word) &* 0x100_0000_01B3
    value ^= value >> 32
  }

  /// The hash of some texts.
  static func combined(_ texts: [String]) -> UInt64 {
    var hash = StableHash()
    for text in texts { hash.combine(text) }
    return hash.value
  }

  /// Adds a text, its length included.
  mutating func combine(_ text: String) {
    combine(UInt64(text.utf8.count))
    for byte in text.utf8 { combine(UInt64(byte)) }
  }
}

/// A hash table of byte strings, numbered in the order of their first appearance.
///
/// All bytes are in one array, so looking up millions of words does not create strings.
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
  func find(_ word: some Collection<UInt8>) -> Int32 { slots[slot(of: word, Self.hash(word))] }

  /// The number of a word, or nil.
  func number(of word: String) -> Int32? {
    let number = find(word.utf8)
    return number < 0 ? nil : number
  }

  /// The number of a word; a new word gets the next number.
  mutating func intern(_ word: some Collection<UInt8>) -> Int32 {
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

  private func slot(of word: some Collection<UInt8>, _ hash: UInt64) -> Int {
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

  private static func hash(_ word: some Collection<UInt8>) -> UInt64 {
    var hash = StableHash()
    for byte in word { hash.combine(UInt64(byte)) }
    return hash.value
  }
}

/// Numbers of Unicode scalars. It is an array in pages, because every character is looked up and most pages are never used.
struct ScalarTable: Sendable, Equatable {
  private static let pageSize = 256
  /// The page of each 256 scalars; page 0 holds no numbers.
  private var pages = [UInt16](repeating: 0, count: 0x11_0000 / Self.pageSize)
  private var numbers = [Int32](repeating: -1, count: Self.pageSize)

  /// The number of a scalar, or -1.
  @inline(__always)
  subscript(scalar: Unicode.Scalar) -> Int32 {
    let value = Int(scalar.value)
    return numbers[Int(pages[value >> 8]) << 8 | value & 0xFF]
  }

  mutating func set(_ scalar: Unicode.Scalar, to number: Int32) {
    let value = Int(scalar.value)
    if pages[value >> 8] == 0 {
      pages[value >> 8] = UInt16(numbers.count / Self.pageSize)
      numbers.append(contentsOf: repeatElement(-1, count: Self.pageSize))
    }
    numbers[Int(pages[value >> 8]) << 8 | value & 0xFF] = number
  }
}
