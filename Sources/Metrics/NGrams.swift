/// The n-grams of a sequence of symbols for n = 1 ... `order`, in an order in which equal n-grams are next to each other.
///
/// The symbols from one position on are packed into one integer, the first in the highest bits. The highest bits of this
/// integer are thus the n-gram at the position, and the integers need to be sorted only once for all n.
struct NGrams {
  /// For each position, the next `order` symbols plus 1, in ascending order. Behind the last symbol there are zeros.
  private let keys: [UInt128]
  private let order: Int

  /// The number of symbols.
  var count: Int { keys.count }

  /// - Parameters:
  ///   - symbols: numbers below 2^(128 / order) - 1, such as Unicode scalars for an order of 6.
  ///   - order: the longest n-gram, at least 2.
  init(_ symbols: [UInt32], order: Int) {
    let width = UInt128.bitWidth / order
    var next: UInt128 = 0
    var keys: [UInt128] = []
    keys.reserveCapacity(symbols.count)
    for symbol in symbols.reversed() {
      next = next >> width | (UInt128(symbol) + 1) << (width * (order - 1))
      keys.append(next)
    }
    self.keys = keys.sorted()
    self.order = order
  }

  /// Returns for each n how many of these n-grams occur in the references. An n-gram counts at most as often as in the
  /// reference with the most occurrences.
  ///
  /// Time: O(s) for each n, for s symbols in this sequence and the references.
  func matches(in references: [NGrams]) -> [Int] {
    let width = UInt128.bitWidth / order
    return (1...order).map { n in
      let shift = width * (order - n)
      var positions = [Int](repeating: 0, count: references.count)
      var (matches, start) = (0, 0)
      while start < keys.count {
        let ngram = keys[start] >> shift
        let end = Self.end(of: ngram, in: keys, from: start, shift)
        // The n-grams at the end of the sequence are incomplete: their last symbol is 0.
        if ngram & (1 << width - 1) != 0 {
          var most = 0
          for (index, reference) in references.enumerated() {
            let others = reference.keys
            var first = positions[index]
            while first < others.count, others[first] >> shift < ngram { first += 1 }
            positions[index] = Self.end(of: ngram, in: others, from: first, shift)
            most = max(most, positions[index] - first)
          }
          matches += min(end - start, most)
        }
        start = end
      }
      return matches
    }
  }

  /// Returns the first position behind the keys that begin with an n-gram.
  private static func end(of ngram: UInt128, in keys: [UInt128], from start: Int, _ shift: Int) -> Int {
    var end = start
    while end < keys.count, keys[end] >> shift == ngram { end += 1 }
    return end
  }
}

/// Numbers for words, so that n-grams of words are n-grams of numbers. Equal words have equal numbers.
struct WordNumbers {
  private var numbers: [ArraySlice<UInt32>: UInt32] = [:]

  mutating func number(_ word: ArraySlice<UInt32>) -> UInt32 {
    if let number = numbers[word] { return number }
    let number = UInt32(numbers.count)
    numbers[word] = number
    return number
  }
}

/// The numbers of references of the examples of a corpus, for the `nrefs` of a signature.
///
/// Sums show whether all numbers are equal: by the Cauchy-Schwarz inequality, n Σ r² = (Σ r)² if and only if all r are
/// equal.
struct ReferenceCounts: Equatable, Sendable {
  private var examples = 0
  private var references = 0
  private var squares = 0

  init() {}

  mutating func add(_ count: Int) {
    examples += 1
    references += count
    squares += count * count
  }

  /// The number of references of every example, or `var`.
  var signature: String {
    guard examples > 0 else { return "0" }
    let (mean, rest) = references.quotientAndRemainder(dividingBy: examples)
    return rest == 0 && squares == mean * references ? "\(mean)" : "var"
  }

  var integers: [Int] { [examples, references, squares] }

  init(integers: [Int]) { (examples, references, squares) = (integers[0], integers[1], integers[2]) }
}
