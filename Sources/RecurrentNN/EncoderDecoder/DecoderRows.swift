import NumericKernels

/// The unfinished texts of a decoder that is advanced token by token.
struct DecoderRows<Element: Scalar> {
  /// The sequence of the batch each row belongs to.
  let sequences: [Int32]
  /// For each part of the state [rows, part].
  let state: [MatrixView<Element>]
  /// r of the last step, [rows, R]; of no columns without input feeding.
  let feed: MatrixView<Element>
  /// For each source.
  let attention: [AttentionRowState<Element>]

  var count: Int { sequences.count }

  /// Rows that continue rows of these, in the given arena.
  func continued(
    by parents: UnsafeBufferPointer<Int32>, _ memories: [SourceMemory<Element>], in arena: Arena<Element>
  ) -> DecoderRows {
    func gather(_ source: MatrixView<Element>) -> MatrixView<Element> {
      let view = arena.matrix(parents.count, source.columns)
      if let rows = parents.baseAddress, source.columns > 0 {
        Element.gatherRows(
          source.base, source.stride, rows, view.rows, view.columns, view.base, view.stride)
      }
      return view
    }
    let chosen = parents.map { sequences[Int($0)] }
    return DecoderRows(
      sequences: chosen, state: state.map(gather), feed: gather(feed),
      attention: zip(attention, memories).map { before, memory in
        let after = AttentionRowState(memory, chosen, arena)
        after.copy(from: before, parents)
        return after
      })
  }
}

/// Where each of some rows looks, and what it has looked at: weights and coverage, row after row without padding.
struct AttentionRowState<Element: Scalar> {
  let count: Int
  /// Memory rows of each row, and where its weights begin.
  let starts: UnsafeMutablePointer<Int32>
  let lengths: UnsafeMutablePointer<Int32>
  let places: UnsafeMutablePointer<Int32>
  /// Weights of the last step, [1, sum of lengths]; zeros before the first.
  let weights: MatrixView<Element>
  /// Sums of the weights of all steps so far.
  let coverage: MatrixView<Element>

  /// Rows that haven't looked at anything yet.
  init(_ memory: SourceMemory<Element>, _ sequences: [Int32], _ arena: Arena<Element>) {
    count = sequences.count
    func words() -> UnsafeMutablePointer<Int32> { arena.words(sequences.count, of: Int32.self).baseAddress! }
    (starts, lengths, places) = (words(), words(), words())
    var next = 0
    for (row, sequence) in sequences.enumerated() {
      starts[row] = memory.starts[Int(sequence)]
      lengths[row] = memory.lengths[Int(sequence)]
      places[row] = Int32(next)
      next += Int(lengths[row])
    }
    (weights, coverage) = (arena.zeros(1, next), arena.zeros(1, next))
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
  /// One step of rows in any order: overwrites contexts [n, D] and the rows' weights, and adds those to their coverage.
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
      Element.attentionForward(
        rows, operands(prepared, query), weights: rowState.weights.base, context: contexts.base,
        contextStride: contexts.stride)
      Element.axpy(1, rowState.weights.base, rowState.coverage.base, places)
    }
  }
}
