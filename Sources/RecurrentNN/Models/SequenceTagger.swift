import NumericKernels
import Options
import Parameters

/// The output of a tagger at every step.
public enum TaggerOutput: Sendable, Hashable {
  /// One of several classes, each step by itself.
  case softmax(classes: Int)
  /// One of several classes, the steps of a sequence together, see ``ConditionalRandomFieldOutput``.
  case conditionalRandomField(classes: Int)
  /// Independent bits, for example the keys that sound.
  case bernoulli(bits: Int)
  /// Numbers.
  case linear(size: Int)
}

/// The sizes and options of a tagger.
public struct SequenceTaggerShape: Sendable, Hashable {
  public var network: SequenceNetworkShape
  public var output: TaggerOutput

  public init(network: SequenceNetworkShape, output: TaggerOutput) {
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
  /// [sum of lengths, size].
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
  private let network: SequenceNetwork<Element>
  private let output: OutputLayer<Element>

  /// - Throws: ``OptionError`` if options of the cells exclude each other or are out of range.
  public init(_ shape: SequenceTaggerShape) throws(OptionError) {
    self.shape = shape
    var builder = ParameterLayout.Builder(initializeAllUniform: shape.network.uniformInitialization)
    network = try SequenceNetwork(shape.network, in: &builder)
    let width = network.outputSize
    output =
      switch shape.output {
      case .conditionalRandomField(let classes):
        .conditionalRandomField(
          ConditionalRandomFieldOutput(inputSize: width, tags: classes, in: &builder))
      case .softmax(let classes):
        .softmax(builder.scoped("output") { SoftmaxOutput(inputSize: width, classes: classes, in: &$0) })
      case .bernoulli(let bits):
        .linear(builder.scoped("output") { LinearOutput(.bits, inputSize: width, size: bits, in: &$0) })
      case .linear(let size):
        .linear(builder.scoped("output") { LinearOutput(inputSize: width, size: size, in: &$0) })
      }
    layout = builder.build()
  }

  /// Weights multiplied per step in the forward pass, without those over characters: the measure of a step's floating-point
  /// operations (see ``LanguageModel/multipliedWeights``).
  public var multipliedWeights: Int {
    network.multipliedWeights + (layout["output.weight"]?.count ?? 0)
  }

  // MARK: Training and evaluation

  /// Computes the summed loss of a batch and, if `gradients` is given, adds the gradients of that SUM to it.
  ///
  /// - Parameters:
  ///   - batch: sequences and targets; a sequence may be empty.
  ///   - options: label smoothing, for a softmax only.
  ///   - context: parameters and workspace; the masks are the batch's. The arena is left as it was.
  /// - Returns: softmax and CRF: nats, over the steps that have a target. Bits: nats summed over the bits, over
  ///   the STEPS that have a target. Numbers: squared errors summed over a step's numbers, over the steps.
  public func evaluate(
    _ batch: LabeledBatch<Element>, _ options: LossOptions = LossOptions(),
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> LossSum {
    guard batch.input.tokenCount > 0 else { return LossSum() }
    return context.arena.scoped {
      let pass = network.forward(batch.input, masks: batch.masks, context)
      let top = network.dropped(pass.output, pass.context)
      let dTop = gradients.map { _ in context.arena.matrix(top.rows, top.columns) }
      let loss = output.loss(
        top, pass.layout, targets: batch.targets, at: pass.layout.callerRows(context.arena), options,
        gradient: dTop, into: gradients, context)
      if let gradients, let dTop {
        network.dropGradient(dTop, pass.context)
        network.backward(pass, outputGradient: dTop, into: gradients)
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
      let pass = network.forward(input, masks: nil, context)
      let (layout, top) = (pass.layout, pass.output)
      let callerRows = layout.callerRows(context.arena)
      func classes(_ fill: (UnsafeMutablePointer<Int32>) -> Void) -> TaggerPrediction<Element> {
        let packed = context.arena.words(top.rows, of: Int32.self)
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
