/// Random numbers that are a function of their key and their number, so that every rank draws the same ones.
struct CounterRandom {
  /// What the numbers are for: streams of one seed that must not repeat each other.
  enum Purpose: UInt64 {
    case examples = 1, batches, generatedTask
  }

  private let key: UInt64

  init(seed: UInt64, _ purpose: Purpose, epoch: Int = 0) {
    key = mixed(mixed(mixed(seed) ^ purpose.rawValue) &+ UInt64(bitPattern: Int64(epoch)))
  }

  /// The 64 bits of a number.
  subscript(counter: Int) -> UInt64 { mixed(key &+ UInt64(bitPattern: Int64(counter))) }

  /// A whole number in `0 ..< bound`. Its bias, below bound / 2^64, can't be seen.
  func below(_ bound: Int, _ counter: Int) -> Int {
    Int(self[counter].multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// Brings a list into random order (Fisher and Yates; Durstenfeld 1964).
  func shuffle<Element>(_ list: inout [Element]) {
    for last in stride(from: list.count - 1, to: 0, by: -1) {
      list.swapAt(last, below(last + 1, last))
    }
  }
}
