import NumericKernels
import Options
import Parameters

/// The sizes and options of the part that taggers and classifiers have in common: input embedding and recurrent layers.
public struct SequenceNetworkShape: Sendable, Hashable {
  public var input: InputShape
  /// Cells, units, layers, directions, and dropout between layers.
  public var recurrent: NetworkOptions
  /// Probability to drop a unit of the input vectors (looked up, joined with characters, or given as numbers), when training.
  public var inputDropout: Double
  /// Probability to drop a unit before the output layer.
  public var outputDropout: Double
  /// Whether ids of whole words are replaced by that of the unknown word.
  public var wordDropout: WordDropout?
  /// If set, every parameter starts from U(-bound, bound).
  public var uniformInitialization: Double?

  public init(
    input: InputShape, recurrent: NetworkOptions, inputDropout: Double = 0, outputDropout: Double = 0,
    wordDropout: WordDropout? = nil, uniformInitialization: Double? = nil
  ) {
    self.input = input
    self.recurrent = recurrent
    self.inputDropout = inputDropout
    self.outputDropout = outputDropout
    self.wordDropout = wordDropout
    self.uniformInitialization = uniformInitialization
  }

  /// The usual options only, with one dropout between layers and before the output layer.
  public init(
    input: InputShape, hiddenSize: Int, layers: Int = 1, cell: CellOptions = .lstm(),
    bidirectional: Bool = false,
    dropout: Double = 0, inputDropout: Double = 0, wordDropout: WordDropout? = nil,
    uniformInitialization: Double? = nil
  ) {
    self.init(
      input: input,
      recurrent: NetworkOptions(
        cell, hiddenSize: hiddenSize, layers: layers, bidirectional: bidirectional,
        dropout: dropout),
      inputDropout: inputDropout, outputDropout: dropout, wordDropout: wordDropout,
      uniformInitialization: uniformInitialization)
  }
}

/// Input embedding and a stack of recurrent layers from the state zero: a vector for every step of every sequence.
///
/// Parameters: `embedding.weight`, `characters.…` as the input needs them, and `rnn.weight_ih_l0`, ….
struct SequenceNetwork<Element: Scalar>: Sendable {
  let shape: SequenceNetworkShape
  let embedding: InputEmbedding<Element>
  let stack: LayerStack<Element>

  init(_ shape: SequenceNetworkShape, in builder: inout ParameterLayout.Builder) throws(OptionError) {
    self.shape = shape
    let embedding = InputEmbedding<Element>(
      shape.input, dropout: shape.inputDropout, wordDropout: shape.wordDropout, name: "embedding",
      in: &builder)
    self.embedding = embedding
    stack = try builder.scoped("rnn") { builder throws(OptionError) in
      try LayerStack<Element>(shape.recurrent, inputSize: embedding.outputSize, in: &builder)
    }
  }

  var outputSize: Int { stack.outputSize }

  /// Weights of the recurrent layers multiplied per step in the forward pass.
  var multipliedWeights: Int {
    stack.parameters.filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
  }

  /// The forward cache.
  struct Trace {
    let input: InputEmbedding<Element>.Trace
    let unrolled: Unrolled<Element>

    /// The output of every packed row, [rowCount, outputSize].
    var output: MatrixView<Element> { unrolled.output }
  }

  /// - Parameter context: with the masks of `layout`.
  func forward(
    _ input: InputSequences<Element>, _ layout: PackedLayout, _ context: LayerContext<Element>
  ) -> Trace {
    let vectors = embedding.forward(input, layout, context)
    return Trace(
      input: vectors,
      unrolled: stack.unroll(
        vectors.output, layout, from: stack.zeroState(layout.batchSize, in: context.arena), context))
  }

  /// Adds the gradients of all parameters, given that of the output.
  func backward(
    _ trace: Trace, outputGradient: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    context.arena.scoped {
      let layout = trace.unrolled.layout
      let dx =
        embedding.needsGradient(trace.input)
        ? context.arena.matrix(layout.rowCount, embedding.outputSize) : nil
      stack.backpropagate(
        trace.unrolled, outputGradient: outputGradient,
        stateGradient: stack.zeroState(layout.batchSize, in: context.arena),
        inputGradient: dx, into: gradients, context)
      if let dx { embedding.backward(trace.input, gradient: dx, into: gradients, context) }
    }
  }

  // MARK: Dropout before the output layer

  /// Number of the masks' stream behind those of the layers.
  private var outputStream: Int { shape.recurrent.layers }

  /// A copy with dropped units, or the matrix itself if nothing is dropped.
  func dropped(_ x: MatrixView<Element>, _ context: LayerContext<Element>) -> MatrixView<Element> {
    guard let masks = context.dropout, shape.outputDropout > 0 else { return x }
    let result = context.arena.matrix(x.rows, x.columns)
    Element.dropout(
      from: x, to: result, masks.rows, masks.key(stream: outputStream), rate: shape.outputDropout)
    return result
  }

  /// The backward pass of ``dropped(_:_:)``, in place.
  func dropGradient(_ dx: MatrixView<Element>, _ context: LayerContext<Element>) {
    guard let masks = context.dropout, shape.outputDropout > 0 else { return }
    Element.dropout(from: dx, to: dx, masks.rows, masks.key(stream: outputStream), rate: shape.outputDropout)
  }
}
