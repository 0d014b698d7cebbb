import CKernels
import NumericKernels

/// The encoder's states of a batch, sentence after sentence without padding, in the order of the decoder's rows.
///
/// Sentence i of the decoder owns rows `offsets[i]..<offsets[i + 1]` of `values`: attention can't reach beyond it.
struct SourceMemory<Element: Scalar> {
  /// h_j of all sentences, [S, D].
  let values: MatrixView<Element>
  /// The first row of each sentence, followed by the number of rows.
  let offsets: [Int]
  /// The offsets in the form that the kernels read.
  let starts: UnsafePointer<Int32>
  let lengths: UnsafePointer<Int32>
  /// The packed row of the encoder from which each row was copied.
  private let packedRows: UnsafePointer<Int32>

  /// Rows of the first `count` sentences.
  func rowCount(of count: Int) -> Int { offsets[count] }

  /// Copies packed outputs into sentences.
  ///
  /// - Parameters:
  ///   - output: the encoder's packed outputs, [rowCount, D].
  ///   - layout: the layout of these outputs.
  ///   - order: the caller's sentence at each position of the decoder.
  init(_ output: MatrixView<Element>, _ layout: PackedLayout, order: [Int], _ arena: Arena<Element>) {
    let positions = layout.positions
    let sources = order.map { positions[$0] }
    let ranges = consecutiveRanges(sources.map { layout.lengths[$0] })
    offsets = [0] + ranges.map(\.upperBound)
    starts = arena.indexes(order.count) { ranges[$0].lowerBound }
    lengths = arena.indexes(order.count) { ranges[$0].count }
    let index = arena.buffer(layout.rowCount, of: Int32.self)
    for (source, rows) in zip(sources, ranges) {
      for (step, row) in rows.enumerated() { index[row] = Int32(layout.offsets[step] + source) }
    }
    packedRows = UnsafePointer(index.baseAddress!)
    values = arena.matrix(layout.rowCount, output.columns)
    values.gatherRows(of: output, at: packedRows)
  }

  /// Adds gradients of the values to those of the packed outputs.
  func addGradient(_ dValues: MatrixView<Element>, to dOutput: MatrixView<Element>) {
    dOutput.scatterAddRows(dValues, at: packedRows)
  }
}

/// The inputs of attention that are the same for all steps of a batch: keys, projected once, and weights in the form that the
/// kernel reads.
struct PreparedAttention<Element: Scalar> {
  let memory: SourceMemory<Element>
  /// Keys with the bias of the query added, [S, size]; the values themselves for a dot score.
  let keys: MatrixView<Element>
  /// v of an additive score, [size].
  let v: UnsafePointer<Element>?
  /// [features, size].
  let featureWeight: MatrixView<Element>
  /// The query's projection; nil if the state is the query.
  let query: PackedMatrix<Element>?
  /// Room for the features of a step, [S, features].
  var features: MatrixView<Element>
  /// Weights or coverage before the first step, [S].
  let zeros: MatrixView<Element>
}

/// The forward cache of attention for all steps of a batch: queries, weights, coverage.
///
/// The weights of step t are one block without padding that begins at `places[t]`: sentence i of the n still running has
/// its weights there at the same offset as its rows in the memory.
struct AttentionTrace<Element: Scalar> {
  let layout: PackedLayout
  /// Projected or scaled queries of all rows, [N, size]; nil if the state is the query.
  let queries: MatrixView<Element>?
  /// The index of each step's first weight, followed by the number of weights.
  let places: [Int]
  /// The weights of all steps, [places of all steps, 1].
  let weights: MatrixView<Element>
  /// The coverage before each step, laid out like the weights; nil if it is not used.
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

  /// Computes the coverage of a step from the coverage and the weights of the previous step.
  func advanceCoverage(to step: Int) {
    guard let now = coverage(step) else { return }
    guard step > 0, let before = coverage(step - 1) else { return now.zeroElements(count: count(step)) }
    now.copyElements(from: before, count: count(step))
    now.addScaled(1, weights(step - 1), count: count(step))
  }
}

/// The attention state of decoder rows: weights of the last step and coverage so far, row after row without padding.
struct AttentionRowState<Element: Scalar> {
  let count: Int
  /// First source row, number of source rows, and first weight of each decoder row.
  let starts: UnsafePointer<Int32>
  let lengths: UnsafePointer<Int32>
  let places: UnsafePointer<Int32>
  /// Weights of the last step, [1, sum of lengths]; zeros before the first.
  let weights: MatrixView<Element>
  /// Sums of the weights of all steps so far.
  let coverage: MatrixView<Element>

  /// The state of rows before their first step.
  init(_ memory: SourceMemory<Element>, _ sequences: [Int32], _ arena: Arena<Element>) {
    count = sequences.count
    let ranges = consecutiveRanges(sequences.map { Int(memory.lengths[Int($0)]) })
    starts = arena.indexes(count) { Int(memory.starts[Int(sequences[$0])]) }
    lengths = arena.indexes(count) { ranges[$0].count }
    places = arena.indexes(count) { ranges[$0].lowerBound }
    let total = ranges.last?.upperBound ?? 0
    (weights, coverage) = (arena.zeros(1, total), arena.zeros(1, total))
  }

  func weights(ofRow row: Int) -> UnsafeBufferPointer<Element> {
    precondition((0..<count).contains(row), "row \(row) of \(count)")
    return UnsafeBufferPointer(start: weights.base + Int(places[row]), count: Int(lengths[row]))
  }

  func copy(from other: AttentionRowState, _ parents: UnsafeBufferPointer<Int32>) {
    for (row, parent) in parents.enumerated() {
      let (place, source, length) = (Int(places[row]), Int(other.places[Int(parent)]), Int(lengths[row]))
      (weights.base + place).copyElements(from: other.weights.base + source, count: length)
      (coverage.base + place).copyElements(from: other.coverage.base + source, count: length)
    }
  }
}

extension Attention {
  /// Computes one step of rows in any order: overwrites contexts [n, D] and the rows' weights, and adds the weights to
  /// the coverage.
  func forward(
    step: Int, state: MatrixView<Element>, _ prepared: PreparedAttention<Element>,
    _ rowState: AttentionRowState<Element>, into contexts: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) {
    context.arena.scoped {
      var prepared = prepared
      let places = rowState.weights.columns
      prepared.features = context.arena.matrix(places, shape.featureCount)
      let room = transformsQuery ? context.arena.matrix(state.rows, size) : nil
      let query = project(state, prepared, into: room, context)
      let rows = rows(
        state.rows, step: step, starts: rowState.starts, lengths: rowState.lengths, places: rowState.places)
      computeFeatures(
        rows, prepared, previous: rowState.weights.base, coverage: rowState.coverage.base, context)
      attend(
        rnd_attention(
          at: rows, of: operands(prepared, query), weights: rowState.weights.base, context: contexts.base,
          context_stride: contexts.stride), places: places)
      rowState.coverage.base.addScaled(1, rowState.weights.base, count: places)
    }
  }
}
