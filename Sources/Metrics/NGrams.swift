/// A prefix tree of symbol sequences in which equal sequences have the same node. Words, n-grams of words and n-grams
/// of characters thus become small integers, without a hash that might collide.
///
/// One table from (node, symbol) to child, with linear probing. The nodes 0 ..< roots are the roots and exist from the
/// start.
struct PrefixTree {
  private struct Edge {
    var key: UInt64 = 0
    /// The number of the child. 0 means that there is no edge, because a root is never a child.
    var child: UInt32 = 0
  }

  private var edges: [Edge]
  /// The number of nodes; all nodes are numbered below it.
  private(set) var nodeCount: Int
  private let roots: Int
  /// 64 - log2 of the size of the table.
  private var shift: Int

  /// Creates a tree that holds `capacity` nodes without growing.
  init(roots: Int, capacity: Int) {
    self.roots = roots
    nodeCount = roots
    // The table is at most half full.
    let size = max(16, capacity * 2)
    let bits = Int.bitWidth - (size - 1).leadingZeroBitCount
    shift = 64 - bits
    edges = [Edge](repeating: Edge(), count: 1 << bits)
  }

  /// Returns the child of a node by a symbol, or nil.
  func existingChild(of node: UInt32, _ symbol: UInt32) -> UInt32? {
    let child = edges[slot(of: Self.key(node, symbol))].child
    return child == 0 ? nil : child
  }

  /// Returns the child of a node by a symbol. A new child receives the next number.
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

  /// The slot of the edge with this key, or the free slot for it.
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

/// The number of occurrences of each node of a tree; 0 for a node that was not counted.
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

  /// Raises every count to that of `other` if that is larger.
  mutating func formMaximum(_ other: NodeCounts) {
    for (index, count) in other.counts.enumerated() where count > self[UInt32(index)] {
      self[UInt32(index)] = count
    }
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
