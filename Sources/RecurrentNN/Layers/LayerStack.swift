import NumericKernels
import Parameters

/// Layers on top of each other: the output of one is the input of the next, with dropout between them.
///
/// This is torch.nn.LSTM(num_layers:) for any layers. Dropout (inverted, Srivastava et al. 2014) acts on the
/// input of every layer but the lowest; its masks are keyed by the layer's position, see ``DropoutContext``.
/// Residual or highway connections may lead around these layers, see ``LayerConnectionKind``.
public struct LayerStack<Element: Scalar>: SequenceLayer {
  public let layers: [any SequenceLayer<Element>]
  /// Probability of dropping a unit between two layers.
  public let dropout: Double
  /// The connections around every layer but the lowest.
  let connections: [LayerConnection]
  /// The parts of the state that belong to each layer.
  let partRanges: [Range<Int>]
  /// Widths of the state's matrices.
  let stateParts: [Int]

  /// Throws ``RepeatedCellError`` if two of the layers are the same. Requires fitting sizes and 0 <= dropout
  /// < 1.
  public init(_ layers: [any SequenceLayer<Element>], dropout: Double = 0) throws(RepeatedCellError) {
    try requireDistinct(layers)
    self.init(distinct: layers, dropout: dropout)
  }

  /// Requires layers that are known to be distinct.
  init(
    distinct layers: [any SequenceLayer<Element>], dropout: Double, connections: [LayerConnection]? = nil
  ) {
    precondition(!layers.isEmpty, "a stack needs at least one layer")
    precondition((0..<1).contains(dropout), "dropout of \(dropout)")
    self.layers = layers
    self.dropout = dropout
    self.connections = connections ?? Array(repeating: .none, count: layers.count - 1)
    stateParts = layers.flatMap(\.stateSize.parts)
    partRanges = consecutiveRanges(layers.map(\.stateSize.parts.count))
    for (lower, upper) in zip(layers, layers.dropFirst()) {
      precondition(
        lower.outputSize == upper.inputSize,
        "a layer of output size \(lower.outputSize) below one of input size \(upper.inputSize)")
    }
    for (layer, connection) in zip(layers.dropFirst(), self.connections) {
      precondition(
        connection.isNone || layer.inputSize == layer.outputSize,
        "a connection around a layer of input size \(layer.inputSize) and output size \(layer.outputSize)")
    }
  }

  public var inputSize: Int { layers[0].inputSize }
  public var outputSize: Int { layers[layers.count - 1].outputSize }
  public var stateSize: StateSize { .stacked(layers.map(\.stateSize)) }
  public var parameters: [Parameter] {
    layers[0].parameters + zip(layers.dropFirst(), connections).flatMap { $0.parameters + $1.parameters }
  }

  @_specialize(where Element == Float)
  public func unroll(
    _ input: SequenceInput<Element>, _ layout: PackedLayout, from initial: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    var children: [Unrolled<Element>] = []
    var levels: [StackLevel<Element>] = []
    for (layer, parts) in zip(layers, partRanges) {
      let state = Array(initial[parts])
      guard let below = children.last else {
        children.append(layer.unroll(input, layout, from: state, context))
        continue
      }
      let carried = levels.last?.output ?? below.output
      let read = context.dropped(carried, rate: dropout, stream: children.count)
      let child = layer.unroll(.dense(read), layout, from: state, context)
      let connection = connections[levels.count]
      let level = connection.makeLevel(carried: carried, read: read, computed: child.output, context)
      connection.join(level, rows: 0..<layout.rowCount, context)
      children.append(child)
      levels.append(level)
    }
    var trace = Unrolled(layout: layout, children: children, levels: levels)
    trace.input = input
    trace.finalState = children.flatMap(\.finalState)
    return trace
  }

  /// Propagates a gradient back through a layer above the lowest and its dropout and connection.
  ///
  /// - Parameters:
  ///   - rows: the rows of the gradient.
  ///   - gradient: the gradient of the level's output.
  ///   - layer: overwrites the gradient of the layer's input, given that of its output.
  /// - Returns: the gradient of the output of the level below, in arena memory.
  func passBack(
    _ position: Int, _ level: StackLevel<Element>, rows: Range<Int>, _ gradient: MatrixView<Element>,
    _ context: LayerContext<Element>,
    through layer: (_ computed: MatrixView<Element>, _ below: MatrixView<Element>) -> Void
  ) -> MatrixView<Element> {
    let below = context.arena.matrix(rows.count, layers[position].inputSize)
    let (computed, carried) = connections[position - 1].split(level, rows: rows, gradient, context)
    layer(computed, below)
    context.drop(below, rate: dropout, stream: position, firstRow: rows.lowerBound)
    if let carried { below.add(carried) }
    return below
  }

  @_specialize(where Element == Float)
  public func backpropagate(
    _ unrolled: Unrolled<Element>, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    let rows = 0..<unrolled.layout.rowCount
    context.arena.scoped {
      var gradient = outputGradient
      for (position, layer) in layers.enumerated().dropFirst().reversed() {
        let level = unrolled.levels[position - 1]
        gradient = passBack(position, level, rows: rows, gradient, context) { computed, below in
          layer.backpropagate(
            unrolled.children[position], outputGradient: computed,
            stateGradient: Array(stateGradient[partRanges[position]]), inputGradient: below, into: gradients,
            context)
        }
        connections[position - 1].addGradients(level, to: gradients, context)
      }
      layers[0].backpropagate(
        unrolled.children[0], outputGradient: gradient, stateGradient: Array(stateGradient[partRanges[0]]),
        inputGradient: inputGradient, into: gradients, context)
    }
  }
}

extension Unrolled {
  /// The trace of a stack: its output is that of the top level.
  init(layout: PackedLayout, children: [Unrolled], levels: [StackLevel<Element>]) {
    let top = children[children.count - 1]
    let slabs = children.flatMap(\.slabs)
    self.init(
      layout: layout, output: levels.last?.output ?? top.output, slabs: slabs,
      topPart: slabs.count - top.slabs.count + top.topPart)
    self.children = children
    self.levels = levels
  }
}

/// Cells stacked into one cell: TensorFlow's MultiRNNCell.
///
/// ``stateSize`` has one entry for each cell, `(128, 128, 128)` for three of 128 units; the state has one state per cell.
/// The output is that of the top cell.
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

  public func needsWholeInputs(_ context: LayerContext<Element>) -> Bool {
    cells[0].needsWholeInputs(context)
  }

  public func begin(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], precomputing known: SequenceInput<Element>?,
    _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    let children = zip(cells, stack.partRanges).enumerated().map { position, cell in
      cell.0.begin(
        layout, from: Array(initial[cell.1]), precomputing: position == 0 ? known : nil, context)
    }
    let drops = context.dropout != nil && stack.dropout > 0
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
      context.drop(
        level.carried.rows(rows), into: read, rate: stack.dropout, stream: position, firstRow: rows.lowerBound
      )
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
        let level = trace.forward.levels[position - 1]
        gradient = stack.passBack(position, level, rows: rows, gradient, context) { computed, below in
          cell.backward(
            step: t, trace.children[position], outputGradient: computed, inputGradient: below, context)
        }
      }
      cells[0].backward(
        step: t, trace.children[0], outputGradient: gradient, inputGradient: inputGradient, context)
    }
  }

  public func finishBackward(
    _ trace: BackwardTrace<Element>, inputs: MatrixView<Element>, precomputedGradient: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    cells[0].finishBackward(
      trace.children[0], inputs: inputs, precomputedGradient: precomputedGradient, into: gradients, context)
    for (position, cell) in cells.enumerated().dropFirst() {
      let level = trace.forward.levels[position - 1]
      stack.connections[position - 1].addGradients(level, to: gradients, context)
      cell.finishBackward(
        trace.children[position], inputs: level.read, precomputedGradient: nil, into: gradients, context)
    }
  }
}

// MARK: - Distinct cells

/// Stacked or combined cells must be different cells.
public struct RepeatedCellError: Error, Hashable, CustomStringConvertible {
  /// Positions of the two equal cells.
  public let first: Int
  public let second: Int
  /// Name of a parameter both would use.
  public let parameter: String

  public var description: String {
    """
    cells \(first) and \(second) of the stack are the same cell (both use parameter \(parameter)): a cell owns \
    one set of weights, so stacking it twice would tie the two layers together. Make a new cell for every \
    layer, for example with (0..<layers).map { _ in makeCell() }
    """
  }
}

/// Throws ``RepeatedCellError`` if two layers share a parameter.
func requireDistinct<Element>(_ layers: [any SequenceLayer<Element>]) throws(RepeatedCellError) {
  var owner: [Int: Int] = [:]
  for (position, layer) in layers.enumerated() {
    for parameter in layer.parameters {
      if let first = owner[parameter.offset] {
        throw RepeatedCellError(first: first, second: position, parameter: parameter.name)
      }
    }
    for parameter in layer.parameters { owner[parameter.offset] = position }
  }
}
