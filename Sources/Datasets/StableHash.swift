/// A 64-bit hash that is the same in every process, on every machine and in every version of the program.
///
/// The offset and prime of FNV-1a (Fowler, Noll, Vo) applied to 64-bit words, with the upper half folded into
/// the lower one after each. It finds accidents, not attacks.
struct StableHash {
  private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  /// Adds a word; the step is reversible, so two inputs that differ in one word never collide.
  mutating func combine(_ word: UInt64) {
    value = (value ^ word) &* 0x100_0000_01B3
    value ^= value >> 32
  }

  /// Adds a text, its length included.
  mutating func combine(_ text: String) {
    combine(UInt64(text.utf8.count))
    for byte in text.utf8 { combine(UInt64(byte)) }
  }
}
