import NumericKernels
import Options
import Parameters

/// The sizes and options of the encoder of one source.
public struct EncoderShape: Sendable, Hashable {
  public var input: InputShape
  /// Cells, units of each direction, layers, dropout between layers.
  public var network: NetworkOptions
  /// Every layer but the lowest reads pairs of steps, see ``PyramidalEncoder``: for long sources.
  public var pyramidal: Bool
  /// Probability to drop a unit of the input vectors, when training.
  public var embeddingDropout: Double
  /// Whether tokens are replaced by the unknown one, when training.
  public var wordDropout: WordDropout?

  public init(
    _ input: InputShape, network: NetworkOptions, pyramidal: Bool = false, embeddingDropout: Double = 0,
    wordDropout: WordDropout? = nil
  ) {
    self.input = input
    self.network = network
    self.pyramidal = pyramidal
    self.embeddingDropout = embeddingDropout
    self.wordDropout = wordDropout
  }

  /// An encoder with the usual options only.
  public init(
    _ input: InputShape, cell: CellOptions = .lstm(), hiddenSize: Int, layers: Int = 1,
    bidirectional: Bool = false,
    dropout: Double = 0, embeddingDropout: Double = 0
  ) {
    self.init(
      input,
      network: NetworkOptions(
        cell, hiddenSize: hiddenSize, layers: layers, bidirectional: bidirectional,
        dropout: dropout),
      embeddingDropout: embeddingDropout)
  }
}

/// Reads a source: an embedding (or vectors as they are) and a stack or a pyramid of layers in one or two directions.
///
/// Parameters: `embedding.weight`, `rnn.weight_ih_l0` …, as PyTorch names them.
struct Encoder<Element: Scalar>: Sendable {
  let embedding: InputEmbedding<Element>
  private let network: Network
  /// Widths of the state's matrices.
  private let partSizes: [Int]
  /// The parts of the state that are a layer's hidden states, one for each direction, and its cell states if it has any.
  private let layerParts: [(hidden: [Int], cell: [Int])]

  private enum Network: Sendable {
    case stack(LayerStack<Element>)
    case pyramid(PyramidalEncoder<Element>)

    var layers: [any SequenceLayer<Element>] {
      switch self {
      case .stack(let stack): stack.layers
      case .pyramid(let pyramid): pyramid.layers
      }
    }
  }

  /// - Parameter sharedTable: a table of embeddings that exists already.
  init(
    _ shape: EncoderShape, sharedTable: Parameter?, in builder: inout ParameterLayout.Builder
  ) throws(OptionError) {
    embedding = builder.scoped("embedding") { builder in
      if let sharedTable {
        InputEmbedding(
          sharing: sharedTable, dropout: shape.embeddingDropout, wordDropout: shape.wordDropout, in: &builder)
      } else {
        InputEmbedding(
          shape.input, dropout: shape.embeddingDropout, wordDropout: shape.wordDropout, in: &builder)
      }
    }
    let inputSize = embedding.outputSize
    let network: Network = try builder.scoped("rnn") { builder throws(OptionError) in
      shape.pyramidal
        ? .pyramid(try PyramidalEncoder(shape.network, inputSize: inputSize, in: &builder))
        : .stack(try LayerStack(shape.network, inputSize: inputSize, in: &builder))
    }
    self.network = network
    partSizes = network.layers.flatMap(\.stateSize.parts)
    var next = 0
    layerParts = network.layers.map { $0.stateSize.kindsOfParts(from: &next) }
  }

  private var layers: [any SequenceLayer<Element>] { network.layers }

  private var parameters: [Parameter] {
    switch network {
    case .stack(let stack): stack.parameters
    case .pyramid(let pyramid): pyramid.parameters
    }
  }

  var outputSize: Int { layers[layers.count - 1].outputSize }
  /// Number of layers whose final states can be asked for.
  var layerCount: Int { layers.count }

  /// Weights multiplied for each source step.
  var multipliedWeights: Int {
    parameters.filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
  }

  /// What the forward pass keeps.
  struct Pass {
    /// How outputs lie, sorted by length; of a pyramid they are fewer than the inputs.
    let layout: PackedLayout
    /// [rowCount, outputSize].
    let output: MatrixView<Element>
    /// [batchSize, part] for each part of the stack's state, in sorted order.
    let finalState: [MatrixView<Element>]
    fileprivate let input: InputEmbedding<Element>.Trace
    fileprivate let rowCount: Int
    fileprivate let trace: NetworkTrace
    fileprivate let context: LayerContext<Element>
  }

  fileprivate enum NetworkTrace {
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
    let zeros = partSizes.map { context.arena.zeros(source.count, $0) }
    switch network {
    case .stack(let stack):
      let trace = stack.unroll(input.output, layout, from: zeros, masked)
      return Pass(
        layout: layout, output: trace.output, finalState: trace.finalState, input: input,
        rowCount: layout.rowCount, trace: .stack(trace), context: masked)
    case .pyramid(let pyramid):
      let trace = pyramid.unroll(input.output, layout, from: zeros, masked)
      return Pass(
        layout: trace.layout, output: trace.output, finalState: trace.finalState, input: input,
        rowCount: layout.rowCount, trace: .pyramid(trace), context: masked)
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
        embedding.needsGradient(pass.input) ? arena.matrix(pass.rowCount, embedding.outputSize) : nil
      switch (network, pass.trace) {
      case (.stack(let stack), .stack(let trace)):
        stack.backpropagate(
          trace, outputGradient: outputGradient, stateGradient: stateGradient, inputGradient: dInput,
          into: gradients, pass.context)
      case (.pyramid(let pyramid), .pyramid(let trace)):
        pyramid.backpropagate(
          trace, outputGradient: outputGradient, stateGradient: stateGradient, inputGradient: dInput,
          into: gradients, pass.context)
      default: preconditionFailure("the trace of another encoder")
      }
      if let dInput { embedding.backward(pass.input, gradient: dInput, into: gradients, pass.context) }
    }
  }

  /// The parts of the state that are a layer's hidden states, one for each direction, and its cell states if it has any.
  func stateParts(ofLayer layer: Int) -> (hidden: [Int], cell: [Int]) { layerParts[layer] }

  /// Widths of those parts together.
  func stateWidths(ofLayer layer: Int) -> (hidden: Int, cell: Int) {
    let parts = layerParts[layer]
    return (parts.hidden.reduce(0) { $0 + partSizes[$1] }, parts.cell.reduce(0) { $0 + partSizes[$1] })
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
