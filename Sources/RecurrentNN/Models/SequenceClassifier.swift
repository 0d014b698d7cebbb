import NumericKernels
import Options
import Parameters

/// The sizes and options of a classifier.
public struct SequenceClassifierShape: Sendable, Hashable {
  public var network: SequenceNetworkShape
  public var pooling: Pooling
  /// Softmax, linear or quantile.
  public var output: OutputShape

  public init(network: SequenceNetworkShape, pooling: Pooling = .last, output: OutputShape) {
    self.network = network
    self.pooling = pooling
    self.output = output
  }
}

/// The predictions of a classifier, in the caller's order.
public struct ClassifierPrediction<Element: Scalar> {
  public enum Output {
    /// The most probable class of each sequence [count], and the probabilities of all [count, classes].
    case classes([Int32], probabilities: [Element])
    /// [count, size]; of quantiles [count, size, levels].
    case numbers([Element])
  }

  public let output: Output
  /// The weight of each step with attention pooling, sequence after sequence, [sum of lengths]. The weights of a sequence
  /// add up to one.
  public let attention: [Element]?
}

/// A recurrent network with one output for a whole sequence (N-1): input embedding, stacked cells in one or two directions,
/// pooling, and an output layer.
///
///     x_t = embedding(input_t),   h_t = layers(x)_t,   y = output(pooling(h_1, …, h_T))
///
/// An empty sequence has a pooled vector of zeros: it is classified by the output layer's bias alone. Pooling by
/// ``Pooling/all(steps:)`` requires sequences of exactly that number of steps.
///
/// Parameter names are those of a PyTorch module with an `embedding`, `characters`, an `rnn`, `attention` and an `output`:
/// `embedding.weight`, `rnn.weight_ih_l0`, …, `attention.weight`, `attention.bias`, `attention.query`, `output.weight`,
/// `output.bias`.
public struct SequenceClassifier<Element: Scalar>: Sendable {
  public let shape: SequenceClassifierShape
  public let layout: ParameterLayout
  private let reader: PooledEncoder<Element>
  private let output: OutputLayer<Element>

  /// - Throws: `OptionError` if options of the cells exclude each other or are out of range.
  public init(_ shape: SequenceClassifierShape) throws(OptionError) {
    self.shape = shape
    var builder = ParameterLayout.Builder(initializeAllUniform: shape.network.uniformInitialization)
    reader = try PooledEncoder(shape, in: &builder)
    output = OutputLayer(perSequence: shape.output, inputSize: reader.outputSize, in: &builder)
    layout = builder.build()
  }

  // MARK: Training and evaluation

  /// Computes the summed loss of a batch and, if `gradients` is given, adds the gradients of that SUM to it.
  ///
  /// - Parameters:
  ///   - batch: sequences and targets.
  ///   - labelSmoothing: ε, of a softmax only; 0 when evaluating.
  ///   - context: parameters and workspace; the masks are the batch's. The arena is left as it was.
  /// - Returns: softmax: nats, over the sequences that have a target. Numbers: squared errors, or quantile losses, summed over a
  ///   sequence's numbers, over the sequences.
  public func evaluate(
    _ batch: LabeledBatch<Element>, labelSmoothing: Double = 0,
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> LossSum {
    context.arena.scoped {
      let pass = reader.forward(batch.input, masks: batch.masks, context)
      let (loss, gradient) = output.loss(
        each: pass.vectors, targets: batch.targets, masks: batch.masks, smoothing: labelSmoothing,
        dropout: shape.network, into: gradients, context)
      if let gradients, let gradient {
        reader.backward(pass, gradient: gradient, into: gradients, context)
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
  ) -> ClassifierPrediction<Element> {
    context.arena.scoped {
      let pass = reader.forward(input, masks: nil, context)
      return ClassifierPrediction(
        output: output.predict(each: pass.vectors, context), attention: pass.attention(context.arena))
    }
  }
}

/// Reads each sequence into one vector: an encoder, and the pooling of its states.
struct PooledEncoder<Element: Scalar>: Sendable {
  private let encoder: Encoder<Element>
  private let pooling: PoolingLayer<Element>

  /// Adds the parameters of the encoder, and `attention.…` for pooling by attention.
  init(_ shape: SequenceClassifierShape, in builder: inout ParameterLayout.Builder) throws(OptionError) {
    encoder = try Encoder(shape.network.encoder, sharedTable: nil, in: &builder)
    pooling = PoolingLayer(
      shape.pooling, inputSize: encoder.outputSize,
      bidirectional: shape.network.encoder.network.bidirectional, in: &builder)
  }

  /// Width of the vectors.
  var outputSize: Int { pooling.outputSize }

  /// The forward cache.
  struct Pass {
    fileprivate let encoded: Encoder<Element>.Pass
    fileprivate let pooled: PoolingLayer<Element>.Trace
    /// The row of each of the caller's sequences among the pooled vectors.
    fileprivate let rows: UnsafePointer<Int32>
    /// The vectors in the caller's order, [sequences, outputSize].
    let vectors: MatrixView<Element>

    /// The weight of each step in the caller's order; nil unless pooling is by attention.
    fileprivate func attention(_ arena: Arena<Element>) -> [Element]? {
      pooled.attention.map { inCallerOrder($0.weights, encoded.layout.callerRows(arena)) }
    }
  }

  func forward(
    _ input: InputSequences<Element>, masks: SampleMasks?, _ context: LayerContext<Element>
  ) -> Pass {
    let encoded = encoder.forward(input, masks: masks, firstStream: 0, context)
    let pooled = pooling.forward(encoded.output, encoded.layout, context)
    let positions = encoded.layout.positions
    let rows = context.arena.indexes(input.count) { positions[$0] }
    let vectors = context.arena.matrix(input.count, outputSize)
    vectors.gatherRows(of: pooled.pooled, at: rows)
    return Pass(encoded: encoded, pooled: pooled, rows: rows, vectors: vectors)
  }

  /// ADDS the gradients of all parameters.
  ///
  /// - Parameter gradient: of the vectors, [sequences, outputSize].
  func backward(
    _ pass: Pass, gradient: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    context.arena.scoped {
      let dPooled = context.arena.zeros(gradient.rows, gradient.columns)
      dPooled.scatterAddRows(gradient, at: pass.rows)
      let dh = context.arena.matrix(pass.encoded.layout.rowCount, encoder.outputSize)
      pooling.backward(
        pass.pooled, pass.encoded.output, pass.encoded.layout, gradient: dPooled, states: dh, into: gradients,
        context)
      encoder.backward(pass.encoded, outputGradient: dh, into: gradients)
    }
  }
}

extension OutputLayer {
  /// The output layer of a model with one output per sequence.
  init(perSequence shape: OutputShape, inputSize: Int, in builder: inout ParameterLayout.Builder) {
    precondition(
      shape.kind == .softmax || shape.kind.isScaled,
      "a model with one output per sequence and output \(shape.kind): it has softmax, linear and quantile")
    self.init(shape, inputSize: inputSize, in: &builder)
  }

  /// The loss of one row per sequence, in the caller's order; see
  /// ``loss(_:_:targets:at:smoothing:dropout:into:_:)``.
  func loss(
    each rows: MatrixView<Element>, targets: OutputTargets<Element>, masks: SampleMasks?, smoothing: Double,
    dropout: SequenceNetworkShape, into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> (loss: LossSum, gradient: MatrixView<Element>?) {
    let layout = PackedLayout(steps: 1, batchSize: rows.rows)
    return loss(
      rows, layout, targets: targets, at: layout.callerRows(context.arena), smoothing: smoothing,
      dropout: dropout, into: gradients, context.masked(by: masks, layout, firstStream: 0))
  }

  /// The outputs for one row per sequence.
  func predict(
    each rows: MatrixView<Element>, _ context: LayerContext<Element>
  ) -> ClassifierPrediction<Element>.Output {
    switch self {
    case .softmax(let output):
      let scores = context.arena.matrix(rows.rows, output.classes)
      output.logits(rows, into: scores, context)
      scores.softmax()
      let classes = context.arena.buffer(rows.rows, of: Int32.self)
      scores.argmaxRows(into: classes.baseAddress!)
      return .classes(Array(classes), probabilities: Tensor(copying: scores).values)
    case .linear(let output):
      let values = context.arena.matrix(rows.rows, output.outputSize)
      output.predict(rows, into: values, context)
      return .numbers(Tensor(copying: values).values)
    case .conditionalRandomField:
      preconditionFailure("a CRF scores the steps of a sequence, not the sequence")
    }
  }
}
