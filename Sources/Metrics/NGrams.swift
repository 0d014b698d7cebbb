/// A prefix tree of symbol sequences in which equal sequences have the same node. Words, n-grams of words and n-grams
/// of characters thus become small integers, which are counted in dictionaries.
struct PrefixTree {
  /// The child of a node (upper half of the key) by a symbol.
  private var children: [UInt64: UInt32] = [:]
  private var nodeCount: UInt32

  /// - Parameter roots: the number of roots, which are the first nodes.
  init(roots: UInt32) { nodeCount = roots }

  /// Returns the child of a node by a symbol, or nil.
  func existingChild(of node: UInt32, _ symbol: UInt32) -> UInt32? { children[Self.key(node, symbol)] }

  /// Returns the child of a node by a symbol. A new child receives the next number.
  mutating func child(of node: UInt32, _ symbol: UInt32) -> UInt32 {
    let key = Self.key(node, symbol)
    if let child = children[key] { return child }
    defer { nodeCount += 1 }
    children[key] = nodeCount
    return nodeCount
  }

  private static func key(_ node: UInt32, _ symbol: UInt32) -> UInt64 { UInt64(node) << 32 | UInt64(symbol) }
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
