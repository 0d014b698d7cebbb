import NumericKernels
import Parameters

/// The sizes and options of the encoder of one source.
public struct EncoderShape: Sendable, Hashable {
  public var input: InputShape
  public var cell: CellKind
  /// Units of each direction.
  public var hiddenSize: Int
  public var layers: Int
  public var bidirectional: Bool
  /// Probability to drop a unit between layers, when training.
  public var dropout: Double
  /// Probability to drop a unit of the input vectors.
  public var embeddingDropout: Double

  public init(
    _ input: InputShape, cell: CellKind = .lstm(), hiddenSize: Int, layers: Int = 1,
    bidirectional: Bool = false,
    dropout: Double = 0, embeddingDropout: Double = 0
  ) {
    self.input = input
    self.cell = cell
    self.hiddenSize = hiddenSize
    self.layers = layers
    self.bidirectional = bidirectional
    self.dropout = dropout
    self.embeddingDropout = embeddingDropout
  }
}

/// Reads a source: an embedding (or vectors as they are) and a stack of layers in one or two directions.
///
/// Parameters: `embedding.weight`, `rnn.weight_ih_l0` …, as PyTorch names them.
struct Encoder<Element: Scalar>: Sendable {
  let embedding: InputEmbedding<Element>
  let stack: LayerStack<Element>

  /// - Parameter sharedTable: a table of embeddings that exists already.
  init(
    _ shape: EncoderShape, sharedTable: Parameter?, in builder: inout ParameterLayout.Builder
  ) throws(RepeatedCellError) {
    embedding = builder.scoped("embedding") { builder in
      if let sharedTable {
        InputEmbedding(sharing: sharedTable, dropout: shape.embeddingDropout, in: &builder)
      } else {
        InputEmbedding(shape.input, dropout: shape.embeddingDropout, in: &builder)
      }
    }
    let inputSize = embedding.outputSize
    stack = try builder.scoped("rnn") { builder throws(RepeatedCellError) in
      try LayerStack(
        shape.cell, inputSize: inputSize, hiddenSize: shape.hiddenSize, layers: shape.layers,
        bidirectional: shape.bidirectional, dropout: shape.dropout, in: &builder)
    }
  }

  var outputSize: Int { stack.outputSize }
  /// Number of layers whose final states can be asked for.
  var layerCount: Int { stack.layers.count }

  /// Weights multiplied for each source step.
  var multipliedWeights: Int {
    stack.parameters.filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
  }

  /// What the forward pass keeps. Others need its `layout`, `output` and `finalState` only, so that an encoder whose
  /// outputs are fewer than its inputs can take this one's place.
  struct Pass {
    /// How outputs lie, sorted by length.
    let layout: PackedLayout
    /// [rowCount, outputSize].
    let output: MatrixView<Element>
    /// [batchSize, part] for each part of the stack's state, in sorted order.
    let finalState: [MatrixView<Element>]
    fileprivate let input: InputEmbedding<Element>.Trace
    fileprivate let unrolled: Unrolled<Element>
    fileprivate let context: LayerContext<Element>
  }

  /// - Parameters:
  ///   - masks: the samples of a batch in training; nil: nothing is dropped.
  ///   - firstStream: of the masks.
  func forward(
    _ source: InputSequences<Element>, masks: SampleMasks?, firstStream: Int, _ context: LayerContext<Element>
  ) -> Pass {
    let layout = PackedLayout(lengths: source.lengths)
    let masked = context.masked(by: masks, layout, firstStream: firstStream)
    let input = embedding.forward(source, layout, masked)
    let zeros = stack.stateSize.parts.map { context.arena.zeros(source.count, $0) }
    let unrolled = stack.unroll(input.output, layout, from: zeros, masked)
    return Pass(
      layout: layout, output: unrolled.output, finalState: unrolled.finalState, input: input,
      unrolled: unrolled,
      context: masked)
  }

  /// ADDS the gradients of all parameters.
  ///
  /// - Parameters:
  ///   - outputGradient: [rowCount, outputSize].
  ///   - stateGradient: of the final states, overwritten.
  func backward(
    _ pass: Pass, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    into gradients: ParameterBuffer<Element>
  ) {
    let arena = pass.context.arena
    arena.scoped {
      let dInput =
        embedding.needsGradient(pass.input) ? arena.matrix(pass.layout.rowCount, embedding.outputSize) : nil
      stack.backpropagate(
        pass.unrolled, outputGradient: outputGradient, stateGradient: stateGradient, inputGradient: dInput,
        into: gradients, pass.context)
      if let dInput { embedding.backward(pass.input, gradient: dInput, into: gradients, pass.context) }
    }
  }

  /// The parts of the state that are a layer's hidden states, one for each direction, and its cell states if it has any.
  func stateParts(ofLayer layer: Int) -> (hidden: [Int], cell: [Int]) {
    var next = stack.layers[..<layer].reduce(0) { $0 + $1.stateSize.parts.count }
    return stack.layers[layer].stateSize.kindsOfParts(from: &next)
  }

  /// Widths of those parts together.
  func stateWidths(ofLayer layer: Int) -> (hidden: Int, cell: Int) {
    let (parts, sizes) = (stateParts(ofLayer: layer), stack.stateSize.parts)
    return (parts.hidden.reduce(0) { $0 + sizes[$1] }, parts.cell.reduce(0) { $0 + sizes[$1] })
  }
}

extension StateSize {
  /// Which parts, numbered from `next` on, are hidden states and which are cell states.
  func kindsOfParts(from next: inout Int) -> (hidden: [Int], cell: [Int]) {
    switch self {
    case .vector:
      next += 1
      return ([next - 1], [])
    case .lstm:
      next += 2
      return ([next - 2], [next - 1])
    case .stacked(let sizes):
      var all: (hidden: [Int], cell: [Int]) = ([], [])
      for size in sizes {
        let parts = size.kindsOfParts(from: &next)
        all = (all.hidden + parts.hidden, all.cell + parts.cell)
      }
      return all
    }
  }
}
