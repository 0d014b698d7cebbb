/// The texts of one sequence that a search is done with.
struct FoundTexts {
  struct Text {
    /// Last token in the tree.
    let node: Int32
    /// log-probability of the end mark; nil if the text did not end by itself.
    let endLogProbability: Double?
    let logProbability: Double
    let score: Double
  }

  /// How many are asked for.
  let limit: Int
  /// Those that ended by themselves: the best ones, best first.
  private(set) var ended: [Text] = []
  /// How many have ended, those included that are not among the best.
  private(set) var endedCount = 0
  /// Those that were cut off: they count only where too few have ended.
  private(set) var cutOff: [Text] = []

  init(limit: Int) { self.limit = limit }

  /// Puts a text in its place; of equal scores the one found first comes first.
  mutating func add(_ text: Text) {
    if text.endLogProbability == nil {
      Self.insert(text, into: &cutOff, limit: limit)
    } else {
      endedCount += 1
      Self.insert(text, into: &ended, limit: limit)
    }
  }

  /// What the score of a text that ends later has to exceed to be among the results; nil as long as every
  /// text is.
  var scoreToBeat: Double? { ended.count == limit ? ended[limit - 1].score : nil }

  var best: [Text] { Array((ended + cutOff).prefix(limit)) }

  private static func insert(_ text: Text, into texts: inout [Text], limit: Int) {
    let place = texts.firstIndex { text.score > $0.score } ?? texts.count
    texts.insert(text, at: place)
    if texts.count > limit { texts.removeLast() }
  }
}
