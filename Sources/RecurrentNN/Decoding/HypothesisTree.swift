import NumericKernels

/// The tokens of all hypotheses of a search as back-pointers: a node is a token and the node before it, and
/// texts that begin alike share their beginning.
struct HypothesisTree<Element: Scalar> {
  /// The node before the first token of every text.
  static var root: Int32 { -1 }

  /// Attention weights of one row at one step; the tree owns the memory.
  struct Attention {
    let weights: UnsafeRawPointer
    let count: Int
  }

  private struct Node {
    let parent: Int32
    let token: Int32
    let logProbability: Double
    let attention: Attention?
  }

  private var nodes: [Node] = []
  private var store = AttentionStore<Element>()

  /// Copies the attention weights of a row, for the tokens it will be continued with.
  mutating func keep(_ weights: UnsafeBufferPointer<Element>) -> Attention {
    Attention(weights: UnsafeRawPointer(store.copy(weights)), count: weights.count)
  }

  /// Adds a token after a node and returns its node.
  mutating func append(
    _ token: Int32, after parent: Int32, logProbability: Double, attention: Attention?
  ) -> Int32 {
    nodes.append(Node(parent: parent, token: token, logProbability: logProbability, attention: attention))
    return Int32(nodes.count - 1)
  }

  /// The tokens from the first to that of a node.
  func tokens(to node: Int32) -> [Int32] { path(to: node).map(\.token) }

  func logProbabilities(to node: Int32) -> [Double] { path(to: node).map(\.logProbability) }

  /// The attention of each token from the first to that of a node; nil if none was kept.
  func attention(to node: Int32) -> [[Element]]? {
    let kept = path(to: node).map(\.attention)
    guard !kept.contains(where: { $0 == nil }) else { return nil }
    return kept.compactMap { $0.map { Array(Self.elements($0)) } }
  }

  /// Positions of the source that the token of a node attended to; nil without attention.
  func attentionCount(at node: Int32) -> Int? {
    node == Self.root ? nil : nodes[Int(node)].attention?.count
  }

  /// Adds the attention weights of all tokens to that of a node to `sum`, one element a position.
  func addAttention(to node: Int32, into sum: UnsafeMutablePointer<Element>, count: Int) {
    var node = node
    while node != Self.root {
      if let attention = nodes[Int(node)].attention { Self.add(attention, into: sum, count: count) }
      node = nodes[Int(node)].parent
    }
  }

  /// `sum += attention`.
  static func add(_ attention: Attention, into sum: UnsafeMutablePointer<Element>, count: Int) {
    precondition(
      attention.count == count, "attention over \(attention.count) positions of a source of \(count)")
    guard let base = elements(attention).baseAddress else { return }
    Element.axpy(1, base, sum, count)
  }

  private static func elements(_ attention: Attention) -> UnsafeBufferPointer<Element> {
    UnsafeBufferPointer(
      start: attention.weights.assumingMemoryBound(to: Element.self), count: attention.count)
  }

  private func path(to last: Int32) -> [Node] {
    var path: [Node] = []
    var node = last
    while node != Self.root {
      path.append(nodes[Int(node)])
      node = nodes[Int(node)].parent
    }
    return path.reversed()
  }
}

/// Memory that is only added to, in chunks that never move.
private struct AttentionStore<Element: Scalar> {
  private static var chunkSize: Int { 1 << 16 }
  private var chunks: [AlignedBuffer<Element>] = []
  private var used = 0

  mutating func copy(_ source: UnsafeBufferPointer<Element>) -> UnsafePointer<Element> {
    if chunks.isEmpty || chunks[chunks.count - 1].count - used < source.count {
      chunks.append(AlignedBuffer(count: max(Self.chunkSize, source.count)))
      used = 0
    }
    let target = chunks[chunks.count - 1].base + used
    if let base = source.baseAddress { target.copyElements(from: base, count: source.count) }
    used += source.count
    return UnsafePointer(target)
  }
}
