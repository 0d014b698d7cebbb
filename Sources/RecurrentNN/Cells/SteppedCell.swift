import NumericKernels
import Parameters

/// A single cell whose input enters by one product, W_ih x: all that its kinds have in common.
///
/// A kind of cell says what it keeps and what a step does once W_ih x is there; from that follow both ways to
/// run it: all steps at once, where that product is one for all steps, and step by step. Zoneout and
/// variational dropout act around the step and are here as well.
protocol SteppedCell<Element>: RecurrentCell {
  var weightIH: Parameter { get }
  var regularization: CellRegularization { get }

  /// Takes memory for all steps, copies the initial state.
  func makeMemory(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> CellMemory<Element>

  /// Step t; the rows of `memory.gates` hold W_ih x.
  func advance(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ context: LayerContext<Element>)

  func makeReverseMemory(
    _ layout: PackedLayout, _ memory: CellMemory<Element>, stateGradient: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> ReverseMemory<Element>

  /// Step t backwards; leaves the gradient of W_ih x in the rows of `memory.gates`. `outputGradient` is
  /// contiguous.
  func retreat(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ reverse: ReverseMemory<Element>,
    outputGradient: MatrixView<Element>, _ context: LayerContext<Element>)

  /// Adds the gradients of all parameters but W_ih.
  func addGradients(
    _ layout: PackedLayout, _ memory: CellMemory<Element>, _ reverse: ReverseMemory<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>)
}

// What runs at every step is compiled for single precision too: what generic code spends on looking up types is
// 4 % of a step of a small network.
extension SteppedCell {
  // MARK: Forward

  @_specialize(where Self == LSTMCell<Float>)
  @_specialize(where Self == GRUCell<Float>)
  @_specialize(where Self == RNNCell<Float>)
  public func begin(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    let memory = makeMemory(layout, from: initial, context)
    let batchSize = layout.batchSize
    var trace = Unrolled(
      layout: layout, output: memory.hidden.rows(batchSize..<batchSize + layout.rowCount),
      slabs: memory.slabs)
    trace.memory = memory
    return trace
  }

  public func begin(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], knowing input: SequenceInput<Element>,
    columns: Int, _ context: LayerContext<Element>
  ) -> Unrolled<Element>? {
    // A mask is one for the whole input.
    guard regularization.variational.input == 0 || context.dropout == nil else { return nil }
    var trace = begin(layout, from: initial, context)
    trace.input = input
    trace.memory?.knownColumns = 0..<columns
    InputProjection(weight: weightIH, columns: 0..<columns).forward(
      input, into: trace.cellMemory.gates, context)
    return trace
  }

  /// The columns of the inputs that the steps are given.
  private func steppedColumns(_ memory: CellMemory<Element>) -> Range<Int> {
    memory.knownColumns.upperBound..<inputSize
  }

  @_specialize(where Self == LSTMCell<Float>)
  @_specialize(where Self == GRUCell<Float>)
  @_specialize(where Self == RNNCell<Float>)
  public func forward(
    step t: Int, _ input: MatrixView<Element>, _ trace: Unrolled<Element>, _ context: LayerContext<Element>
  ) {
    let (layout, memory) = (trace.layout, trace.cellMemory)
    let rows = layout.rows(t)
    var input = input
    if memory.masks.inputs.count > 0 {
      let masked = memory.masks.inputs.rows(rows)
      mask(input, into: masked, firstRow: rows.lowerBound, context)
      input = masked
    }
    context.packed(weightIH, columns: steppedColumns(memory), transposed: true).multiply(
      input, into: memory.gates.rows(rows), accumulate: !memory.knownColumns.isEmpty)
    run(t, layout, memory, context)
  }

  private func run(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ context: LayerContext<Element>
  ) {
    memory.maskState(t, layout)
    advance(t, layout, memory, context)
    memory.zoneOut(t, layout)
  }

  public func finalState(
    _ trace: Unrolled<Element>, _ context: LayerContext<Element>
  ) -> [MatrixView<Element>] {
    trace.slabs.map { trace.layout.finalState($0, context.arena) }
  }

  @_specialize(where Self == LSTMCell<Float>)
  @_specialize(where Self == GRUCell<Float>)
  @_specialize(where Self == RNNCell<Float>)
  public func unroll(
    _ input: SequenceInput<Element>, _ layout: PackedLayout, from initial: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    var trace = begin(layout, from: initial, context)
    let memory = trace.cellMemory
    trace.input = input
    InputProjection(weight: weightIH).forward(
      maskedInput(input, memory, context), into: memory.gates, context)
    for t in 0..<layout.steps { run(t, layout, memory, context) }
    trace.finalState = finalState(trace, context)
    return trace
  }

  // MARK: Backward

  public func beginBackward(
    _ trace: Unrolled<Element>, stateGradient: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> BackwardTrace<Element> {
    var backward = BackwardTrace(trace, stateGradient: stateGradient)
    backward.memory = makeReverseMemory(
      trace.layout, trace.cellMemory, stateGradient: stateGradient, context)
    return backward
  }

  @_specialize(where Self == LSTMCell<Float>)
  @_specialize(where Self == GRUCell<Float>)
  @_specialize(where Self == RNNCell<Float>)
  public func backward(
    step t: Int, _ trace: BackwardTrace<Element>, outputGradient: MatrixView<Element>,
    inputGradient: MatrixView<Element>?, _ context: LayerContext<Element>
  ) {
    let (layout, memory) = (trace.forward.layout, trace.forward.cellMemory)
    let rows = layout.rows(t)
    context.arena.scoped {
      runBack(
        t, layout, memory, trace.reverseMemory, outputGradient: outputGradient.contiguous(context.arena),
        context)
    }
    guard let inputGradient else { return }
    context.packed(weightIH, columns: steppedColumns(memory), transposed: false).multiply(
      memory.gates.rows(rows), into: inputGradient, accumulate: false)
    if memory.masks.inputs.count > 0 {
      mask(inputGradient, into: inputGradient, firstRow: rows.lowerBound, context)
    }
  }

  private func runBack(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ reverse: ReverseMemory<Element>,
    outputGradient: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    guard memory.masks.zoneout.isActive else {
      return retreat(t, layout, memory, reverse, outputGradient: outputGradient, context)
    }
    let rest = reverse.enterZoneout(t, layout, memory.masks, outputGradient: outputGradient)
    retreat(t, layout, memory, reverse, outputGradient: rest, context)
    reverse.leaveZoneout(rows: layout.activeCounts[t])
  }

  public func finishBackward(
    _ trace: BackwardTrace<Element>, inputs: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    let memory = trace.forward.cellMemory
    context.arena.scoped {
      addGradients(trace.forward.layout, memory, trace.reverseMemory, into: gradients, context)
    }
    let read = memory.masks.inputs.count > 0 ? memory.masks.inputs : inputs
    InputProjection(weight: weightIH, columns: steppedColumns(memory)).backward(
      memory.gates, .dense(read), inputGradient: nil, into: gradients, context)
  }

  public func finishKnown(
    _ trace: BackwardTrace<Element>, inputGradient: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let memory = trace.forward.cellMemory
    guard !memory.knownColumns.isEmpty, let input = trace.forward.input else { return }
    InputProjection(weight: weightIH, columns: memory.knownColumns).backward(
      memory.gates, input, inputGradient: inputGradient, into: gradients, context)
  }

  @_specialize(where Self == LSTMCell<Float>)
  @_specialize(where Self == GRUCell<Float>)
  @_specialize(where Self == RNNCell<Float>)
  public func backpropagate(
    _ unrolled: Unrolled<Element>, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let input = unrolled.input else {
      preconditionFailure("backpropagate of a cell needs what its own unroll returned")
    }
    let (layout, memory) = (unrolled.layout, unrolled.cellMemory)
    context.arena.scoped {
      let dOutput = outputGradient.contiguous(context.arena)
      let reverse = makeReverseMemory(layout, memory, stateGradient: stateGradient, context)
      for t in (0..<layout.steps).reversed() {
        runBack(t, layout, memory, reverse, outputGradient: dOutput.rows(layout.rows(t)), context)
      }
      addGradients(layout, memory, reverse, into: gradients, context)
      if memory.masks.inputs.count > 0 {
        passMaskedInput(input, memory, inputGradient: inputGradient, into: gradients, context)
      } else {
        InputProjection(weight: weightIH).backward(
          memory.gates, input, inputGradient: inputGradient, into: gradients, context)
      }
    }
  }

  // MARK: Variational dropout of the input

  /// y = x ∘ m, m the mask each sequence has for all its steps.
  private func mask(
    _ x: MatrixView<Element>, into y: MatrixView<Element>, firstRow: Int, _ context: LayerContext<Element>
  ) {
    guard let dropout = context.dropout else {
      preconditionFailure("the step was begun with dropout masks that its context no longer has")
    }
    Element.dropout(
      from: x, to: y, dropout.rows.dropFirst(firstRow).withoutTimes,
      dropout.key(.input, at: regularization.position), rate: regularization.variational.input)
  }

  /// The input as the product reads it.
  private func maskedInput(
    _ input: SequenceInput<Element>, _ memory: CellMemory<Element>, _ context: LayerContext<Element>
  ) -> SequenceInput<Element> {
    let x = memory.masks.inputs
    guard x.count > 0 else { return input }
    switch input {
    case .dense(let dense): mask(dense, into: x, firstRow: 0, context)
    case .indexed(let index, _, let table):
      let entries = context.parameters.matrix(table)
      x.gatherRows(of: entries, at: index)
      mask(x, into: x, firstRow: 0, context)
    }
    return .dense(x)
  }

  /// The gradient of W_ih, and through the mask that of the input or of its table.
  private func passMaskedInput(
    _ input: SequenceInput<Element>, _ memory: CellMemory<Element>, inputGradient: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let x = memory.masks.inputs
    var dx = inputGradient
    if case .indexed = input { dx = context.arena.matrix(x.rows, x.columns) }
    InputProjection(weight: weightIH).backward(
      memory.gates, .dense(x), inputGradient: dx, into: gradients, context)
    guard let dx else { return }
    mask(dx, into: dx, firstRow: 0, context)
    if case .indexed(let index, let count, let table) = input {
      gradients.addRows(dx.rows(0..<count), at: index, of: table)
    }
  }
}
