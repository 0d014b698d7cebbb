import NumericKernels
import Parameters

/// Layers on top of each other: the output of one is the input of the next, with dropout between them.
///
/// This is torch.nn.LSTM(num_layers:) for any layers. Dropout (inverted, Srivastava et al. 2014) acts on the
/// output of every layer but the last; its masks are keyed by the layer's position, see ``DropoutContext``.
public struct LayerStack<Element: Scalar>: SequenceLayer {
  public let layers: [any SequenceLayer<Element>]
  /// Probability to drop a unit between two layers.
  public let dropout: Double

  /// Throws ``RepeatedCellError`` if two of the layers are the same. Requires fitting sizes and 0 <= dropout
  /// < 1.
  public init(_ layers: [any SequenceLayer<Element>], dropout: Double = 0) throws(RepeatedCellError) {
    precondition(!layers.isEmpty, "a stack needs at least one layer")
    precondition((0..<1).contains(dropout), "dropout of \(dropout)")
    try requireDistinct(layers)
    for (lower, upper) in zip(layers, layers.dropFirst()) {
      precondition(
        lower.outputSize == upper.inputSize,
        "a layer of output size \(lower.outputSize) below one of input size \(upper.inputSize)")
    }
    self.layers = layers
    self.dropout = dropout
  }

  public var inputSize: Int { layers[0].inputSize }
  public var outputSize: Int { layers[layers.count - 1].outputSize }
  public var stateSize: StateSize { .stacked(layers.map(\.stateSize)) }
  public var parameters: [Parameter] { layers.flatMap(\.parameters) }

  public func unroll(
    _ input: SequenceInput<Element>, _ layout: PackedLayout, from initial: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    var children: [Unrolled<Element>] = []
    var finalState: [MatrixView<Element>] = []
    var (input, part) = (input, 0)
    for (position, layer) in layers.enumerated() {
      let parts = layer.stateSize.parts.count
      let child = layer.unroll(input, layout, from: Array(initial[part..<part + parts]), context)
      part += parts
      finalState += child.finalState
      children.append(child)
      if position < layers.count - 1 { input = .dense(dropped(child.output, after: position, context)) }
    }
    var trace = Unrolled(layout: layout, stacking: children)
    trace.input = children[0].input
    trace.finalState = finalState
    return trace
  }

  /// A copy with dropped units, or the matrix itself if nothing is dropped: the layer below still needs its
  /// own output.
  private func dropped(
    _ output: MatrixView<Element>, after position: Int, _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    guard let masks = context.dropout, dropout > 0 else { return output }
    let result = context.arena.matrix(output.rows, output.columns)
    Element.dropout(from: output, to: result, masks.rows, masks.key(stream: position + 1), rate: dropout)
    return result
  }

  public func backpropagate(
    _ unrolled: Unrolled<Element>, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    context.arena.scoped {
      var gradient = outputGradient
      var part = stateGradient.count
      for (position, layer) in layers.enumerated().reversed() {
        let parts = layer.stateSize.parts.count
        part -= parts
        let below =
          position == 0 ? inputGradient : context.arena.matrix(gradient.rows, layer.inputSize)
        layer.backpropagate(
          unrolled.children[position], outputGradient: gradient,
          stateGradient: Array(stateGradient[part..<part + parts]), inputGradient: below, into: gradients,
          context)
        guard position > 0, let below else { break }
        if let masks = context.dropout, dropout > 0 {
          Element.dropout(from: below, to: below, masks.rows, masks.key(stream: position), rate: dropout)
        }
        gradient = below
      }
    }
  }
}

extension Unrolled {
  /// The trace of a stack: its output is that of the top layer.
  init(layout: PackedLayout, stacking children: [Unrolled]) {
    let top = children[children.count - 1]
    let slabs = children.flatMap(\.slabs)
    self.init(
      layout: layout, output: top.output, slabs: slabs, topPart: slabs.count - top.slabs.count + top.topPart)
    self.children = children
  }
}
