import NumericKernels
import Options
import Parameters

/// The sizes and options that taggers and classifiers have in common.
public struct SequenceNetworkShape: Sendable, Hashable {
  public var encoder: EncoderShape
  /// Probability of dropping a unit before the output layer.
  public var outputDropout: Double
  /// If set, every parameter starts from U(-bound, bound).
  public var uniformInitialization: Double?

  public init(encoder: EncoderShape, outputDropout: Double = 0, uniformInitialization: Double? = nil) {
    self.encoder = encoder
    self.outputDropout = outputDropout
    self.uniformInitialization = uniformInitialization
  }

  /// The stream of the masks before the output layer, after those of the layers.
  var outputStream: Int { encoder.network.layers }
}

/// The sizes and options of a tagger.
public struct SequenceTaggerShape: Sendable, Hashable {
  public var network: SequenceNetworkShape
  public var output: OutputShape

  public init(network: SequenceNetworkShape, output: OutputShape) {
    self.network = network
    self.output = output
  }
}

/// The predictions of a tagger, sequence after sequence in the caller's order.
public enum TaggerPrediction<Element: Scalar> {
  /// The most probable class of each step, or the classes of the most probable path, [sum of lengths].
  case classes([Int32])
  /// The probability of each bit, [sum of lengths, bits].
  case bits([Element])
  /// The numbers of each step, [sum of lengths, size].
  case numbers([Element])
}

/// A recurrent network with an output at every step of a sequence (N-N): input embedding, stacked cells in one or two
/// directions, and an output layer.
///
///     x_t = embedding(input_t),   h_t = layers(x)_t,   y_t = output(h_t)
///
/// Parameter names are those of a PyTorch module with an `embedding`, `characters`, an `rnn` and an `output`:
/// `embedding.weight` [V, E], `characters.embedding.weight`, `characters.rnn.weight_ih_l0`, …, `rnn.weight_ih_l0`, …,
/// `output.weight` [classes, H], `output.bias`, and `crf.transitions`, `crf.start_transitions`, `crf.end_transitions`.
public struct SequenceTagger<Element: Scalar>: Sendable {
  public let shape: SequenceTaggerShape
  public let layout: ParameterLayout
  private let encoder: Encoder<Element>
  private let output: OutputLayer<Element>

  /// - Throws: `OptionError` if options of the cells exclude each other or are out of range.
  public init(_ shape: SequenceTaggerShape) throws(OptionError) {
    self.shape = shape
    var builder = ParameterLayout.Builder(initializeAllUniform: shape.network.uniformInitialization)
    encoder = try Encoder(shape.network.encoder, sharedTable: nil, in: &builder)
    output = OutputLayer(shape.output, inputSize: encoder.outputSize, in: &builder)
    layout = builder.build()
  }

  // MARK: Training and evaluation

  /// Computes the summed loss of a batch and, if `gradients` is given, adds the gradients of that SUM to it.
  ///
  /// - Parameters:
  ///   - batch: sequences and targets; a sequence may be empty.
  ///   - labelSmoothing: ε, of a softmax only; 0 when evaluating.
  ///   - context: parameters and workspace; the masks are the batch's. The arena is left as it was.
  /// - Returns: softmax and CRF: nats, over the steps that have a target. Bits: nats summed over the bits, over
  ///   the STEPS that have a target. Numbers: squared errors summed over a step's numbers, over the steps.
  public func evaluate(
    _ batch: LabeledBatch<Element>, labelSmoothing: Double = 0,
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> LossSum {
    guard batch.input.tokenCount > 0 else { return LossSum() }
    return context.arena.scoped {
      let pass = encoder.forward(batch.input, masks: batch.masks, firstStream: 0, context)
      let (loss, gradient) = output.loss(
        pass.output, pass.layout, targets: batch.targets, at: pass.layout.callerRows(context.arena),
        smoothing: labelSmoothing, dropout: shape.network, into: gradients, pass.context)
      if let gradients, let gradient {
        encoder.backward(pass, outputGradient: gradient, into: gradients)
      }
      return loss
    }
  }

  // MARK: Prediction

  /// Predicts without dropout.
  ///
  /// - Parameter context: parameters and workspace. The arena is left as it was.
  public func predict(
    _ input: InputSequences<Element>, _ context: LayerContext<Element>
  ) -> TaggerPrediction<Element> {
    context.arena.scoped {
      let pass = encoder.forward(input, masks: nil, firstStream: 0, context)
      let (layout, top) = (pass.layout, pass.output)
      let callerRows = layout.callerRows(context.arena)
      func classes(_ fill: (UnsafeMutablePointer<Int32>) -> Void) -> TaggerPrediction<Element> {
        let packed = context.arena.buffer(top.rows, of: Int32.self)
        fill(packed.baseAddress!)
        return .classes(inCallerOrder(packed, callerRows))
      }
      switch output {
      case .softmax(let output):
        let logits = context.arena.matrix(top.rows, output.classes)
        output.logits(top, into: logits, context)
        return classes { logits.argmaxRows(into: $0) }
      case .conditionalRandomField(let output):
        return classes { output.bestPath(top, layout, into: $0, context) }
      case .linear(let output):
        let values = output.predict(top, at: callerRows, context)
        return output.kind == .bits ? .bits(values) : .numbers(values)
      }
    }
  }
}
