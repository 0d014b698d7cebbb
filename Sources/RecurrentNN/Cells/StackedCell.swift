import NumericKernels
import Parameters

/// Cells stacked into one cell: TensorFlow's MultiRNNCell.
///
/// ``stateSize`` has one entry for each cell, `(128, 128, 128)` for three of 128 units; the state is one
/// state a cell. The output is that of the top cell.
public struct StackedCell<Element: Scalar>: RecurrentCell {
  public let cells: [any RecurrentCell<Element>]
  private let stack: LayerStack<Element>

  /// Throws ``RepeatedCellError`` if a cell occurs twice: every layer needs weights of its own.
  public init(_ cells: [any RecurrentCell<Element>], dropout: Double = 0) throws(RepeatedCellError) {
    self.cells = cells
    stack = try LayerStack(cells, dropout: dropout)
  }

  public var dropout: Double { stack.dropout }
  public var inputSize: Int { stack.inputSize }
  public var outputSize: Int { stack.outputSize }
  public var stateSize: StateSize { stack.stateSize }
  public var parameters: [Parameter] { stack.parameters }

  // MARK: All steps at once, cell after cell

  public func unroll(
    _ input: SequenceInput<Element>, _ layout: PackedLayout, from initial: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    stack.unroll(input, layout, from: initial, context)
  }

  public func backpropagate(
    _ unrolled: Unrolled<Element>, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    stack.backpropagate(
      unrolled, outputGradient: outputGradient, stateGradient: stateGradient, inputGradient: inputGradient,
      into: gradients, context)
  }

  // MARK: Step by step, every cell in turn

  /// The parts of the state that belong to each cell.
  private var partRanges: [Range<Int>] {
    var next = 0
    return cells.map { cell in
      let first = next
      next += cell.stateSize.parts.count
      return first..<next
    }
  }

  public func begin(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    let children = zip(cells, partRanges).map { cell, parts in
      cell.begin(layout, from: Array(initial[parts]), context)
    }
    var trace = Unrolled(layout: layout, stacking: children)
    // A cell reads the output of the cell below as it is, or a copy with dropped units.
    trace.childInputs = children.dropLast().map { below in
      context.dropout == nil || dropout == 0
        ? below.output : context.arena.matrix(layout.rowCount, below.output.columns)
    }
    return trace
  }

  public func forward(
    step t: Int, _ input: MatrixView<Element>, _ trace: Unrolled<Element>, _ context: LayerContext<Element>
  ) {
    let rows = trace.layout.rows(t)
    var input = input
    for (position, cell) in cells.enumerated() {
      if position > 0 {
        input = trace.childInputs[position - 1].rows(rows)
        if let masks = context.dropout, dropout > 0 {
          Element.dropout(
            from: trace.children[position - 1].output.rows(rows), to: input,
            masks.rows.dropFirst(rows.lowerBound), masks.key(stream: position), rate: dropout)
        }
      }
      cell.forward(step: t, input, trace.children[position], context)
    }
  }

  public func finalState(
    _ trace: Unrolled<Element>, _ context: LayerContext<Element>
  ) -> [MatrixView<Element>] {
    zip(cells, trace.children).flatMap { $0.finalState($1, context) }
  }

  public func beginBackward(
    _ trace: Unrolled<Element>, stateGradient: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> BackwardTrace<Element> {
    var backward = BackwardTrace(trace, stateGradient: stateGradient)
    for (position, parts) in partRanges.enumerated() {
      backward.children.append(
        cells[position].beginBackward(
          trace.children[position], stateGradient: Array(stateGradient[parts]), context))
    }
    return backward
  }

  public func backward(
    step t: Int, _ trace: BackwardTrace<Element>, outputGradient: MatrixView<Element>,
    inputGradient: MatrixView<Element>?, _ context: LayerContext<Element>
  ) {
    let rows = trace.forward.layout.rows(t)
    context.arena.scoped {
      var gradient = outputGradient
      for (position, cell) in cells.enumerated().reversed() {
        let below = position == 0 ? inputGradient : context.arena.matrix(rows.count, cell.inputSize)
        cell.backward(
          step: t, trace.children[position], outputGradient: gradient, inputGradient: below, context)
        guard position > 0, let below else { break }
        if let masks = context.dropout, dropout > 0 {
          Element.dropout(
            from: below, to: below, masks.rows.dropFirst(rows.lowerBound), masks.key(stream: position),
            rate: dropout)
        }
        gradient = below
      }
    }
  }

  public func finishBackward(
    _ trace: BackwardTrace<Element>, inputs: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    for (position, cell) in cells.enumerated() {
      cell.finishBackward(
        trace.children[position], inputs: position == 0 ? inputs : trace.forward.childInputs[position - 1],
        into: gradients, context)
    }
  }
}
