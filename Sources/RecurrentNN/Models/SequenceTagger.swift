import NumericKernels
import Options
import Parameters

/// The sizes and options of a tagger.
public struct SequenceTaggerShape: Sendable, Hashable {
  public var network: SequenceNetworkShape
  public var output: OutputShape

  public init(network: SequenceNetworkShape, output: OutputShape) {
    self.network = network
    self.output = output
  }
}

/// What shall come out at every step of a batch, sequence after sequence in the caller's order.
public enum StepTargets<Element: Scalar> {
  /// A class for each step, [sum of lengths]; below zero: no target.
  case classes(UnsafePointer<Int32>)
  /// Bits as numbers in 0...1, [sum of lengths, width]; a step that begins with a number below zero has no target.
  case bits(UnsafePointer<Element>, width: Int)
  /// Numbers, [sum of lengths, width].
  case numbers(UnsafePointer<Element>, width: Int)
}

/// Sequences together with what shall come out at their steps.
public struct TaggerBatch<Element: Scalar> {
  public let input: InputSequences<Element>
  public let targets: StepTargets<Element>
  /// The coordinates of the masks of dropout; nil when evaluating: nothing is dropped.
  public let masks: SampleMasks?

  public init(input: InputSequences<Element>, targets: StepTargets<Element>, masks: SampleMasks? = nil) {
    self.input = input
    self.targets = targets
    self.masks = masks
  }
}

/// What a tagger says about sequences, sequence after sequence in the caller's order.
public enum TaggerPrediction<Element: Scalar> {
  /// The most probable class of each step, or the classes of the most probable path, [sum of lengths].
  case classes([Int32])
  /// The probability of each bit, [sum of lengths, bits].
  case bits([Element])
  /// [sum of lengths, size].
  case numbers([Element])
}

/// A recurrent network that says something at every step of a sequence (N-N): input embedding, stacked cells in one or two
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
  private let output: Output

  private enum Output: Sendable {
    case softmax(SoftmaxOutput<Element>)
    case conditionalRandomField(ConditionalRandomFieldOutput<Element>)
    case bernoulli(BernoulliOutput<Element>)
    case linear(LinearOutput<Element>)
  }

  /// - Throws: ``OptionError`` if options of the cells exclude each other or are out of range.
  public init(_ shape: SequenceTaggerShape) throws(OptionError) {
    self.shape = shape
    var builder = ParameterLayout.Builder(initializeAllUniform: shape.network.uniformInitialization)
    network = try SequenceNetwork(shape.network, in: &builder)
    output = Self.makeOutput(shape.output, inputSize: network.outputSize, in: &builder)
    layout = builder.build()
  }

  private static func makeOutput(
    _ output: OutputShape, inputSize: Int, in builder: inout ParameterLayout.Builder
  ) -> Output {
    let size = output.size
    return switch output.kind {
    case .crf:
      .conditionalRandomField(ConditionalRandomFieldOutput(inputSize: inputSize, tags: size, in: &builder))
    case .softmax:
      .softmax(builder.scoped("output") { SoftmaxOutput(inputSize: inputSize, classes: size, in: &$0) })
    case .bernoulli:
      .bernoulli(builder.scoped("output") { BernoulliOutput(inputSize: inputSize, bits: size, in: &$0) })
    case .linear:
      .linear(builder.scoped("output") { LinearOutput(inputSize: inputSize, size: size, in: &$0) })
    }
  }

  /// Weights multiplied with every step, forwards, those over letters left out: the measure of a step's floating-point
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
  /// - Returns: softmax and random field: nats, over the steps that have a target. Bits: nats summed over the bits, over
  ///   the STEPS that have a target. Numbers: squared errors summed over a step's numbers, over the steps.
  public func evaluate(
    _ batch: TaggerBatch<Element>, _ options: LossOptions = LossOptions(),
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> LossSum {
    guard batch.input.tokenCount > 0 else { return LossSum() }
    return context.arena.scoped {
      let layout = PackedLayout(lengths: batch.input.lengths)
      let context = context.masked(by: batch.masks, layout, firstStream: 0)
      let trace = network.forward(batch.input, layout, context)
      let top = network.dropped(trace.output, context)
      let dTop = gradients.map { _ in context.arena.matrix(top.rows, top.columns) }
      let loss = loss(top, layout, batch.targets, options, gradient: dTop, into: gradients, context)
      if let gradients, let dTop {
        network.dropGradient(dTop, context)
        network.backward(trace, outputGradient: dTop, into: gradients, context)
      }
      return loss
    }
  }

  private func loss(
    _ top: MatrixView<Element>, _ layout: PackedLayout, _ targets: StepTargets<Element>,
    _ options: LossOptions, gradient dTop: MatrixView<Element>?, into gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> LossSum {
    let arena = context.arena
    let callerRows = layout.callerRows(arena)
    if case .softmax = output {
    } else {
      precondition(
        options.labelSmoothing == 0, "label smoothing \(options.labelSmoothing) for \(shape.output)")
    }
    switch (output, targets) {
    case (.softmax(let output), .classes(let classes)):
      let (packed, known) = gatherClasses(classes, callerRows, top.rows, classes: output.classes, arena)
      let total = output.loss(
        top, targets: packed, smoothing: options.labelSmoothing, gradient: dTop, into: gradients, context)
      return LossSum(total: total, tokens: known)
    case (.conditionalRandomField(let output), .classes(let classes)):
      let (packed, known) = gatherClasses(classes, callerRows, top.rows, classes: output.tags, arena)
      let total = output.loss(top, layout, targets: packed, gradient: dTop, into: gradients, context)
      return LossSum(total: total, tokens: known)
    case (.bernoulli(let output), .bits(let bits, let width)):
      precondition(width == output.bits, "targets of \(width) bits for a model of \(output.bits)")
      let packed = layout.pack(bits, width: width, callerRows, arena)
      let total = output.loss(top, targets: packed, gradient: dTop, into: gradients, context)
      return LossSum(total: total, tokens: (0..<packed.rows).count { packed[$0, 0] >= 0 })
    case (.linear(let output), .numbers(let numbers, let width)):
      precondition(width == output.size, "targets of \(width) numbers for a model of \(output.size)")
      let packed = layout.pack(numbers, width: width, callerRows, arena)
      let total = output.loss(top, targets: packed, gradient: dTop, into: gradients, context)
      return LossSum(total: total, tokens: packed.rows)
    default:
      preconditionFailure("targets of another kind than the model's output, \(shape.output)")
    }
  }

  // MARK: Prediction

  /// What the model says about sequences; nothing is dropped.
  ///
  /// - Parameter context: parameters and workspace. The arena is left as it was.
  public func predict(
    _ input: InputSequences<Element>, _ context: LayerContext<Element>
  ) -> TaggerPrediction<Element> {
    context.arena.scoped {
      let layout = PackedLayout(lengths: input.lengths)
      let context = context.withoutMasks
      let callerRows = layout.callerRows(context.arena)
      let top = network.forward(input, layout, context).output
      func classes(_ fill: (UnsafeMutablePointer<Int32>) -> Void) -> TaggerPrediction<Element> {
        let packed = context.arena.words(top.rows, of: Int32.self)
        fill(packed.baseAddress!)
        return .classes(inCallerOrder(packed, callerRows))
      }
      switch output {
      case .softmax(let output):
        let logits = context.arena.matrix(top.rows, output.classes)
        output.logits(top, into: logits, context)
        return classes { Element.argmaxRows(logits.base, logits.stride, top.rows, logits.columns, $0) }
      case .conditionalRandomField(let output):
        return classes { output.bestPath(top, layout, into: $0, context) }
      case .bernoulli(let output):
        let probabilities = context.arena.matrix(top.rows, output.bits)
        output.probabilities(top, into: probabilities, context)
        return .bits(inCallerOrder(probabilities, callerRows))
      case .linear(let output):
        let numbers = context.arena.matrix(top.rows, output.size)
        output.numbers(top, into: numbers, context)
        return .numbers(inCallerOrder(numbers, callerRows))
      }
    }
  }
}
