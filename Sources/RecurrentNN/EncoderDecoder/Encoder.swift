import NumericKernels
import Options
import Parameters

/// The sizes and options of the encoder of one source.
public struct EncoderShape: Sendable, Hashable {
  public var input: InputShape
  /// Cells, units of each direction, layers, dropout between layers.
  public var network: NetworkOptions
  /// Whether every layer but the lowest reads pairs of steps, for long sources; see ``PyramidalEncoder``.
  public var pyramidal: Bool
  /// Probability of dropping a unit of the input vectors, when training.
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
}

/// Reads a source: an embedding (or vectors as they are) and a stack or a pyramid of layers in one or two directions.
///
/// Parameters: `embedding.weight` and `characters.…` as the input needs them, and `rnn.weight_ih_l0` …, as PyTorch names
/// them.
struct Encoder<Element: Scalar>: Sendable {
  let embedding: InputEmbedding<Element>
  /// A stack or a pyramid: its state has one entry for each layer.
  private let network: any SequenceLayer<Element>
  /// Widths of the state's matrices.
  private let partSizes: [Int]
  /// The parts of the state that are a layer's hidden states, one for each direction, and its cell states if it has any.
  let layerParts: [(hidden: [Int], cell: [Int])]

  /// - Parameter sharedTable: an existing table of embeddings.
  init(
    _ shape: EncoderShape, sharedTable: Parameter?, in builder: inout ParameterLayout.Builder
  ) throws(OptionError) {
    embedding =
      if let sharedTable {
        InputEmbedding(
          sharing: sharedTable, dropout: shape.embeddingDropout, wordDropout: shape.wordDropout, in: &builder)
      } else {
        InputEmbedding(
          shape.input, dropout: shape.embeddingDropout, wordDropout: shape.wordDropout, in: &builder)
      }
    let inputSize = embedding.outputSize
    let network: any SequenceLayer<Element> = try builder.scoped("rnn") { builder throws(OptionError) in
      if shape.pyramidal {
        try PyramidalEncoder(shape.network, inputSize: inputSize, in: &builder)
      } else {
        try LayerStack(shape.network, inputSize: inputSize, in: &builder)
      }
    }
    self.network = network
    partSizes = network.stateSize.parts
    var next = 0
    layerParts = network.stateSize.layers.map { $0.kindsOfParts(from: &next) }
  }

  var outputSize: Int { network.outputSize }

  /// The number of weights multiplied per source step.
  var multipliedWeights: Int {
    network.parameters.filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
  }

  /// The forward cache.
  struct Pass {
    fileprivate let input: InputEmbedding<Element>.Trace
    /// Number of input vectors.
    fileprivate let rowCount: Int
    fileprivate let trace: Unrolled<Element>
    /// The layer context with the masks of the batch.
    let context: LayerContext<Element>

    /// The layout of the outputs, sorted by length; those of a pyramid are fewer than the inputs.
    var layout: PackedLayout { trace.layout }
    /// [rowCount, outputSize].
    var output: MatrixView<Element> { trace.output }
    /// [batchSize, part] for each part of the state, in sorted order.
    var finalState: [MatrixView<Element>] { trace.finalState }
  }

  /// - Parameters:
  ///   - masks: the samples of a batch in training; nil: nothing is dropped.
  ///   - firstStream: the first stream of the masks.
  func forward(
    _ source: InputSequences<Element>, masks: SampleMasks?, firstStream: Int, _ context: LayerContext<Element>
  ) -> Pass {
    let layout = PackedLayout(lengths: source.lengths)
    let masked = context.masked(by: masks, layout, firstStream: firstStream)
    let input = embedding.forward(source, layout, masked)
    let trace = network.unroll(
      input.output, layout, from: network.zeroState(source.count, in: context.arena), masked)
    return Pass(input: input, rowCount: layout.rowCount, trace: trace, context: masked)
  }

  /// ADDS the gradients of all parameters.
  ///
  /// - Parameters:
  ///   - outputGradient: [rowCount, outputSize].
  ///   - stateGradient: the gradient of the final states, overwritten; nil: zero.
  func backward(
    _ pass: Pass, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>]? = nil,
    into gradients: ParameterBuffer<Element>
  ) {
    let arena = pass.context.arena
    arena.scoped {
      let dInput =
        embedding.needsGradient(pass.input) ? arena.matrix(pass.rowCount, embedding.outputSize) : nil
      network.backpropagate(
        pass.trace, outputGradient: outputGradient,
        stateGradient: stateGradient ?? network.zeroState(pass.layout.batchSize, in: arena),
        inputGradient: dInput, into: gradients, pass.context)
      if let dInput { embedding.backward(pass.input, gradient: dInput, into: gradients, pass.context) }
    }
  }

  /// The total widths of a layer's hidden states and of its cell states.
  func stateWidths(ofLayer layer: Int) -> (hidden: Int, cell: Int) {
    let parts = layerParts[layer]
    return (parts.hidden.reduce(0) { $0 + partSizes[$1] }, parts.cell.reduce(0) { $0 + partSizes[$1] })
  }
}

extension StateSize {
  /// The states of a stack, or the state itself as the only entry.
  var layers: [StateSize] {
    if case .stacked(let layers) = self { layers } else { [self] }
  }

  /// The numbers of the parts that are hidden states and of those that are cell states, counted from `next`.
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
