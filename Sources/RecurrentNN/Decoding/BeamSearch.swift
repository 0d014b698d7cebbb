import CKernels
import NumericKernels

/// How a beam search compares, keeps and ends hypotheses.
public struct SearchOptions: Sendable, Hashable {
  /// The number of continuations kept at each step; 1 is greedy decoding.
  public var beamWidth: Int
  /// Hypotheses returned for each sequence, at most beamWidth.
  public var resultCount: Int
  /// Which tokens a text may have, and how many.
  public var constraints: TokenConstraints
  /// α of the length penalty; 0: none. Above 0, longer texts are favored, and a search continues while a text of the
  /// maximum length could still win. The maximum should then depend on the length of the source.
  public var lengthPenalty: Double
  /// β of the coverage penalty, for models with attention; 0: none.
  public var coveragePenalty: Double
  /// The search for a sequence stops when patience · beamWidth of its hypotheses have ended, even if a better one is
  /// still possible (Kasai et al. 2022, section 3; most programs use 1). nil: no such limit, the search is exact.
  public var patience: Double?
  /// Whether the attention weights of every token are kept.
  public var keepsAttention: Bool

  /// Requires 1 <= resultCount <= beamWidth, a finite α, a finite β >= 0, and patience · beamWidth >= resultCount.
  public init(
    beamWidth: Int = 1, resultCount: Int = 1, constraints: TokenConstraints, lengthPenalty: Double = 0,
    coveragePenalty: Double = 0, patience: Double? = nil, keepsAttention: Bool = false
  ) {
    self.beamWidth = beamWidth
    self.resultCount = resultCount
    self.constraints = constraints
    self.lengthPenalty = lengthPenalty
    self.coveragePenalty = coveragePenalty
    self.patience = patience
    self.keepsAttention = keepsAttention
  }

  func requireValid() {
    precondition(
      beamWidth >= 1 && (1...beamWidth).contains(resultCount),
      "\(resultCount) results of a beam of width \(beamWidth)")
    precondition(lengthPenalty.isFinite, "a length penalty of \(lengthPenalty)")
    precondition(coveragePenalty.isFinite && coveragePenalty >= 0, "a coverage penalty of \(coveragePenalty)")
    precondition(
      endedTexts.map { $0 >= Double(resultCount) } ?? true,
      "a patience of \(patience ?? 0) for \(resultCount) results of a beam of width \(beamWidth)")
  }

  /// The number of ended hypotheses after which the search for a sequence stops.
  var endedTexts: Double? { patience.map { $0 * Double(beamWidth) } }

  /// lp(Y) = ((5 + |Y|) / 6)^α, Wu et al. 2016, equation 14; |Y| counts all predictions, the end mark
  /// included.
  public func lengthPenalty(predictions: Int) -> Double {
    lengthPenalty == 0 ? 1 : RealFunctions.power((5 + Double(predictions)) / 6, lengthPenalty)
  }

  /// The largest score (Wu et al. 2016, equation 14) that an unfinished text can still reach, given its log-probability
  /// so far and the range of the number of predictions with which it may end.
  ///
  /// The log-probability can only fall, the coverage penalty is never above 0, and lp is monotonic in the
  /// length, so the best case is at one end of the range.
  func bestReachable(_ logProbability: Double, predictions: ClosedRange<Int>) -> Double {
    max(
      logProbability / lengthPenalty(predictions: predictions.lowerBound),
      logProbability / lengthPenalty(predictions: predictions.upperBound))
  }
}

/// Finds the most probable texts for every sequence of a batch by beam search over all sequences at once.
///
/// At every step the `beamWidth` most probable continuations of all hypotheses of a sequence are kept. Hypotheses
/// continued by the end mark are finished and leave the beam; the others continue. Finished hypotheses are compared by
///
///     score(Y, X) = log P(Y|X) / lp(Y) + β Σ_i log min(Σ_j a_ij, 1)      lp(Y) = ((5 + |Y|) / 6)^α
///
/// with a_ij the attention of prediction j to position i of the source (Wu et al. 2016, equation 14; there p_ij).
/// |Y| and the sum over j count every prediction, the end mark included. Hypotheses that can no longer reach the score of
/// the worst result are dropped, and a sequence is done when none is left. It never ends earlier unless the options ask
/// for it, so a longer text that normalization favors is still found.
///
/// Probabilities are the model's: excluding a token does not redistribute its probability to the others, so scores equal
/// those of ``forcedLogProbabilities(_:startTokens:targets:sequences:endToken:)``. Equal scores are ordered by the rank
/// of the hypothesis that is continued, then by token id. Nothing depends on the other sequences of the batch.
///
/// - Parameters:
///   - decoder: the model with its batch, before its first step.
///   - startTokens: for each sequence the token that the text begins after, such as a start mark.
///   - sourceLengths: positions of each sequence's source, if bounds of the length depend on them.
///   - options: width, penalties and constraints.
/// - Returns: for each sequence up to `resultCount` different hypotheses, best first. Texts that were cut off
///   come after those that ended by themselves, whatever their score. There are fewer only if no others are possible.
public func beamSearch<Element: Scalar>(
  _ decoder: any StepwiseDecoder<Element>, startTokens: [Int32], sourceLengths: [Int]? = nil,
  _ options: SearchOptions
) -> [[Hypothesis<Element>]] {
  BeamSearch(decoder, sourceLengths: sourceLengths, options).run(startTokens)
}

/// One search over a batch.
final class BeamSearch<Element: Scalar> {
  /// An unfinished hypothesis.
  private struct Row {
    let sequence: Int
    /// Its last token in the tree.
    let node: Int32
    let logProbability: Double
  }

  private let decoder: any StepwiseDecoder<Element>
  private let options: SearchOptions
  /// The allowed numbers of tokens of the texts of each sequence.
  private let lengths: [ClosedRange<Int>]
  private var tree = HypothesisTree<Element>()
  private var found: [FoundTexts<Element>]
  private let continuations: ContinuationBuffer
  private var coverage = AlignedBuffer<Element>(count: 0)
  private var hasAttention = false

  // The rows of this step, and the rows of the next step with their last tokens and parents.
  private var rows: [Row] = []
  private var next: [Row] = []
  private var tokens: [Int32] = []
  private var parents: [Int32] = []
  // For each row of the current sequence: its attention, whether a continuation was selected, and whether the end was.
  private var attention: [[Element]?] = []
  private var isContinued: [Bool] = []
  private var hasEnded: [Bool] = []

  init(_ decoder: any StepwiseDecoder<Element>, sourceLengths: [Int]?, _ options: SearchOptions) {
    options.requireValid()
    options.constraints.requireInVocabulary(decoder.vocabularySize)
    let count = decoder.sequenceCount
    precondition(
      sourceLengths?.count ?? count == count, "\(sourceLengths?.count ?? 0) lengths of \(count) sources")
    self.decoder = decoder
    self.options = options
    lengths = (0..<count).map { options.constraints.length.range(sourceLength: sourceLengths?[$0]) }
    found = Array(repeating: FoundTexts(limit: options.resultCount), count: count)
    continuations = ContinuationBuffer(limit: options.beamWidth)
  }

  func run(_ startTokens: [Int32]) -> [[Hypothesis<Element>]] {
    precondition(
      startTokens.count == lengths.count, "\(startTokens.count) start tokens for \(lengths.count) sequences")
    var block = LogitsBlock<Element>(vocabularySize: decoder.vocabularySize)
    for sequence in lengths.indices {
      continueText(
        Row(sequence: sequence, node: HypothesisTree<Element>.root, logProbability: 0), length: 0,
        token: startTokens[sequence], parent: sequence)
    }
    var length = 0
    while !next.isEmpty {
      swap(&rows, &next)
      let logits = block.rows(rows.count)
      decoder.advance(tokens, parents, logits: logits)
      hasAttention = decoder.attention(ofRow: 0) != nil
      next.removeAll(keepingCapacity: true)
      tokens.removeAll(keepingCapacity: true)
      parents.removeAll(keepingCapacity: true)
      var first = 0
      while first < rows.count {
        let end = rows[first...].firstIndex { $0.sequence != rows[first].sequence } ?? rows.count
        step(first..<end, logits.rows(first..<end), length: length)
        first = end
      }
      length += 1
    }
    return found.map { $0.best.map(hypothesis) }
  }

  // MARK: One step of one sequence

  private func step(_ range: Range<Int>, _ logits: MatrixView<Element>, length: Int) {
    let bounds = lengths[rows[range.lowerBound].sequence]
    let count = select(range, logits, length: length, shortest: bounds.lowerBound)
    let firstNew = next.count
    for index in 0..<count { take(index, range, length: length) }
    for (index, row) in range.enumerated() where !hasEnded[index] {
      // There was room for more, so a row without a continuation has no possible one.
      let isStuck = count < options.beamWidth && !isContinued[index]
      if length == bounds.upperBound || isStuck { cutOff(rows[row], predictions: length) }
    }
    giveUpHopeless(from: firstNew, length: length + 1, longest: bounds.upperBound)
  }

  /// Selects the best continuations of a sequence's rows; returns their number.
  private func select(_ range: Range<Int>, _ logits: MatrixView<Element>, length: Int, shortest: Int) -> Int {
    // Normalized before tokens are excluded, so the probabilities are the model's own.
    logits.logNormalizers(into: continuations.normalizers)
    for (index, row) in range.enumerated() {
      continuations.base[index] = rows[row].logProbability
      options.constraints.mask(logits.row(index), length: length, shortest: shortest) {
        tree.tokens(to: rows[row].node)
      }
    }
    reset(&isContinued, to: false, count: range.count)
    reset(&hasEnded, to: false, count: range.count)
    reset(&attention, to: nil, count: range.count)
    return continuations.select(from: logits)
  }

  private func reset<Value>(_ values: inout [Value], to value: Value, count: Int) {
    values.removeAll(keepingCapacity: true)
    values.append(contentsOf: repeatElement(value, count: count))
  }

  /// Finishes or continues a text by one of the selected continuations.
  private func take(_ continuation: Int, _ range: Range<Int>, length: Int) {
    let index = Int(continuations.sources[continuation])
    let (parent, token) = (range.lowerBound + index, continuations.tokens[continuation])
    let row = rows[parent]
    let total = continuations.scores[continuation]
    let isEnd = token == options.constraints.endToken
    isContinued[index] = true
    guard isEnd || length < lengths[row.sequence].upperBound else { return }
    if attention[index] == nil, options.keepsAttention || options.coveragePenalty > 0 {
      attention[index] = decoder.attention(ofRow: parent).map { Array($0) }
    }
    let logProbability = total - row.logProbability
    if isEnd {
      hasEnded[index] = true
      found[row.sequence].add(
        FoundTexts<Element>.Text(
          node: row.node, endLogProbability: logProbability, endAttention: attention[index],
          logProbability: total,
          score: score(total, row.node, attention[index], predictions: length + 1)))
    } else {
      let node = tree.append(
        token, after: row.node, logProbability: logProbability, attention: attention[index])
      continueText(
        Row(sequence: row.sequence, node: node, logProbability: total), length: length + 1, token: token,
        parent: parent)
    }
  }

  /// Makes a text of `length` tokens a row of the next step, unless no token may follow it, not even the end mark.
  private func continueText(_ row: Row, length: Int, token: Int32, parent: Int) {
    if options.constraints.endToken == nil && length == lengths[row.sequence].upperBound {
      cutOff(row, predictions: length)
    } else {
      next.append(row)
      tokens.append(token)
      parents.append(Int32(parent))
    }
  }

  private func cutOff(_ row: Row, predictions: Int) {
    found[row.sequence].add(
      FoundTexts<Element>.Text(
        node: row.node, endLogProbability: nil, endAttention: nil, logProbability: row.logProbability,
        score: score(row.logProbability, row.node, nil, predictions: predictions)))
  }

  /// Drops the new rows from index `first` on, of `length` tokens each, that can no longer become a result. Rows are
  /// sorted, so these are the last ones.
  private func giveUpHopeless(from first: Int, length: Int, longest: Int) {
    guard first < next.count else { return }
    let texts = found[next[first].sequence]
    if let enough = options.endedTexts, Double(texts.endedCount) >= enough { return dropRows(to: first) }
    guard let toBeat = texts.scoreToBeat else { return }
    let predictions = (length + 1)...(longest + 1)
    var count = next.count
    while count > first,
      options.bestReachable(next[count - 1].logProbability, predictions: predictions) <= toBeat
    {
      count -= 1
    }
    dropRows(to: count)
  }

  /// Drops the rows of the next step from index `count` on.
  private func dropRows(to count: Int) {
    let surplus = next.count - count
    next.removeLast(surplus)
    tokens.removeLast(surplus)
    parents.removeLast(surplus)
  }

  // MARK: Results

  /// The score of a text whose last token is `node`, followed by an end mark predicted with `last`.
  private func score(
    _ logProbability: Double, _ node: Int32, _ last: [Element]?, predictions: Int
  ) -> Double {
    let normalized = logProbability / options.lengthPenalty(predictions: predictions)
    guard options.coveragePenalty > 0, let positions = last?.count ?? tree.attentionCount(at: node)
    else { return normalized }
    if coverage.count < positions { coverage = AlignedBuffer(count: positions) }
    coverage.base.zeroElements(count: positions)
    tree.addAttention(to: node, into: coverage.base, count: positions)
    if let last { HypothesisTree.add(last, into: coverage.base, count: positions) }
    return normalized + options.coveragePenalty
      * rnd_log_coverage(Element.kernelType, rnd_numbers(count: positions, x: coverage.base))
  }

  private func hypothesis(_ text: FoundTexts<Element>.Text) -> Hypothesis<Element> {
    Hypothesis(
      tokens: tree.tokens(to: text.node), logProbability: text.logProbability, score: text.score,
      tokenLogProbabilities: tree.logProbabilities(to: text.node)
        + (text.endLogProbability.map { [$0] } ?? []),
      attention: options.keepsAttention && hasAttention
        ? tree.attention(to: text.node, end: text.endAttention) : nil,
      endedByItself: text.endLogProbability != nil)
  }
}

/// Inputs and results of the kernel that selects continuations of the rows of one sequence.
final class ContinuationBuffer {
  /// The maximum number of selected continuations, and of the rows they are selected from.
  let limit: Int
  private let numbers: AlignedBuffer<Double>
  private let ids: UnsafeMutablePointer<Int32>

  init(limit: Int) {
    self.limit = limit
    numbers = AlignedBuffer(count: 3 * limit)
    ids = .allocate(capacity: 2 * limit)
    ids.initialize(repeating: 0, count: 2 * limit)
  }

  deinit { ids.deallocate() }

  /// log P of each row's text so far.
  var base: UnsafeMutablePointer<Double> { numbers.base }
  /// log Σ exp of each row's logits.
  var normalizers: UnsafeMutablePointer<Double> { numbers.base + limit }
  /// log P of each continuation, best first.
  var scores: UnsafeMutablePointer<Double> { numbers.base + 2 * limit }
  /// The row each continuation belongs to.
  var sources: UnsafeMutablePointer<Int32> { ids }
  var tokens: UnsafeMutablePointer<Int32> { ids + limit }

  /// Selects the best continuations of all rows of `logits`; returns their number.
  func select<Element: Scalar>(from logits: MatrixView<Element>) -> Int {
    rnd_best_continuations(
      Element.kernelType,
      rnd_continuations(
        logits: logits.logits, base: base, normalizer: normalizers, limit: limit, score: scores, row: sources,
        token: tokens))
  }
}
