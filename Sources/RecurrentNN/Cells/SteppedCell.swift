import NumericKernels
import Parameters

/// A single cell whose input enters through one product, W_ih x. Every cell implements this protocol in its own file.
///
/// A cell defines its cache and one step, which begins when W_ih x has been computed. Both ways to run a cell are derived from
/// that: all steps at once, with one product W_ih x for all steps, and step by step. Variational dropout and zoneout wrap the
/// steps of every cell here.
public protocol SteppedCell<Element>: RecurrentCell {
  /// The data that the forward pass keeps for its steps and for the backward pass, besides states and gates.
  associatedtype Cache
  /// The data that the steps of the backward pass share, for example sums of gradients.
  associatedtype BackwardState

  /// W_ih, [gates, inputSize].
  var weightIH: Parameter { get }
  var regularization: CellRegularization { get }

  /// Whether a step may be computed in parts, each with some of the sequences, on several threads at the same time: a step
  /// and its backward pass then use no scratch memory, and add nothing over the rows. false unless a cell says otherwise.
  var hasIndependentRows: Bool { get }

  func makeCache(_ pass: CellPass<Element>, _ context: LayerContext<Element>) -> Cache

  /// One step: computes `newH` (and `newC`) from the previous state and the gates, which hold W_ih x.
  func forward(_ step: CellStep<Element>, _ cache: Cache, _ context: LayerContext<Element>)

  /// Computes `steps` steps of all sequences at once, if the cell has a kernel for it: the first one and those after it, without
  /// dropout and zoneout. Otherwise returns false, and the steps are computed one after the other.
  func forward(
    steps: Int, from first: CellStep<Element>, _ cache: Cache, _ context: LayerContext<Element>
  ) -> Bool

  func makeBackwardState(
    _ pass: CellPass<Element>, _ cache: Cache, _ context: LayerContext<Element>
  ) -> BackwardState

  /// One step of the backward pass: turns the gates into the gradient of W_ih x, and the gradient of the new state into
  /// that of the previous one.
  func backward(
    _ step: CellBackwardStep<Element>, _ cache: Cache, _ state: BackwardState,
    _ context: LayerContext<Element>)

  /// Adds the gradients of all parameters but W_ih, after the last step.
  func addGradients(
    _ pass: CellPass<Element>, _ cache: Cache, _ state: BackwardState,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>)
}

// The functions below that do not depend on the cell, and the steps of the cells, are specialized for single precision.
// In a step of a small network, generic code would spend a noticeable part of its time looking up types.

/// The part of a forward pass over a layout that is the same for every cell.
public final class CellPass<Element: Scalar> {
  public let layout: PackedLayout
  /// W_ih x of every row; a step turns it into activations, and a step of the backward pass into the gradient of W_ih x.
  public let gates: MatrixView<Element>
  public let h: StateOverTime<Element>
  /// The cell state; empty for cells without one.
  public let c: StateOverTime<Element>
  let dropout: VariationalDropoutPass<Element>?
  let zoneout: ZoneoutPass<Element>?
  /// The columns of the inputs whose product was computed before the first step.
  let precomputedColumns: Range<Int>

  /// - Parameter initial: hidden state, and cell state if there is one.
  init(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ regularization: CellRegularization,
    inputSize: Int, gates width: Int, precomputedColumns: Range<Int>, _ context: LayerContext<Element>
  ) {
    self.layout = layout
    self.precomputedColumns = precomputedColumns
    gates = context.arena.matrix(layout.rowCount, width)
    let isolated = regularization.zoneout.isActive
    h = StateOverTime(layout, from: initial[0], isolated: isolated, context.arena)
    c = StateOverTime(
      layout, from: initial.count > 1 ? initial[1] : context.arena.matrix(layout.batchSize, 0),
      isolated: isolated, context.arena)
    dropout = VariationalDropoutPass(
      regularization, layout, inputSize: inputSize, stateSize: h.slabs.columns, context)
    zoneout = ZoneoutPass(
      regularization, layout, hiddenSize: h.slabs.columns, cellSize: c.slabs.columns, context)
  }

  /// Step t of the sequences at some positions of the layout's order; nil: of all that run.
  func step(_ t: Int, of sequences: Range<Int>? = nil) -> CellStep<Element> {
    CellStep(pass: self, t, sequences ?? 0..<layout.activeCounts[t])
  }

  /// The number of steps, from the first one on, in which each thread computes sequences of its own without waiting for the
  /// others after every product. All sequences run in them, so every thread has the same work. 0 if the threads would have
  /// too few sequences: they then share the columns of every product.
  func stepsInParts(hasIndependentRows: Bool, _ context: LayerContext<Element>) -> Int {
    let threads = KernelThreads.count
    let isDivided =
      threads > 1 && hasIndependentRows && layout.batchSize >= threads * Self.leastSequences
      && Element.hasKernels && context.workspace.mode.usesOnlyKernels && !ProductRecorder.isRecording
    return isDivided ? layout.commonSteps : 0
  }

  /// With fewer rows, a product is limited by reading the weights, which threads that share its columns read only once.
  private static var leastSequences: Int { 8 }

  /// The operands of the recurrent products of all steps, [N, P].
  public func recurrentInputs(_ context: LayerContext<Element>) -> MatrixView<Element> {
    dropout?.maskedState(0..<layout.rowCount) ?? layout.previousStates(h.slabs, context.arena)
  }
}

/// A part of the state at all steps.
public struct StateOverTime<Element: Scalar> {
  /// [batchSize + rowCount, width], see ``PackedLayout``.
  let slabs: MatrixView<Element>
  /// Where the cell writes the state after each step, [rowCount, width]: the slabs, or separate memory if isolated.
  public let new: MatrixView<Element>

  init(_ layout: PackedLayout, from initial: MatrixView<Element>, isolated: Bool, _ arena: Arena<Element>) {
    let (B, N) = (layout.batchSize, layout.rowCount)
    slabs = arena.matrix(B + N, initial.columns)
    slabs.rows(0..<B).copy(from: initial)
    new = isolated ? arena.matrix(N, initial.columns) : slabs.rows(B..<B + N)
  }
}

/// The operands and results of one step of a cell for n sequences. All rows are contiguous.
public struct CellStep<Element: Scalar> {
  fileprivate let pass: CellPass<Element>
  /// The positions of the sequences in the order of the layout: all that run, or the part that a thread computes.
  public let sequences: Range<Int>
  /// The rows of the step in matrices of all rows.
  public let rows: Range<Int>
  /// The first row of the previous state in the slabs.
  fileprivate let previous: Int

  fileprivate init(pass: CellPass<Element>, _ t: Int, _ sequences: Range<Int>) {
    let (layout, first) = (pass.layout, sequences.lowerBound)
    self.pass = pass
    self.sequences = sequences
    rows = layout.offsets[t] + first..<layout.offsets[t] + sequences.upperBound
    previous = layout.previousSlab(t) + first
  }

  public var count: Int { rows.count }
  /// [n, gates].
  public var gates: MatrixView<Element> { pass.gates.rows(rows) }
  /// The hidden states before and after the step, [n, P].
  public var previousH: MatrixView<Element> { pass.h.slabs.rows(previous..<previous + count) }
  public var newH: MatrixView<Element> { pass.h.new.rows(rows) }
  /// The cell states, [n, H]; without columns if the cell has none.
  public var previousC: MatrixView<Element> { pass.c.slabs.rows(previous..<previous + count) }
  public var newC: MatrixView<Element> { pass.c.new.rows(rows) }
  /// The previous hidden state as the recurrent product reads it: masked by variational dropout, [n, P].
  public var recurrentInput: MatrixView<Element> { pass.dropout?.maskedState(rows) ?? previousH }
  /// The first row of the new state in the slabs.
  var next: Int { pass.layout.batchSize + rows.lowerBound }
  fileprivate var stateMask: MatrixView<Element>? { pass.dropout?.stateMask(sequences) }

  /// Applies the mask of variational dropout to another operand of a recurrent product, or to its gradient.
  public func maskState(_ x: MatrixView<Element>) {
    if let stateMask { VariationalDropoutPass.multiply(x, stateMask, into: x) }
  }
}

/// The part of a backward pass that is the same for every cell.
final class CellBackwardPass<Element: Scalar> {
  let forward: CellPass<Element>
  /// The gradient of the state, [batchSize, P] and [batchSize, H].
  let dh: MatrixView<Element>
  let dc: MatrixView<Element>
  /// Room for the gradient of a masked state.
  let masked: MatrixView<Element>?

  init(_ forward: CellPass<Element>, stateGradient: [MatrixView<Element>], _ context: LayerContext<Element>) {
    self.forward = forward
    dh = stateGradient[0]
    dc = stateGradient.count > 1 ? stateGradient[1] : context.arena.matrix(dh.rows, 0)
    masked = forward.dropout?.stateMask(0..<0) == nil ? nil : context.arena.matrix(dh.rows, dh.columns)
  }
}

/// The operands and results of one step of the backward pass of a cell.
public struct CellBackwardStep<Element: Scalar> {
  fileprivate let pass: CellBackwardPass<Element>
  public let forward: CellStep<Element>
  /// [n, P], contiguous.
  public internal(set) var outputGradient: MatrixView<Element>

  public var rows: Range<Int> { forward.rows }
  public var count: Int { forward.count }
  public var gates: MatrixView<Element> { forward.gates }
  /// Gradients of the new state without that of the output; the step turns them into those of the previous state. [n, P], and
  /// [n, H] of the cell state.
  public var dh: MatrixView<Element> { pass.dh.rows(forward.sequences) }
  public var dc: MatrixView<Element> { pass.dc.rows(forward.sequences) }

  /// dh = d · W, or dh += d · W if `accumulate`: the gradient of the state from that of the recurrent product W ·
  /// `recurrentInput`, through the mask of variational dropout if there is one.
  @_specialize(where Element == Float)
  public func passRecurrent(_ d: MatrixView<Element>, _ weights: PackedMatrix<Element>, accumulate: Bool) {
    guard let masked = pass.masked?.rows(forward.sequences), let mask = forward.stateMask else {
      return weights.multiply(d, into: dh, accumulate: accumulate)
    }
    weights.multiply(d, into: masked, accumulate: false)
    if !accumulate { dh.fill(0) }
    VariationalDropoutPass.multiplyAdd(masked, mask, to: dh)
  }
}

// MARK: - The loops over time

/// A cell of any kind with its cache. The loops over time use only this protocol, so that they are compiled once.
protocol CellRun<Element>: AnyObject {
  associatedtype Element: Scalar
  var hasIndependentRows: Bool { get }
  func forward(_ step: CellStep<Element>, _ context: LayerContext<Element>)
  func forward(steps: Int, from first: CellStep<Element>, _ context: LayerContext<Element>) -> Bool
  func makeBackward(_ pass: CellPass<Element>, _ context: LayerContext<Element>) -> any CellBackwardRun<
    Element
  >
}

protocol CellBackwardRun<Element>: AnyObject {
  associatedtype Element: Scalar
  func backward(_ step: CellBackwardStep<Element>, _ context: LayerContext<Element>)
  func addGradients(
    _ pass: CellPass<Element>, into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>)
}

private final class Run<Cell: SteppedCell>: CellRun {
  private let cell: Cell
  private let cache: Cell.Cache

  init(_ cell: Cell, _ cache: Cell.Cache) { (self.cell, self.cache) = (cell, cache) }

  var hasIndependentRows: Bool { cell.hasIndependentRows }

  func forward(_ step: CellStep<Cell.Element>, _ context: LayerContext<Cell.Element>) {
    cell.forward(step, cache, context)
  }

  func forward(
    steps: Int, from first: CellStep<Cell.Element>, _ context: LayerContext<Cell.Element>
  ) -> Bool {
    cell.forward(steps: steps, from: first, cache, context)
  }

  func makeBackward(
    _ pass: CellPass<Cell.Element>, _ context: LayerContext<Cell.Element>
  ) -> any CellBackwardRun<Cell.Element> {
    BackwardRun(cell, cache, cell.makeBackwardState(pass, cache, context))
  }
}

private final class BackwardRun<Cell: SteppedCell>: CellBackwardRun {
  private let cell: Cell
  private let cache: Cell.Cache
  private let state: Cell.BackwardState

  init(_ cell: Cell, _ cache: Cell.Cache, _ state: Cell.BackwardState) {
    (self.cell, self.cache, self.state) = (cell, cache, state)
  }

  func backward(_ step: CellBackwardStep<Cell.Element>, _ context: LayerContext<Cell.Element>) {
    cell.backward(step, cache, state, context)
  }

  func addGradients(
    _ pass: CellPass<Cell.Element>, into gradients: ParameterBuffer<Cell.Element>,
    _ context: LayerContext<Cell.Element>
  ) {
    cell.addGradients(pass, cache, state, into: gradients, context)
  }
}

/// The entry of a single cell in the trace of its layer.
struct CellTrace<Element: Scalar> {
  let pass: CellPass<Element>
  let weightIH: Parameter
  let run: any CellRun<Element>

  /// W_ih of the columns of the inputs that the steps are given.
  private var steppedColumns: Range<Int> { pass.precomputedColumns.upperBound..<weightIH.shape[1] }

  /// Runs all steps, whose inputs must be available.
  @_specialize(where Element == Float)
  func unroll(_ input: SequenceInput<Element>, _ context: LayerContext<Element>) {
    InputProjection(weight: weightIH).forward(
      pass.dropout?.maskInputs(input, context) ?? input, into: pass.gates, context)
    let (inParts, common) = (
      pass.stepsInParts(hasIndependentRows: run.hasIndependentRows, context), pass.layout.commonSteps
    )
    var done = 0
    if inParts > 0 {
      KernelThreads.divide(pass.layout.batchSize) { sequences in
        for t in 0..<inParts { run(pass.step(t, of: sequences), context) }
      }
      done = inParts
    } else if common > 0, pass.dropout == nil, pass.zoneout == nil,
      run.forward(steps: common, from: pass.step(0), context)
    {
      done = common
    }
    for t in done..<pass.layout.steps { run(pass.step(t), context) }
  }

  @_specialize(where Element == Float)
  func forward(step t: Int, _ input: MatrixView<Element>, _ context: LayerContext<Element>) {
    let step = pass.step(t)
    let read = pass.dropout?.maskInput(input, rows: step.rows, context) ?? input
    context.packed(weightIH, columns: steppedColumns, transposed: true).multiply(
      read, into: step.gates, accumulate: !pass.precomputedColumns.isEmpty)
    run(step, context)
  }

  private func run(_ step: CellStep<Element>, _ context: LayerContext<Element>) {
    if let mask = step.stateMask {
      VariationalDropoutPass.multiply(step.previousH, mask, into: step.recurrentInput)
    }
    run.forward(step, context)
    pass.zoneout?.mix(step, h: pass.h, c: pass.c)
  }

  func beginBackward(
    stateGradient: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> CellBackwardTrace<Element> {
    CellBackwardTrace(
      forward: self, pass: CellBackwardPass(pass, stateGradient: stateGradient, context),
      run: run.makeBackward(pass, context))
  }

  /// W_ih of the precomputed columns.
  var precomputedProjection: InputProjection<Element> {
    InputProjection(weight: weightIH, columns: pass.precomputedColumns)
  }
  var steppedProjection: InputProjection<Element> {
    InputProjection(weight: weightIH, columns: steppedColumns)
  }
}

/// The entry of a single cell in a backward trace.
struct CellBackwardTrace<Element: Scalar> {
  let forward: CellTrace<Element>
  let pass: CellBackwardPass<Element>
  let run: any CellBackwardRun<Element>

  /// Runs the backward pass from the last step to the first, and adds the gradients of all parameters.
  @_specialize(where Element == Float)
  func backpropagate(
    _ input: SequenceInput<Element>, outputGradient: MatrixView<Element>,
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    let layout = pass.forward.layout
    // Zoneout takes scratch memory in every step.
    let inParts = pass.forward.stepsInParts(
      hasIndependentRows: forward.run.hasIndependentRows && pass.forward.zoneout == nil, context)
    for t in (inParts..<layout.steps).reversed() {
      let step = pass.forward.step(t)
      backward(step, outputGradient: outputGradient.rows(step.rows), context)
    }
    if inParts > 0 {
      KernelThreads.divide(layout.batchSize) { sequences in
        for t in (0..<inParts).reversed() {
          let step = pass.forward.step(t, of: sequences)
          backward(step, outputGradient: outputGradient.rows(step.rows), context)
        }
      }
    }
    run.addGradients(pass.forward, into: gradients, context)
    let (projection, gates) = (InputProjection<Element>(weight: forward.weightIH), pass.forward.gates)
    if let dropout = pass.forward.dropout, dropout.maskedInputs != nil {
      dropout.backpropagate(projection, gates, input, inputGradient: inputGradient, into: gradients, context)
    } else {
      projection.backward(gates, input, inputGradient: inputGradient, into: gradients, context)
    }
  }

  /// Runs one step of the backward pass without the gradient of its input.
  private func backward(
    _ forward: CellStep<Element>, outputGradient: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    let step = CellBackwardStep(pass: pass, forward: forward, outputGradient: outputGradient)
    if let zoneout = pass.forward.zoneout {
      zoneout.backward(step, context.arena) { run.backward($0, context) }
    } else {
      run.backward(step, context)
    }
  }

  @_specialize(where Element == Float)
  func backward(
    step t: Int, outputGradient: MatrixView<Element>, inputGradient: MatrixView<Element>?,
    _ context: LayerContext<Element>
  ) {
    context.arena.scoped {
      backward(pass.forward.step(t), outputGradient: outputGradient.contiguous(context.arena), context)
    }
    guard let inputGradient else { return }
    let (cell, rows) = (pass.forward, pass.forward.layout.rows(t))
    context.packed(
      forward.weightIH, columns: forward.steppedProjection.columns, transposed: false
    ).multiply(cell.gates.rows(rows), into: inputGradient, accumulate: false)
    cell.dropout?.maskInputGradient(inputGradient, firstRow: rows.lowerBound, context)
  }

  /// Adds the gradients of all parameters after the steps.
  func finish(
    inputs: MatrixView<Element>, precomputedGradient: MatrixView<Element>?,
    _ precomputed: SequenceInput<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    let cell = pass.forward
    context.arena.scoped { run.addGradients(cell, into: gradients, context) }
    forward.steppedProjection.backward(
      cell.gates, .dense(cell.dropout?.maskedInputs ?? inputs), inputGradient: nil, into: gradients, context)
    if let precomputed, !cell.precomputedColumns.isEmpty {
      forward.precomputedProjection.backward(
        cell.gates, precomputed, inputGradient: precomputedGradient, into: gradients, context)
    }
  }
}

// MARK: - A stepped cell as a layer

extension SteppedCell {
  public var hasIndependentRows: Bool { false }

  /// Computes nothing: the steps are computed one after the other.
  public func forward(
    steps: Int, from first: CellStep<Element>, _ cache: Cache, _ context: LayerContext<Element>
  ) -> Bool { false }

  /// Nothing is dropped.
  public var regularization: CellRegularization { CellRegularization() }

  public func needsWholeInputs(_ context: LayerContext<Element>) -> Bool {
    // A mask covers the whole input.
    regularization.variational.input > 0 && context.dropout != nil
  }

  public func begin(
    _ layout: PackedLayout, from initial: [MatrixView<Element>],
    precomputing known: SequenceInput<Element>?, _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    precondition(
      known == nil || !needsWholeInputs(context), "precomputed columns for a cell that needs its inputs whole"
    )
    let pass = CellPass(
      layout, from: initial, regularization, inputSize: inputSize, gates: weightIH.shape[0],
      precomputedColumns: 0..<(known?.width ?? 0), context)
    let cell = CellTrace(pass: pass, weightIH: weightIH, run: Run(self, makeCache(pass, context)))
    let (B, N) = (layout.batchSize, layout.rowCount)
    var trace = Unrolled(
      layout: layout, output: pass.h.slabs.rows(B..<B + N),
      slabs: initial.count > 1 ? [pass.h.slabs, pass.c.slabs] : [pass.h.slabs])
    trace.cell = cell
    if let known {
      trace.input = known
      cell.precomputedProjection.forward(known, into: pass.gates, context)
    }
    return trace
  }

  public func forward(
    step t: Int, _ input: MatrixView<Element>, _ trace: Unrolled<Element>, _ context: LayerContext<Element>
  ) {
    trace.requireCell().forward(step: t, input, context)
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
    trace.requireCell().unroll(input, context)
    trace.input = input
    trace.finalState = finalState(trace, context)
    return trace
  }

  public func beginBackward(
    _ trace: Unrolled<Element>, stateGradient: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> BackwardTrace<Element> {
    var backward = BackwardTrace(trace, stateGradient: stateGradient)
    backward.cell = trace.requireCell().beginBackward(stateGradient: stateGradient, context)
    return backward
  }

  public func backward(
    step t: Int, _ trace: BackwardTrace<Element>, outputGradient: MatrixView<Element>,
    inputGradient: MatrixView<Element>?, _ context: LayerContext<Element>
  ) {
    trace.requireCell().backward(
      step: t, outputGradient: outputGradient, inputGradient: inputGradient, context)
  }

  public func finishBackward(
    _ trace: BackwardTrace<Element>, inputs: MatrixView<Element>, precomputedGradient: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    trace.requireCell().finish(
      inputs: inputs, precomputedGradient: precomputedGradient, trace.forward.input, into: gradients, context)
  }

  public func backpropagate(
    _ unrolled: Unrolled<Element>, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let input = unrolled.input else {
      preconditionFailure("backpropagate of a cell needs what its own unroll returned")
    }
    context.arena.scoped {
      unrolled.requireCell().beginBackward(stateGradient: stateGradient, context).backpropagate(
        input, outputGradient: outputGradient.contiguous(context.arena), inputGradient: inputGradient,
        into: gradients, context)
    }
  }
}

extension Unrolled {
  fileprivate func requireCell() -> CellTrace<Element> {
    guard let cell else {
      preconditionFailure("a cell needs the trace that its own begin or unroll returned")
    }
    return cell
  }
}

extension BackwardTrace {
  fileprivate func requireCell() -> CellBackwardTrace<Element> {
    guard let cell else {
      preconditionFailure("a cell needs the backward trace that its own beginBackward returned")
    }
    return cell
  }
}

extension MatrixView {
  /// The matrix itself if its rows are contiguous, as the cell kernels require, or else a copy.
  func contiguous(_ arena: Arena<Element>) -> MatrixView { isContiguous ? self : copied(to: arena) }

  /// A copy with contiguous rows.
  func copied(to arena: Arena<Element>) -> MatrixView {
    let copy = arena.matrix(rows, columns)
    copy.copy(from: self)
    return copy
  }
}
