import NumericKernels

/// A text that a search found, with its probabilities.
public struct Hypothesis<Element: Scalar>: Sendable, Equatable {
  /// Token ids, without start and end marks.
  public var tokens: [Int32]
  /// log P(Y|X): the sum of the log-probabilities, nats.
  public var logProbability: Double
  /// The number by which hypotheses are compared: the log-probability after length and coverage penalty.
  public var score: Double
  /// Log-probability of each token, and of the end mark if the text ended by itself, nats.
  public var tokenLogProbabilities: [Double]
  /// The attention weights over the source positions for each token, and for the end mark if the text ended by itself.
  /// nil if they were not kept.
  public var attention: [[Element]]?
  /// True if the model predicted the end mark; false if the text was cut off at its maximum length, or because no
  /// continuation was possible.
  public var endedByItself: Bool

  public init(
    tokens: [Int32], logProbability: Double, score: Double, tokenLogProbabilities: [Double],
    attention: [[Element]]? = nil, endedByItself: Bool
  ) {
    self.tokens = tokens
    self.logProbability = logProbability
    self.score = score
    self.tokenLogProbabilities = tokenLogProbabilities
    self.attention = attention
    self.endedByItself = endedByItself
  }

  /// The source position with the largest attention weight for each token, or the first of several. It holds the source
  /// word to copy for an unknown word (Luong et al. 2015, "Addressing the rare word problem"; Jean et al. 2015, section
  /// 3.3). A position is nil if the source is empty; the array is nil if no attention was kept.
  public var attendedPositions: [Int?]? {
    attention?.prefix(tokens.count).map { weights in
      weights.indices.max { (weights[$0], $1) < (weights[$1], $0) }
    }
  }
}

/// The tokens of all hypotheses of a search as back-pointers. A node consists of a token and the previous node, and texts
/// with a common prefix share its nodes.
struct HypothesisTree<Element: Scalar> {
  /// The node before the first token of every text.
  static var root: Int32 { -1 }

  private struct Node {
    let parent: Int32
    let token: Int32
    let logProbability: Double
    /// The weights of the row that the token was chosen in.
    let attention: [Element]?
  }

  private var nodes: [Node] = []

  /// Adds a token after a node and returns its node.
  mutating func append(
    _ token: Int32, after parent: Int32, logProbability: Double, attention: [Element]?
  ) -> Int32 {
    nodes.append(Node(parent: parent, token: token, logProbability: logProbability, attention: attention))
    return Int32(nodes.count - 1)
  }

  /// The tokens from the first to that of a node.
  func tokens(to node: Int32) -> [Int32] { path(to: node).map(\.token) }

  func logProbabilities(to node: Int32) -> [Double] { path(to: node).map(\.logProbability) }

  /// The attention of each token from the first to that of a node, and then that of the end mark; nil if none was kept.
  func attention(to node: Int32, end: [Element]?) -> [[Element]]? {
    let kept = path(to: node).map(\.attention) + (end.map { [$0] } ?? [])
    guard !kept.contains(where: { $0 == nil }) else { return nil }
    return kept.compactMap { $0 }
  }

  /// The number of source positions that the token of a node attended to; nil without attention.
  func attentionCount(at node: Int32) -> Int? {
    node == Self.root ? nil : nodes[Int(node)].attention?.count
  }

  /// Adds the attention weights of all tokens to that of a node to `sum`, one element per position.
  func addAttention(to node: Int32, into sum: UnsafeMutablePointer<Element>, count: Int) {
    var node = node
    while node != Self.root {
      if let attention = nodes[Int(node)].attention { Self.add(attention, into: sum, count: count) }
      node = nodes[Int(node)].parent
    }
  }

  /// `sum += attention`.
  static func add(_ attention: [Element], into sum: UnsafeMutablePointer<Element>, count: Int) {
    precondition(
      attention.count == count, "attention over \(attention.count) positions of a source of \(count)")
    sum.addScaled(1, attention, count: count)
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

/// The finished texts of one sequence.
struct FoundTexts<Element: Scalar> {
  struct Text {
    /// Last token in the tree.
    let node: Int32
    /// log-probability of the end mark; nil if the text did not end by itself.
    let endLogProbability: Double?
    /// The attention with which the end mark was predicted, if it was kept.
    let endAttention: [Element]?
    let logProbability: Double
    let score: Double
  }

  /// The number of texts to return.
  let limit: Int
  /// The best texts that ended by themselves, best first.
  private(set) var ended: [Text] = []
  /// The number of texts that ended, including those that are not among the best.
  private(set) var endedCount = 0
  /// The texts that were cut off. They are used only if too few have ended.
  private(set) var cutOff: [Text] = []

  init(limit: Int) { self.limit = limit }

  /// Inserts a text in the order of scores; of texts with equal scores, the one found first comes first.
  mutating func add(_ text: Text) {
    if text.endLogProbability == nil {
      Self.insert(text, into: &cutOff, limit: limit)
    } else {
      endedCount += 1
      Self.insert(text, into: &ended, limit: limit)
    }
  }

  /// The score that a later text has to exceed to be among the results; nil while there is room for every text.
  var scoreToBeat: Double? { ended.count == limit ? ended[limit - 1].score : nil }

  var best: [Text] { Array((ended + cutOff).prefix(limit)) }

  private static func insert(_ text: Text, into texts: inout [Text], limit: Int) {
    let place = texts.firstIndex { text.score > $0.score } ?? texts.count
    texts.insert(text, at: place)
    if texts.count > limit { texts.removeLast() }
  }
}
