import NumericKernels
import Parameters

/// The sizes and options of the encoder of one source.
public struct EncoderShape: Sendable, Hashable {
  public var input: InputShape
  public var cell: CellOptions
  /// Units of each direction.
  public var hiddenSize: Int
  public var layers: Int
  public var bidirectional: Bool
  /// Probability to drop a unit between layers, when training.
  public var dropout: Double
  /// Probability to drop a unit of the input vectors.
  public var embeddingDropout: Double
  /// What leads around every layer but the lowest.
  public var connection: LayerConnectionKind
  /// Pyramidal layers on top, each of which halves the number of states (Chan et al. 2016).
  public var pyramid: Int

  public init(
    _ input: InputShape, cell: CellOptions = .lstm(), hiddenSize: Int, layers: Int = 1,
    bidirectional: Bool = false,
    dropout: Double = 0, embeddingDropout: Double = 0, connection: LayerConnectionKind = .none,
    pyramid: Int = 0
  ) {
    self.input = input
    self.cell = cell
    self.hiddenSize = hiddenSize
    self.layers = layers
    self.bidirectional = bidirectional
    self.dropout = dropout
    self.embeddingDropout = embeddingDropout
    self.connection = connection
    self.pyramid = pyramid
  }

  /// The recurrent layers.
  var network: NetworkOptions {
    NetworkOptions(
      cell, hiddenSize: hiddenSize, layers: layers, bidirectional: bidirectional, dropout: dropout,
      connection: connection)
  }
}

/// Reads a source: an embedding (or vectors as they are) and a stack of layers in one or two directions.
///
/// Parameters: `embedding.weight`, `rnn.weight_ih_l0` …, as PyTorch names them.
struct Encoder<Element: Scalar>: Sendable {
  let embedding: InputEmbedding<Element>
  private let body: Body

  /// The recurrent layers: as many outputs as inputs, or fewer.
  private enum Body {
    case stack(LayerStack<Element>)
    case pyramid(PyramidalEncoder<Element>)
  }

  /// - Parameter sharedTable: a table of embeddings that exists already.
  init(
    _ shape: EncoderShape, sharedTable: Parameter?, in builder: inout ParameterLayout.Builder
  ) {
    embedding = builder.scoped("embedding") { builder in
      if let sharedTable {
        InputEmbedding(sharing: sharedTable, dropout: shape.embeddingDropout, in: &builder)
      } else {
        InputEmbedding(shape.input, dropout: shape.embeddingDropout, in: &builder)
      }
    }
    let inputSize = embedding.outputSize
    body = builder.scoped("rnn") { builder in
      guard shape.pyramid > 0 else {
        return .stack(LayerStack(valid: shape.network, inputSize: inputSize, in: &builder))
      }
      var network = shape.network
      network.layers = 1 + shape.pyramid
      return .pyramid(PyramidalEncoder(valid: network, inputSize: inputSize, in: &builder))
    }
  }

  private var layers: [any SequenceLayer<Element>] {
    switch body {
    case .stack(let stack): stack.layers
    case .pyramid(let pyramid): pyramid.layers
    }
  }
  private var stateSize: StateSize { .stacked(layers.map(\.stateSize)) }

  var outputSize: Int { layers[layers.count - 1].outputSize }
  /// Number of layers whose final states can be asked for.
  var layerCount: Int { layers.count }

  /// Weights multiplied for each source step.
  var multipliedWeights: Int {
    layers.flatMap(\.parameters).filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
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
    fileprivate let inputRows: Int
    fileprivate let trace: BodyTrace
    fileprivate let context: LayerContext<Element>
  }

  fileprivate enum BodyTrace {
    case stack(Unrolled<Element>)
    case pyramid(PyramidalEncoder<Element>.Trace)
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
    let zeros = stateSize.parts.map { context.arena.zeros(source.count, $0) }
    switch body {
    case .stack(let stack):
      let unrolled = stack.unroll(input.output, layout, from: zeros, masked)
      return Pass(
        layout: layout, output: unrolled.output, finalState: unrolled.finalState, input: input,
        inputRows: layout.rowCount, trace: .stack(unrolled), context: masked)
    case .pyramid(let pyramid):
      let trace = pyramid.unroll(input.output, layout, from: zeros, masked)
      return Pass(
        layout: trace.layout, output: trace.output, finalState: trace.finalState, input: input,
        inputRows: layout.rowCount, trace: .pyramid(trace), context: masked)
    }
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
        embedding.needsGradient(pass.input) ? arena.matrix(pass.inputRows, embedding.outputSize) : nil
      switch (body, pass.trace) {
      case (.stack(let stack), .stack(let unrolled)):
        stack.backpropagate(
          unrolled, outputGradient: outputGradient, stateGradient: stateGradient, inputGradient: dInput,
          into: gradients, pass.context)
      case (.pyramid(let pyramid), .pyramid(let trace)):
        pyramid.backpropagate(
          trace, outputGradient: outputGradient, stateGradient: stateGradient, inputGradient: dInput,
          into: gradients, pass.context)
      default:
        preconditionFailure("backward of an encoder needs what its own forward returned")
      }
      if let dInput { embedding.backward(pass.input, gradient: dInput, into: gradients, pass.context) }
    }
  }

  /// The parts of the state that are a layer's hidden states, one for each direction, and its cell states if it has any.
  func stateParts(ofLayer layer: Int) -> (hidden: [Int], cell: [Int]) {
    var next = layers[..<layer].reduce(0) { $0 + $1.stateSize.parts.count }
    return layers[layer].stateSize.kindsOfParts(from: &next)
  }

  /// Widths of those parts together.
  func stateWidths(ofLayer layer: Int) -> (hidden: Int, cell: Int) {
    let (parts, sizes) = (stateParts(ofLayer: layer), stateSize.parts)
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
