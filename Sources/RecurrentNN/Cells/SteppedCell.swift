import NumericKernels
import Parameters

/// A single cell whose input enters by one product, W_ih x: all that its kinds have in common.
///
/// A kind of cell says what it keeps and what a step does once W_ih x is there; from that follow both ways to
/// run it: all steps at once, where that product is one for all steps, and step by step.
protocol SteppedCell<Element>: RecurrentCell {
  var weightIH: Parameter { get }

  /// Takes memory for all steps, copies the initial state.
  func makeMemory(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> CellMemory<Element>

  /// Step t; the rows of `memory.gates` hold W_ih x.
  func advance(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ context: LayerContext<Element>)

  /// The state of all steps, one matrix of slabs for each part.
  func slabs(_ memory: CellMemory<Element>) -> [MatrixView<Element>]

  func makeReverseMemory(
    _ layout: PackedLayout, stateGradient: [MatrixView<Element>], _ context: LayerContext<Element>
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

extension SteppedCell {
  // MARK: Forward

  public func begin(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    let memory = makeMemory(layout, from: initial, context)
    let slabs = slabs(memory)
    let batchSize = layout.batchSize
    var trace = Unrolled(
      layout: layout, output: slabs[0].rows(batchSize..<batchSize + layout.rowCount), slabs: slabs)
    trace.memory = memory
    return trace
  }

  public func forward(
    step t: Int, _ input: MatrixView<Element>, _ trace: Unrolled<Element>, _ context: LayerContext<Element>
  ) {
    let memory = trace.cellMemory
    context.packed(weightIH, transposed: true).multiply(
      input, into: memory.gates.rows(trace.layout.rows(t)), accumulate: false)
    advance(t, trace.layout, memory, context)
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
    let memory = trace.cellMemory
    InputProjection(weight: weightIH).forward(input, into: memory.gates, context)
    for t in 0..<layout.steps { advance(t, layout, memory, context) }
    trace.input = input
    trace.finalState = finalState(trace, context)
    return trace
  }

  // MARK: Backward

  public func beginBackward(
    _ trace: Unrolled<Element>, stateGradient: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> BackwardTrace<Element> {
    var backward = BackwardTrace(trace, stateGradient: stateGradient)
    backward.memory = makeReverseMemory(trace.layout, stateGradient: stateGradient, context)
    return backward
  }

  public func backward(
    step t: Int, _ trace: BackwardTrace<Element>, outputGradient: MatrixView<Element>,
    inputGradient: MatrixView<Element>?, _ context: LayerContext<Element>
  ) {
    let (layout, memory) = (trace.forward.layout, trace.forward.cellMemory)
    context.arena.scoped {
      retreat(
        t, layout, memory, trace.reverseMemory, outputGradient: outputGradient.contiguous(context.arena),
        context)
    }
    guard let inputGradient else { return }
    context.packed(weightIH, transposed: false).multiply(
      memory.gates.rows(layout.rows(t)), into: inputGradient, accumulate: false)
  }

  public func finishBackward(
    _ trace: BackwardTrace<Element>, inputs: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    let memory = trace.forward.cellMemory
    context.arena.scoped {
      addGradients(trace.forward.layout, memory, trace.reverseMemory, into: gradients, context)
    }
    InputProjection(weight: weightIH).backward(
      memory.gates, .dense(inputs), inputGradient: nil, into: gradients, context)
  }

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
      let reverse = makeReverseMemory(layout, stateGradient: stateGradient, context)
      for t in (0..<layout.steps).reversed() {
        retreat(t, layout, memory, reverse, outputGradient: dOutput.rows(layout.rows(t)), context)
      }
      addGradients(layout, memory, reverse, into: gradients, context)
      InputProjection(weight: weightIH).backward(
        memory.gates, input, inputGradient: inputGradient, into: gradients, context)
    }
  }
}
