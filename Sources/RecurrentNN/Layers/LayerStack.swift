import NumericKernels
import Parameters

/// Layers on top of each other: the output of one is the input of the next, with dropout between them.
///
/// This is torch.nn.LSTM(num_layers:) for any layers. Dropout (inverted, Srivastava et al. 2014) acts on the
/// input of every layer but the lowest; its masks are keyed by the layer's position, see ``DropoutContext``.
/// Residual or highway connections may lead around these layers, see ``LayerConnectionKind``.
public struct LayerStack<Element: Scalar>: SequenceLayer {
  public let layers: [any SequenceLayer<Element>]
  /// Probability to drop a unit between two layers.
  public let dropout: Double
  /// For every layer but the lowest what leads around it.
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

  /// Layers that are known to be distinct.
  init(
    distinct layers: [any SequenceLayer<Element>], dropout: Double, connections: [LayerConnection]? = nil
  ) {
    precondition(!layers.isEmpty, "a stack needs at least one layer")
    precondition((0..<1).contains(dropout), "dropout of \(dropout)")
    self.layers = layers
    self.dropout = dropout
    self.connections = connections ?? Array(repeating: .none, count: layers.count - 1)
    stateParts = layers.flatMap(\.stateSize.parts)
    var next = 0
    partRanges = layers.map { layer in
      let first = next
      next += layer.stateSize.parts.count
      return first..<next
    }
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
      let read = dropped(carried, below: children.count, context)
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

  /// A copy with dropped units, or the matrix itself if nothing is dropped: the layer below still needs its
  /// own output.
  private func dropped(
    _ output: MatrixView<Element>, below position: Int, _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    guard let masks = context.dropout, dropout > 0 else { return output }
    let result = context.arena.matrix(output.rows, output.columns)
    Element.dropout(from: output, to: result, masks.rows, masks.key(stream: position), rate: dropout)
    return result
  }

  public func backpropagate(
    _ unrolled: Unrolled<Element>, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    let rows = 0..<unrolled.layout.rowCount
    context.arena.scoped {
      var gradient = outputGradient
      for (position, layer) in layers.enumerated().reversed() {
        let state = Array(stateGradient[partRanges[position]])
        guard position > 0 else {
          layer.backpropagate(
            unrolled.children[0], outputGradient: gradient, stateGradient: state,
            inputGradient: inputGradient, into: gradients, context)
          return
        }
        let below = context.arena.matrix(rows.count, layer.inputSize)
        let (connection, level) = (connections[position - 1], unrolled.levels[position - 1])
        var (carried, computed): (MatrixView<Element>?, MatrixView<Element>) = (nil, gradient)
        if !connection.isNone {
          let passed = context.arena.matrix(rows.count, layer.inputSize)
          computed = connection.split(level, rows: rows, gradient, carried: passed, context)
          connection.addGradients(level, to: gradients)
          carried = passed
        }
        layer.backpropagate(
          unrolled.children[position], outputGradient: computed, stateGradient: state, inputGradient: below,
          into: gradients, context)
        if let masks = context.dropout, dropout > 0 {
          Element.dropout(from: below, to: below, masks.rows, masks.key(stream: position), rate: dropout)
        }
        if let carried { below.add(carried) }
        gradient = below
      }
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
