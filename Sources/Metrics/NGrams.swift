/// A prefix tree of sequences of symbols, which gives equal sequences the same node: words, n-grams of words
/// and n-grams of characters all become small integers, without a hash that might collide.
///
/// One table from (node, symbol) to child, with linear probing. Roots 0 ..< roots are there from the start.
struct PrefixTree {
  private struct Edge {
    var key: UInt64 = 0
    /// 0: no edge, because a root is never a child.
    var child: UInt32 = 0
  }

  private var edges: [Edge]
  /// All nodes are below this number.
  private(set) var nodeCount: Int
  private let roots: Int
  /// 64 - log2 of the size of the table.
  private var shift: Int

  /// A tree that holds `capacity` nodes without growing.
  init(roots: Int, capacity: Int) {
    self.roots = roots
    nodeCount = roots
    // At most half full.
    let size = max(16, capacity * 2)
    let bits = Int.bitWidth - (size - 1).leadingZeroBitCount
    shift = 64 - bits
    edges = [Edge](repeating: Edge(), count: 1 << bits)
  }

  /// The child of a node by a symbol, or nil.
  func existingChild(of node: UInt32, _ symbol: UInt32) -> UInt32? {
    let child = edges[slot(of: Self.key(node, symbol))].child
    return child == 0 ? nil : child
  }

  /// The child of a node by a symbol. A new child gets the next number.
  mutating func child(of node: UInt32, _ symbol: UInt32) -> UInt32 {
    let key = Self.key(node, symbol)
    let slot = slot(of: key)
    if edges[slot].child != 0 { return edges[slot].child }
    let child = UInt32(nodeCount)
    edges[slot] = Edge(key: key, child: child)
    nodeCount += 1
    if (nodeCount - roots) * 2 > edges.count { grow() }
    return child
  }

  private static func key(_ node: UInt32, _ symbol: UInt32) -> UInt64 { UInt64(node) << 32 | UInt64(symbol) }

  /// Where the edge of this key is, or where it would go.
  private func slot(of key: UInt64) -> Int {
    // Fibonacci hashing (Knuth, volume 3, 6.4); the upper half is folded in, because keys differ in both
    // halves.
    let mixed = (key ^ (key >> 29)) &* 0x9E37_79B9_7F4A_7C15
    var slot = Int(truncatingIfNeeded: mixed >> UInt64(shift))
    while edges[slot].child != 0, edges[slot].key != key { slot = (slot + 1) & (edges.count - 1) }
    return slot
  }

  private mutating func grow() {
    let old = edges
    shift -= 1
    edges = [Edge](repeating: Edge(), count: old.count * 2)
    for edge in old where edge.child != 0 { edges[slot(of: edge.key)] = edge }
  }
}

/// How often each node of a tree occurs; a node that was not counted occurs 0 times.
struct NodeCounts {
  private var counts: [UInt32] = []

  init(capacity: Int) { counts.reserveCapacity(capacity) }

  subscript(node: UInt32) -> UInt32 {
    get { node < counts.count ? counts[Int(node)] : 0 }
    set {
      if node >= counts.count {
        counts.append(contentsOf: repeatElement(0, count: Int(node) + 1 - counts.count))
      }
      counts[Int(node)] = newValue
    }
  }

  /// Raises every count to that of `other` where that one is larger.
  mutating func formMaximum(_ other: NodeCounts) {
    for (index, count) in other.counts.enumerated() where count > self[UInt32(index)] {
      self[UInt32(index)] = count
    }
  }
}

/// How many references the examples of a corpus have, for the `nrefs` of a signature.
///
/// Whether all have the same number follows from sums: by Cauchy and Schwarz, n Σ r² = (Σ r)² if and only if
/// all r are equal.
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
