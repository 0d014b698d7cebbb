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

  /// A network of cells with its dropout and connections.
  init(distinct cells: [any RecurrentCell<Element>], dropout: Double, connections: [LayerConnection]) {
    self.cells = cells
    stack = LayerStack(distinct: cells, dropout: dropout, connections: connections)
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

  public func begin(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    let children = zip(cells, stack.partRanges).map { cell, parts in
      cell.begin(layout, from: Array(initial[parts]), context)
    }
    return join(children, layout, context)
  }

  public func begin(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], knowing input: SequenceInput<Element>,
    columns: Int, _ context: LayerContext<Element>
  ) -> Unrolled<Element>? {
    let parts = stack.partRanges
    guard
      let lowest = cells[0].begin(
        layout, from: Array(initial[parts[0]]), knowing: input, columns: columns, context)
    else { return nil }
    let others = zip(cells, parts).dropFirst().map { $0.begin(layout, from: Array(initial[$1]), context) }
    return join([lowest] + others, layout, context)
  }

  private func join(
    _ children: [Unrolled<Element>], _ layout: PackedLayout, _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    let drops = context.dropout != nil && dropout > 0
    var levels: [StackLevel<Element>] = []
    for (below, child) in zip(children, children.dropFirst()) {
      let carried = levels.last?.output ?? below.output
      let read = drops ? context.arena.matrix(layout.rowCount, carried.columns) : carried
      levels.append(
        stack.connections[levels.count].makeLevel(
          carried: carried, read: read, computed: child.output, context))
    }
    return Unrolled(layout: layout, children: children, levels: levels)
  }

  public func forward(
    step t: Int, _ input: MatrixView<Element>, _ trace: Unrolled<Element>, _ context: LayerContext<Element>
  ) {
    let rows = trace.layout.rows(t)
    cells[0].forward(step: t, input, trace.children[0], context)
    for (position, cell) in cells.enumerated().dropFirst() {
      let level = trace.levels[position - 1]
      let read = level.read.rows(rows)
      if let masks = context.dropout, dropout > 0 {
        Element.dropout(
          from: level.carried.rows(rows), to: read, masks.rows.dropFirst(rows.lowerBound),
          masks.key(stream: position), rate: dropout)
      }
      cell.forward(step: t, read, trace.children[position], context)
      stack.connections[position - 1].join(level, rows: rows, context)
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
    for (position, parts) in stack.partRanges.enumerated() {
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
      for (position, cell) in cells.enumerated().dropFirst().reversed() {
        let (connection, level) = (stack.connections[position - 1], trace.forward.levels[position - 1])
        let below = context.arena.matrix(rows.count, cell.inputSize)
        var (carried, computed): (MatrixView<Element>?, MatrixView<Element>) = (nil, gradient)
        if !connection.isNone {
          let passed = context.arena.matrix(rows.count, cell.inputSize)
          computed = connection.split(level, rows: rows, gradient, carried: passed, context)
          carried = passed
        }
        cell.backward(
          step: t, trace.children[position], outputGradient: computed, inputGradient: below, context)
        if let masks = context.dropout, dropout > 0 {
          Element.dropout(
            from: below, to: below, masks.rows.dropFirst(rows.lowerBound), masks.key(stream: position),
            rate: dropout)
        }
        if let carried { below.add(carried) }
        gradient = below
      }
      cells[0].backward(
        step: t, trace.children[0], outputGradient: gradient, inputGradient: inputGradient, context)
    }
  }

  public func finishBackward(
    _ trace: BackwardTrace<Element>, inputs: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    cells[0].finishBackward(trace.children[0], inputs: inputs, into: gradients, context)
    for (position, cell) in cells.enumerated().dropFirst() {
      let level = trace.forward.levels[position - 1]
      stack.connections[position - 1].addGradients(level, to: gradients)
      cell.finishBackward(trace.children[position], inputs: level.read, into: gradients, context)
    }
  }

  public func finishKnown(
    _ trace: BackwardTrace<Element>, inputGradient: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    cells[0].finishKnown(trace.children[0], inputGradient: inputGradient, into: gradients, context)
  }
}
