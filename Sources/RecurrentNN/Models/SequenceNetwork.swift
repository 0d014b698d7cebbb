import NumericKernels
import Options
import Parameters

/// The sizes and options of the part that taggers and classifiers have in common: input embedding and recurrent layers.
public struct SequenceNetworkShape: Sendable, Hashable {
  public var input: InputShape
  /// Cells, units, layers, directions, and dropout between layers.
  public var recurrent: NetworkOptions
  /// Probability of dropping a unit of the input vectors (looked up, joined with characters, or given as numbers), when training.
  public var inputDropout: Double
  /// Probability of dropping a unit before the output layer.
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

/// Input embedding and recurrent layers from the state zero, and dropout before an output layer.
struct SequenceNetwork<Element: Scalar>: Sendable {
  let shape: SequenceNetworkShape
  private let encoder: Encoder<Element>

  /// Adds the parameters of an ``Encoder``.
  init(_ shape: SequenceNetworkShape, in builder: inout ParameterLayout.Builder) throws(OptionError) {
    self.shape = shape
    encoder = try Encoder(
      EncoderShape(
        shape.input, network: shape.recurrent, embeddingDropout: shape.inputDropout,
        wordDropout: shape.wordDropout),
      sharedTable: nil, in: &builder)
  }

  var outputSize: Int { encoder.outputSize }
  /// Weights of the recurrent layers multiplied per step in the forward pass.
  var multipliedWeights: Int { encoder.multipliedWeights }

  /// A vector for every step of every sequence.
  func forward(
    _ input: InputSequences<Element>, masks: SampleMasks?, _ context: LayerContext<Element>
  ) -> Encoder<Element>.Pass {
    encoder.forward(input, masks: masks, firstStream: 0, context)
  }

  /// Adds the gradients of all parameters, given that of the output.
  func backward(
    _ pass: Encoder<Element>.Pass, outputGradient: MatrixView<Element>,
    into gradients: ParameterBuffer<Element>
  ) {
    encoder.backward(pass, outputGradient: outputGradient, into: gradients)
  }

  // The masks before the output layer have a stream behind those of the layers.

  /// A copy with dropped units, or the matrix itself if nothing is dropped.
  func dropped(_ x: MatrixView<Element>, _ context: LayerContext<Element>) -> MatrixView<Element> {
    context.dropped(x, rate: shape.outputDropout, stream: shape.recurrent.layers)
  }

  /// The backward pass of ``dropped(_:_:)``, in place.
  func dropGradient(_ dx: MatrixView<Element>, _ context: LayerContext<Element>) {
    context.drop(dx, rate: shape.outputDropout, stream: shape.recurrent.layers)
  }
}
