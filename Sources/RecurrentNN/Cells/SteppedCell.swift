import NumericKernels
import Parameters

/// A single cell whose input enters by one product, W_ih x.
///
/// A cell defines its cache and one step, which begins when W_ih x has been computed. Both ways to run a cell are derived from
/// that: all steps at once, with one product W_ih x for all steps, and step by step. Variational dropout and zoneout wrap the
/// steps of every cell here.
protocol SteppedCell<Element>: RecurrentCell {
  /// The data that the forward pass keeps for its steps and for the backward pass, besides states and gates.
  associatedtype Cache
  /// The data that the steps of the backward pass share, for example sums of gradients.
  associatedtype BackwardState

  var weightIH: Parameter { get }
  var regularization: CellRegularization { get }

  func makeCache(_ pass: CellPass<Element>, _ context: LayerContext<Element>) -> Cache

  /// One step: computes `newH` (and `newC`) from the previous state and the gates, which hold W_ih x.
  func forward(_ step: CellStep<Element>, _ cache: Cache, _ context: LayerContext<Element>)

  func makeBackwardState(
    _ pass: CellPass<Element>, _ cache: Cache, _ context: LayerContext<Element>
  ) -> BackwardState

  /// One step backwards: turns the gates into the gradient of W_ih x, and the gradient of the new state into that of the
  /// previous one.
  func backward(
    _ step: CellBackwardStep<Element>, _ cache: Cache, _ state: BackwardState,
    _ context: LayerContext<Element>)

  /// Adds the gradients of all parameters but W_ih, after the last step.
  func addGradients(
    _ pass: CellPass<Element>, _ cache: Cache, _ state: BackwardState,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>)
}

// The steps below, and those of the cells, are compiled for single precision as well: in a step of a small network generic
// code would spend a noticeable part of the time on looking up types.

/// The forward pass of a cell over a layout, as far as it is the same for every cell.
struct CellPass<Element: Scalar> {
  let layout: PackedLayout
  /// W_ih x of every row; a step turns it into activations, and a step of the backward pass into the gradient of W_ih x.
  let gates: MatrixView<Element>
  let h: StateOverTime<Element>
  /// Empty for cells without a cell state.
  let c: StateOverTime<Element>
  let dropout: VariationalDropoutPass<Element>?
  let zoneout: ZoneoutPass<Element>?
  /// The columns of the inputs whose product was computed before the first step.
  let precomputedColumns: Range<Int>

  /// - Parameter initial: hidden state, and cell state if there is one.
  init(
    _ cell: some SteppedCell<Element>, _ layout: PackedLayout, from initial: [MatrixView<Element>],
    precomputedColumns: Range<Int>, _ context: LayerContext<Element>
  ) {
    self.layout = layout
    self.precomputedColumns = precomputedColumns
    gates = context.arena.matrix(layout.rowCount, cell.weightIH.shape[0])
    let isolated = cell.regularization.zoneout.isActive
    h = StateOverTime(layout, from: initial[0], isolated: isolated, context.arena)
    c = StateOverTime(
      layout, from: initial.count > 1 ? initial[1] : context.arena.matrix(layout.batchSize, 0),
      isolated: isolated, context.arena)
    dropout = VariationalDropoutPass(
      cell.regularization, layout, inputSize: cell.inputSize, stateSize: h.slabs.columns, context)
    zoneout = ZoneoutPass(
      cell.regularization, layout, hiddenSize: h.slabs.columns, cellSize: c.slabs.columns, context)
  }

  @_specialize(where Element == Float)
  func step(_ t: Int) -> CellStep<Element> {
    let (rows, n) = (layout.rows(t), layout.activeCounts[t])
    let (previous, next) = (layout.previousSlab(t), layout.slab(t))
    let previousH = h.slabs.rows(previous..<previous + n)
    return CellStep(
      rows: rows, next: next..<next + n, gates: gates.rows(rows), previousH: previousH,
      newH: h.new.rows(rows), previousC: c.slabs.rows(previous..<previous + n), newC: c.new.rows(rows),
      recurrentInput: dropout?.maskedState(rows) ?? previousH, stateMask: dropout?.stateMask(n))
  }

  /// The operands of the recurrent products of all steps, [N, P].
  func recurrentInputs(_ context: LayerContext<Element>) -> MatrixView<Element> {
    dropout?.maskedState(0..<layout.rowCount) ?? layout.previousStates(h.slabs, context.arena)
  }
}

/// A part of the state at all steps.
struct StateOverTime<Element: Scalar> {
  /// [batchSize + rowCount, width], see ``PackedLayout``.
  let slabs: MatrixView<Element>
  /// Where the cell writes the state after each step, [rowCount, width]: the slabs, or if isolated memory beside them.
  let new: MatrixView<Element>

  init(
    _ layout: PackedLayout, from initial: MatrixView<Element>, isolated: Bool, _ arena: Arena<Element>
  ) {
    let (B, N) = (layout.batchSize, layout.rowCount)
    slabs = arena.matrix(B + N, initial.columns)
    slabs.rows(0..<B).copy(from: initial)
    new = isolated ? arena.matrix(N, initial.columns) : slabs.rows(B..<B + N)
  }
}

/// The operands and results of one step of a cell; n sequences are running. All rows are contiguous.
struct CellStep<Element: Scalar> {
  /// The rows of the step in matrices of all rows, and in the slabs of the states.
  let rows: Range<Int>
  let next: Range<Int>
  /// [n, gates].
  let gates: MatrixView<Element>
  /// [n, P], and [n, H] of the cell state, which is empty if the cell has none.
  let previousH: MatrixView<Element>
  let newH: MatrixView<Element>
  let previousC: MatrixView<Element>
  let newC: MatrixView<Element>
  /// The previous hidden state as the recurrent product reads it: masked by variational dropout, [n, P].
  let recurrentInput: MatrixView<Element>
  fileprivate let stateMask: MatrixView<Element>?

  var count: Int { rows.count }

  /// Applies the mask of variational dropout to another operand of a recurrent product, or to its gradient.
  func maskState(_ x: MatrixView<Element>) {
    if let stateMask { VariationalDropoutPass.multiply(x, stateMask, into: x) }
  }
}

/// The backward pass of a cell, as far as it is the same for every cell.
struct CellBackwardPass<Element: Scalar> {
  let forward: CellPass<Element>
  /// The gradient of the state, [batchSize, P] and [batchSize, H].
  let dh: MatrixView<Element>
  let dc: MatrixView<Element>
  /// Room for the gradient of a masked state.
  let masked: MatrixView<Element>?

  init(
    _ forward: CellPass<Element>, stateGradient: [MatrixView<Element>], _ context: LayerContext<Element>
  ) {
    self.forward = forward
    dh = stateGradient[0]
    dc = stateGradient.count > 1 ? stateGradient[1] : context.arena.matrix(dh.rows, 0)
    masked = forward.dropout?.stateMask(0) == nil ? nil : context.arena.matrix(dh.rows, dh.columns)
  }

  @_specialize(where Element == Float)
  func step(_ t: Int, outputGradient: MatrixView<Element>) -> CellBackwardStep<Element> {
    let n = 0..<forward.layout.activeCounts[t]
    return CellBackwardStep(
      forward: forward.step(t), outputGradient: outputGradient, dh: dh.rows(n), dc: dc.rows(n),
      masked: masked?.rows(n))
  }
}

/// The operands and results of one step of the backward pass of a cell.
struct CellBackwardStep<Element: Scalar> {
  let forward: CellStep<Element>
  /// [n, P], contiguous.
  var outputGradient: MatrixView<Element>
  /// Gradients of the new state without that of the output; the step turns them into those of the previous state.
  let dh: MatrixView<Element>
  let dc: MatrixView<Element>
  fileprivate let masked: MatrixView<Element>?

  var rows: Range<Int> { forward.rows }
  var count: Int { forward.count }
  var gates: MatrixView<Element> { forward.gates }

  /// dh = d · W, or dh += d · W if `accumulate`: the gradient of the state from that of the recurrent product W ·
  /// `recurrentInput`, through the mask of variational dropout if there is one.
  @_specialize(where Element == Float)
  func passRecurrent(_ d: MatrixView<Element>, _ weights: PackedMatrix<Element>, accumulate: Bool) {
    guard let masked, let mask = forward.stateMask else {
      return weights.multiply(d, into: dh, accumulate: accumulate)
    }
    weights.multiply(d, into: masked, accumulate: false)
    if !accumulate { dh.fill(0) }
    VariationalDropoutPass.multiplyAdd(masked, mask, to: dh)
  }
}

/// The entry of a single cell in the trace of its layer.
private struct CellTrace<Cell: SteppedCell> {
  let pass: CellPass<Cell.Element>
  let cache: Cell.Cache
}

private struct CellBackwardTrace<Cell: SteppedCell> {
  let pass: CellBackwardPass<Cell.Element>
  let cache: Cell.Cache
  let state: Cell.BackwardState
}

extension SteppedCell {
  // MARK: Forward

  public func begin(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    begin(layout, from: initial, precomputedColumns: 0..<0, context)
  }

  public func begin(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], precomputing input: SequenceInput<Element>,
    columns: Int, _ context: LayerContext<Element>
  ) -> Unrolled<Element>? {
    // A mask is one for the whole input.
    guard regularization.variational.input == 0 || context.dropout == nil else { return nil }
    var trace = begin(layout, from: initial, precomputedColumns: 0..<columns, context)
    trace.input = input
    InputProjection(weight: weightIH, columns: 0..<columns).forward(
      input, into: own(trace).pass.gates, context)
    return trace
  }

  private func begin(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], precomputedColumns: Range<Int>,
    _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    let pass = CellPass(self, layout, from: initial, precomputedColumns: precomputedColumns, context)
    let (B, N) = (layout.batchSize, layout.rowCount)
    var trace = Unrolled(
      layout: layout, output: pass.h.slabs.rows(B..<B + N),
      slabs: initial.count > 1 ? [pass.h.slabs, pass.c.slabs] : [pass.h.slabs])
    trace.cell = CellTrace<Self>(pass: pass, cache: makeCache(pass, context))
    return trace
  }

  private func own(_ trace: Unrolled<Element>) -> CellTrace<Self> {
    guard let own = trace.cell as? CellTrace<Self> else {
      preconditionFailure("a cell needs the trace that its own begin or unroll returned")
    }
    return own
  }

  /// The columns of the inputs that the steps are given.
  private func steppedColumns(_ pass: CellPass<Element>) -> Range<Int> {
    pass.precomputedColumns.upperBound..<inputSize
  }

  public func forward(
    step t: Int, _ input: MatrixView<Element>, _ trace: Unrolled<Element>, _ context: LayerContext<Element>
  ) {
    let own = own(trace)
    let (pass, step) = (own.pass, own.pass.step(t))
    let read = pass.dropout?.maskInput(input, rows: step.rows, context) ?? input
    context.packed(weightIH, columns: steppedColumns(pass), transposed: true).multiply(
      read, into: step.gates, accumulate: !pass.precomputedColumns.isEmpty)
    run(step, pass, own.cache, context)
  }

  private func run(
    _ step: CellStep<Element>, _ pass: CellPass<Element>, _ cache: Cache, _ context: LayerContext<Element>
  ) {
    if let mask = step.stateMask {
      VariationalDropoutPass.multiply(step.previousH, mask, into: step.recurrentInput)
    }
    forward(step, cache, context)
    pass.zoneout?.mix(step, h: pass.h, c: pass.c)
  }

  public func finalState(
    _ trace: Unrolled<Element>, _ context: LayerContext<Element>
  ) -> [MatrixView<Element>] {
    trace.slabs.map { trace.layout.finalState($0, context.arena) }
  }

  public func unroll(
    _ input: SequenceInput<Element>, _ layout: PackedLayout, from initial: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    var trace = begin(layout, from: initial, context)
    let own = own(trace)
    // Parts of a generic struct are looked up at run time: outside of the loop.
    let (pass, cache) = (own.pass, own.cache)
    trace.input = input
    InputProjection(weight: weightIH).forward(
      pass.dropout?.maskInputs(input, context) ?? input, into: pass.gates, context)
    for t in 0..<layout.steps { run(pass.step(t), pass, cache, context) }
    trace.finalState = finalState(trace, context)
    return trace
  }

  // MARK: Backward

  public func beginBackward(
    _ trace: Unrolled<Element>, stateGradient: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> BackwardTrace<Element> {
    var backward = BackwardTrace(trace, stateGradient: stateGradient)
    let own = own(trace)
    backward.cell = CellBackwardTrace<Self>(
      pass: CellBackwardPass(own.pass, stateGradient: stateGradient, context), cache: own.cache,
      state: makeBackwardState(own.pass, own.cache, context))
    return backward
  }

  private func own(_ trace: BackwardTrace<Element>) -> CellBackwardTrace<Self> {
    guard let own = trace.cell as? CellBackwardTrace<Self> else {
      preconditionFailure("a cell needs the backward trace that its own beginBackward returned")
    }
    return own
  }

  public func backward(
    step t: Int, _ trace: BackwardTrace<Element>, outputGradient: MatrixView<Element>,
    inputGradient: MatrixView<Element>?, _ context: LayerContext<Element>
  ) {
    let own = own(trace)
    let pass = own.pass.forward
    context.arena.scoped {
      runBack(
        own.pass.step(t, outputGradient: outputGradient.contiguous(context.arena)), pass.zoneout, own.cache,
        own.state, context)
    }
    guard let inputGradient else { return }
    let rows = pass.layout.rows(t)
    context.packed(weightIH, columns: steppedColumns(pass), transposed: false).multiply(
      pass.gates.rows(rows), into: inputGradient, accumulate: false)
    pass.dropout?.maskInputGradient(inputGradient, firstRow: rows.lowerBound, context)
  }

  private func runBack(
    _ step: CellBackwardStep<Element>, _ zoneout: ZoneoutPass<Element>?, _ cache: Cache,
    _ state: BackwardState, _ context: LayerContext<Element>
  ) {
    guard let zoneout else { return backward(step, cache, state, context) }
    zoneout.backward(step, context.arena) { backward($0, cache, state, context) }
  }

  public func finishBackward(
    _ trace: BackwardTrace<Element>, inputs: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    let own = own(trace)
    let pass = own.pass.forward
    context.arena.scoped { addGradients(pass, own.cache, own.state, into: gradients, context) }
    InputProjection(weight: weightIH, columns: steppedColumns(pass)).backward(
      pass.gates, .dense(pass.dropout?.maskedInputs ?? inputs), inputGradient: nil, into: gradients, context)
  }

  public func finishPrecomputed(
    _ trace: BackwardTrace<Element>, inputGradient: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let pass = own(trace).pass.forward
    guard !pass.precomputedColumns.isEmpty, let input = trace.forward.input else { return }
    InputProjection(weight: weightIH, columns: pass.precomputedColumns).backward(
      pass.gates, input, inputGradient: inputGradient, into: gradients, context)
  }

  public func backpropagate(
    _ unrolled: Unrolled<Element>, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let input = unrolled.input else {
      preconditionFailure("backpropagate of a cell needs what its own unroll returned")
    }
    let layout = unrolled.layout
    context.arena.scoped {
      let dOutput = outputGradient.contiguous(context.arena)
      let own = own(beginBackward(unrolled, stateGradient: stateGradient, context))
      let (back, cache, state) = (own.pass, own.cache, own.state)
      let pass = back.forward
      for t in (0..<layout.steps).reversed() {
        let step = back.step(t, outputGradient: dOutput.rows(layout.rows(t)))
        runBack(step, pass.zoneout, cache, state, context)
      }
      addGradients(pass, cache, state, into: gradients, context)
      let projection = InputProjection<Element>(weight: weightIH)
      if let dropout = pass.dropout, dropout.maskedInputs != nil {
        dropout.backpropagate(
          projection, pass.gates, input, inputGradient: inputGradient, into: gradients, context)
      } else {
        projection.backward(pass.gates, input, inputGradient: inputGradient, into: gradients, context)
      }
    }
  }
}

extension MatrixView {
  /// The matrix itself if its rows are contiguous, as the cell kernels require, or else a copy.
  func contiguous(_ arena: Arena<Element>) -> MatrixView {
    if isContiguous { return self }
    let copy = arena.matrix(rows, columns)
    copy.copy(from: self)
    return copy
  }
}
