import Foundation
import NumericKernels
import RecurrentNN

/// A model whose scores are a function of the sequence and of the whole text so far: a state that is not carried over to
/// the right row changes everything that follows.
final class PrefixModel<Element: Scalar>: StepwiseDecoder {
  /// The scores of the next token of a text; the text begins with its start token.
  typealias Scores = (_ sequence: Int, _ text: [Int32]) -> [Double]

  let vocabularySize: Int
  /// Names of the sequences of the batch: a sequence has the same scores at any position.
  let sequences: [Int]
  private let scores: Scores
  private let weights: Scores?
  /// Rows of every call.
  private(set) var rowCounts: [Int] = []
  /// A broken model, in which row r always continues with the state of row r.
  var forgetsToReorder = false

  private var states: [(sequence: Int, text: [Int32])] = []
  private var attention: [AlignedBuffer<Element>] = []

  /// - Parameter attention: weights over the positions of a sequence's source.
  init(vocabularySize: Int, sequences: [Int] = [0], attention: Scores? = nil, scores: @escaping Scores) {
    self.vocabularySize = vocabularySize
    self.sequences = sequences
    self.scores = scores
    weights = attention
    states = sequences.map { ($0, []) }
  }

  var sequenceCount: Int { sequences.count }

  func advance(
    tokens: UnsafeBufferPointer<Int32>, parents: UnsafeBufferPointer<Int32>, logits: MatrixView<Element>
  ) {
    rowCounts.append(tokens.count)
    precondition(logits.rows == tokens.count && logits.columns == vocabularySize)
    let before = states
    states = tokens.indices.map { row in
      let parent = before[forgetsToReorder ? min(row, before.count - 1) : Int(parents[row])]
      return (parent.sequence, parent.text + [tokens[row]])
    }
    for (row, state) in states.enumerated() {
      for (token, score) in scores(state.sequence, state.text).enumerated() {
        logits[row, token] = Element(score)
      }
    }
    guard let weights else { return }
    attention = states.map { state in
      let values = weights(state.sequence, state.text)
      let buffer = AlignedBuffer<Element>(count: values.count)
      for (position, value) in values.enumerated() { buffer.base[position] = Element(value) }
      return buffer
    }
  }

  func attention(ofRow row: Int) -> UnsafeBufferPointer<Element>? {
    weights == nil ? nil : UnsafeBufferPointer(attention[row].elements)
  }
}

/// Scores that look random and depend on everything.
struct RandomScores: Sendable {
  let vocabularySize: Int
  let seed: UInt64
  var spread = 3.0
  var end: Int32?
  var endBias = 0.0

  func callAsFunction(_ sequence: Int, _ text: [Int32]) -> [Double] {
    (0..<vocabularySize).map { token in
      let draw = Self.uniform(seed, [Int32(sequence)] + text + [Int32(token)])
      return spread * (2 * draw - 1) + (Int32(token) == end ? endBias : 0)
    }
  }

  /// Weights over a source whose number of positions is the sequence's name.
  func attention(_ sequence: Int, _ text: [Int32]) -> [Double] {
    let weights = (0..<sequence).map { 0.01 + Self.uniform(seed &+ 1, text + [Int32($0)]) }
    return weights.map { $0 / weights.reduce(0, +) }
  }

  func model<Element: Scalar>(
    sequences: [Int] = [0], withAttention: Bool = false, _ type: Element.Type
  ) -> PrefixModel<Element> {
    let attention: PrefixModel<Element>.Scores? = withAttention ? { self.attention($0, $1) } : nil
    return PrefixModel(vocabularySize: vocabularySize, sequences: sequences, attention: attention) {
      self($0, $1)
    }
  }

  func model(sequences: [Int] = [0], withAttention: Bool = false) -> PrefixModel<Double> {
    model(sequences: sequences, withAttention: withAttention, Double.self)
  }

  private static func uniform(_ seed: UInt64, _ key: [Int32]) -> Double {
    var hash = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
    for word in key {
      hash = (hash ^ UInt64(UInt32(bitPattern: word))) &* 0xBF58_476D_1CE4_E5B9
      hash ^= hash >> 29
      hash = hash &* 0x94D0_49BB_1331_11EB
      hash ^= hash >> 32
    }
    return Double(hash >> 11) * 0x1p-53
  }
}

/// log softmax, written like its formula.
func logProbabilities(_ scores: [Double]) -> [Double] {
  let highest = scores.filter { !$0.isNaN }.max() ?? -.infinity
  let sum = scores.reduce(0) { $0 + ($1.isNaN ? 0 : exp($1 - highest)) }
  return scores.map { $0.isNaN ? -.infinity : $0 - highest - log(sum) }
}

/// A text found by one of the slow searches below.
struct ReferenceText: Equatable {
  var tokens: [Int32]
  var steps: [Double]
  var hasEnded = false
  var score = 0.0

  var logProbability: Double { steps.reduce(0, +) }
}

/// Searches one sequence at a time with lists of whole texts.
struct ReferenceSearch {
  let scores: ([Int32]) -> [Double]
  let start: Int32
  let options: SearchOptions
  let bounds: ClosedRange<Int>
  var attention: (([Int32]) -> [Double])?

  private var end: Int32? { options.constraints.endToken }

  /// The log-probabilities of the next token of a text, -inf for excluded tokens.
  private func following(_ tokens: [Int32]) -> [Double] {
    var result = logProbabilities(scores([start] + tokens))
    for id in options.constraints.excludedTokens { result[Int(id)] = -.infinity }
    if let end, tokens.count < bounds.lowerBound { result[Int(end)] = -.infinity }
    guard let size = options.constraints.noRepeatedNgram else { return result }
    for token in 0..<Int32(result.count) where token != end {
      let extended = tokens + [token]
      guard extended.count > size else { continue }
      let last = extended.suffix(size)
      let repeats = (0..<extended.count - size).contains { extended[$0..<$0 + size].elementsEqual(last) }
      if repeats { result[Int(token)] = -.infinity }
    }
    return result
  }

  private func penalty(_ predictions: Int) -> Double {
    pow((5 + Double(predictions)) / 6, options.lengthPenalty)
  }

  private func score(_ text: ReferenceText) -> Double {
    var coverage: [Double] = []
    if let attention, options.coveragePenalty > 0 {
      for length in 0..<text.steps.count {
        let weights = attention([start] + text.tokens.prefix(length))
        coverage = coverage.isEmpty ? weights : zip(coverage, weights).map(+)
      }
    }
    return text.logProbability / penalty(text.steps.count)
      + options.coveragePenalty * coverage.reduce(0) { $0 + log(min($1, 1)) }
  }

  /// The best score that a text can still reach, over all lengths.
  private func reachable(_ text: ReferenceText) -> Double {
    (text.tokens.count + 1...bounds.upperBound + 1).map { text.logProbability / penalty($0) }.max() ?? 0
  }

  /// Beam search.
  func beam() -> [ReferenceText] {
    var (live, ended, cut) = ([ReferenceText(tokens: [], steps: [])], [ReferenceText](), [ReferenceText]())
    for length in 0...bounds.upperBound {
      if end == nil && length == bounds.upperBound {
        cut += live
        break
      }
      var all: [(parent: Int, token: Int32, total: Double, step: Double)] = []
      for (parent, text) in live.enumerated() {
        for (token, step) in following(text.tokens).enumerated() where step > -.infinity {
          all.append((parent, Int32(token), text.logProbability + step, step))
        }
      }
      let chosen = all.sorted { $0.total > $1.total }.prefix(options.beamWidth)
      var next: [ReferenceText] = []
      for choice in chosen {
        var text = live[choice.parent]
        text.steps.append(choice.step)
        if choice.token == end {
          text.hasEnded = true
          text.score = score(text)
          ended.append(text)
        } else if length < bounds.upperBound {
          text.tokens.append(choice.token)
          next.append(text)
        }
      }
      for (parent, text) in live.enumerated() {
        let didEnd = chosen.contains { $0.parent == parent && $0.token == end }
        let isStuck = !all.contains { $0.parent == parent }
        if !didEnd && (length == bounds.upperBound || (isStuck && chosen.count < options.beamWidth)) {
          cut.append(text)
        }
      }
      ended.sort { $0.score > $1.score }
      if ended.count >= options.resultCount {
        next.removeAll { reachable($0) <= ended[options.resultCount - 1].score }
      }
      if let patience = options.patience, Double(ended.count) >= patience * Double(options.beamWidth) {
        next = []
      }
      live = next
      if live.isEmpty { break }
    }
    for index in cut.indices { cut[index].score = score(cut[index]) }
    return Array((ended + cut.sorted { $0.score > $1.score }).prefix(options.resultCount))
  }

  /// Every possible text that ends by itself, best first.
  func exhaustive() -> [ReferenceText] {
    var result: [ReferenceText] = []
    func visit(_ text: ReferenceText) {
      for (token, step) in following(text.tokens).enumerated() where step > -.infinity {
        var longer = text
        longer.steps.append(step)
        if Int32(token) == end {
          longer.hasEnded = true
          longer.score = score(longer)
          result.append(longer)
        } else if text.tokens.count < bounds.upperBound {
          longer.tokens.append(Int32(token))
          visit(longer)
        }
      }
    }
    visit(ReferenceText(tokens: [], steps: []))
    return result.sorted { $0.score > $1.score }
  }

  /// The most probable token at every step.
  func greedy() -> ReferenceText {
    var text = ReferenceText(tokens: [], steps: [])
    while end != nil || text.tokens.count < bounds.upperBound {
      let steps = following(text.tokens)
      guard let best = steps.max(), best > -.infinity, let token = steps.firstIndex(of: best) else { break }
      if Int32(token) == end {
        text.hasEnded = true
        text.steps.append(best)
        break
      }
      if text.tokens.count == bounds.upperBound { break }
      text.tokens.append(Int32(token))
      text.steps.append(best)
    }
    text.score = score(text)
    return text
  }
}
