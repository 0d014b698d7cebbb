import NumericKernels
import Options
import Parameters

/// Layers that each halve the number of time steps (Chan et al. 2016, "Listen, attend and spell", equation 5), so that a
/// decoder attends to few states of a long source.
///
///     x^{l+1}_t = [y^l_{2t}, y^l_{2t+1}],   y^{l+1} = layer(x^{l+1})
///
/// The lowest layer reads every step. The last step of an odd length is joined with zeros. The output has fewer steps than
/// the input: sequences of ⌈length / 2^(layers − 1)⌉ steps, in the order of the input's layout.
public struct PyramidalEncoder<Element: Scalar>: SequenceLayer {
  public let layers: [any SequenceLayer<Element>]
  /// Probability of dropping a unit of the inputs of the upper layers.
  public let dropout: Double
  /// The parts of the state that belong to each layer.
  private let partRanges: [Range<Int>]

  /// Throws ``RepeatedCellError`` if two of the layers are the same. Requires every layer but the lowest to
  /// read vectors twice as wide as the output of the layer below.
  public init(_ layers: [any SequenceLayer<Element>], dropout: Double = 0) throws(RepeatedCellError) {
    try requireDistinct(layers)
    self.init(distinct: layers, dropout: dropout)
  }

  private init(distinct layers: [any SequenceLayer<Element>], dropout: Double) {
    precondition(!layers.isEmpty, "a pyramid needs at least one layer")
    precondition((0..<1).contains(dropout), "dropout of \(dropout)")
    for (lower, upper) in zip(layers, layers.dropFirst()) {
      precondition(
        upper.inputSize == 2 * lower.outputSize,
        "a layer of input size \(upper.inputSize) above one of output size \(lower.outputSize) in a pyramid")
    }
    self.layers = layers
    self.dropout = dropout
    partRanges = consecutiveRanges(layers.map(\.stateSize.parts.count))
  }

  /// Equal layers with PyTorch's parameter names, `weight_ih_l0`, `weight_ih_l0_reverse`, …
  ///
  /// - Throws: `OptionError` if options exclude each other or are out of range.
  public init(
    _ options: NetworkOptions, inputSize: Int, in builder: inout ParameterLayout.Builder
  ) throws(OptionError) {
    try options.validate()
    if options.connection != .none {
      throw options.error(
        options.residual ? \.residual : \.highway,
        because: "is not for a pyramid, whose layers have wider inputs than outputs")
    }
    var (layers, width): ([any SequenceLayer<Element>], Int) = ([], inputSize)
    for index in 0..<options.layers {
      let layer: any SequenceLayer<Element> = options.makeLayer(index, inputSize: width, in: &builder)
      width = 2 * layer.outputSize
      layers.append(layer)
    }
    self.init(distinct: layers, dropout: options.dropout)
  }

  public var inputSize: Int { layers[0].inputSize }
  public var outputSize: Int { layers[layers.count - 1].outputSize }
  /// One entry for each layer.
  public var stateSize: StateSize { .stacked(layers.map(\.stateSize)) }
  public var parameters: [Parameter] { layers.flatMap(\.parameters) }

  // MARK: Forward

  /// Runs all layers. The layout of the result is that of the output; the masks of the context are those of `layout`.
  public func unroll(
    _ input: SequenceInput<Element>, _ layout: PackedLayout, from initial: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    var children: [Unrolled<Element>] = []
    var (below, layout) = (input, layout)
    for (position, layer) in layers.enumerated() {
      if position > 0 { layout = layout.halved }
      let own = masked(layout, context, isLowest: position == 0)
      if let lower = children.last {
        let joined = join(lower.output, lower.layout, context)
        own.drop(joined, rate: dropout, stream: position)
        below = .dense(joined)
      }
      children.append(layer.unroll(below, layout, from: Array(initial[partRanges[position]]), own))
    }
    var trace = Unrolled(layout: layout, output: children[children.count - 1].output, slabs: [])
    trace.input = input
    trace.finalState = children.flatMap(\.finalState)
    trace.children = children
    return trace
  }

  /// [rows, W] to [rows of half the steps, 2W].
  private func join(
    _ x: MatrixView<Element>, _ layout: PackedLayout, _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    let (half, width) = (layout.halved, x.columns)
    let joined = context.arena.matrix(half.rowCount, 2 * width)
    forEachPair(layout, half) { rows, first, second in
      let target = joined.rows(rows)
      target.columns(0..<width).copy(from: x.rows(first))
      // The sequences that run longest come first: those without a second step are the last rows.
      let right = target.columns(width..<2 * width)
      right.rows(0..<second.count).copy(from: x.rows(second))
      right.rows(second.count..<rows.count).fill(0)
    }
    return joined
  }

  /// Calls `body` with the rows of each halved step and the rows of the two steps that it joins.
  private func forEachPair(
    _ layout: PackedLayout, _ half: PackedLayout, _ body: (Range<Int>, Range<Int>, Range<Int>) -> Void
  ) {
    for step in 0..<half.steps {
      let end = layout.offsets[min(2 * step + 1, layout.steps)]
      body(
        half.rows(step), layout.rows(2 * step),
        2 * step + 1 < layout.steps ? layout.rows(2 * step + 1) : end..<end)
    }
  }

  // MARK: Masks

  /// The context of a layer, whose masks are those of its own rows: the sample of each row and its step in the layer's time.
  private func masked(
    _ layout: PackedLayout, _ context: LayerContext<Element>, isLowest: Bool
  ) -> LayerContext<Element> {
    guard let masks = context.dropout, !isLowest else { return context }
    let rows = layout.coordinates(context.arena) { masks.rows.samples[$0] }
    return context.with(masks.at(rows: rows, firstStream: masks.firstStream))
  }

  // MARK: Backward

  public func backpropagate(
    _ trace: Unrolled<Element>, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    context.arena.scoped {
      var gradient = outputGradient
      for (position, layer) in layers.enumerated().reversed() {
        let child = trace.children[position]
        let isLowest = position == 0
        let below = isLowest ? inputGradient : context.arena.matrix(child.layout.rowCount, layer.inputSize)
        let own = masked(child.layout, context, isLowest: isLowest)
        layer.backpropagate(
          child, outputGradient: gradient, stateGradient: Array(stateGradient[partRanges[position]]),
          inputGradient: below, into: gradients, own)
        guard !isLowest, let below else { return }
        own.drop(below, rate: dropout, stream: position)
        gradient = separate(below, trace.children[position - 1].layout, context)
      }
    }
  }

  /// The inverse of `join`.
  private func separate(
    _ joined: MatrixView<Element>, _ layout: PackedLayout, _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    let width = joined.columns / 2
    let x = context.arena.matrix(layout.rowCount, width)
    forEachPair(layout, layout.halved) { rows, first, second in
      let source = joined.rows(rows)
      x.rows(first).copy(from: source.columns(0..<width))
      x.rows(second).copy(from: source.columns(width..<2 * width).rows(0..<second.count))
    }
    return x
  }
}
