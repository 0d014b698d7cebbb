import NumericKernels

/// What attention works with in a batch before the first step: keys projected once, and weights in the form the kernel
/// reads.
struct PreparedAttention<Element: Scalar> {
  let memory: SourceMemory<Element>
  /// Keys with the bias of the query added, [S, size]; the values themselves for a dot score.
  let keys: MatrixView<Element>
  /// [size] for an additive score.
  let v: UnsafePointer<Element>?
  /// [features, size].
  let featureWeight: MatrixView<Element>
  /// The query's projection; nil if the state is the query.
  let query: PackedMatrix<Element>?
  /// Room for the features of a step, [S, features].
  var features: MatrixView<Element>
  /// Weights or coverage before the first step, [S].
  var zeros: MatrixView<Element>
}

/// What attention keeps of all steps of a batch: queries, weights, coverage.
///
/// The weights of step t are one block without padding that begins at `places[t]`: sentence i of the n still running has
/// its weights there at the same offset as its rows in the memory.
struct AttentionTrace<Element: Scalar> {
  let layout: PackedLayout
  /// Projected or scaled queries of all rows, [N, size]; nil if the state is the query.
  let queries: MatrixView<Element>?
  /// First weight of each step, and behind the last step the number of weights.
  let places: [Int]
  /// [places of all steps, 1].
  let weights: MatrixView<Element>
  /// The coverage before each step in the same places; nil if nobody asks for it.
  let coverage: MatrixView<Element>?

  init(
    _ layout: PackedLayout, _ memory: SourceMemory<Element>, querySize: Int?, tracksCoverage: Bool,
    _ arena: Arena<Element>
  ) {
    self.layout = layout
    queries = querySize.map { arena.matrix(layout.rowCount, $0) }
    var places = [Int](repeating: 0, count: layout.steps + 1)
    for t in 0..<layout.steps { places[t + 1] = places[t] + memory.rowCount(of: layout.activeCounts[t]) }
    self.places = places
    let count = places[places.count - 1]
    weights = arena.matrix(count, 1)
    coverage = tracksCoverage ? arena.matrix(count, 1) : nil
  }

  func weights(_ step: Int) -> UnsafeMutablePointer<Element> { weights.base + places[step] }
  func coverage(_ step: Int) -> UnsafeMutablePointer<Element>? { coverage.map { $0.base + places[step] } }
  /// Number of weights of a step.
  func count(_ step: Int) -> Int { places[step + 1] - places[step] }

  /// Makes the coverage of a step from that of the step before and its weights.
  func advanceCoverage(to step: Int) {
    guard let now = coverage(step) else { return }
    guard step > 0, let before = coverage(step - 1) else { return now.zeroElements(count: count(step)) }
    now.copyElements(from: before, count: count(step))
    Element.axpy(1, weights(step - 1), now, count(step))
  }
}

/// The weights a_ij of a batch: how strongly target step i of a sentence looked at source position j.
///
/// Valid only during the call that hands it out.
public struct AttentionWeights<Element: Scalar> {
  /// Which of the model's sources the weights are over.
  public let source: Int
  let trace: AttentionTrace<Element>
  let memory: SourceMemory<Element>
  let positions: [Int]

  init(source: Int, _ trace: AttentionTrace<Element>, _ memory: SourceMemory<Element>) {
    self.source = source
    self.trace = trace
    self.memory = memory
    positions = trace.layout.positions
  }

  /// Number of sentences.
  public var count: Int { positions.count }

  /// Steps of a sentence's target, its end mark included.
  public func steps(ofSentence sentence: Int) -> Int { trace.layout.lengths[positions[sentence]] }

  /// The weights of one step over the source of a sentence, [source length]; they sum to 1.
  ///
  /// - Parameters:
  ///   - sentence: in the caller's order.
  ///   - step: in 0..<steps(ofSentence:).
  public func weights(ofSentence sentence: Int, step: Int) -> UnsafeBufferPointer<Element> {
    precondition(
      (0..<steps(ofSentence: sentence)).contains(step),
      "step \(step) of a target of \(steps(ofSentence: sentence)) steps")
    let position = positions[sentence]
    let (first, last) = (memory.offsets[position], memory.offsets[position + 1])
    return UnsafeBufferPointer(start: trace.weights(step) + first, count: last - first)
  }
}
