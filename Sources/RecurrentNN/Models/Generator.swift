import NumericKernels
import Options
import Parameters

/// The condition of a generator, X.
public enum GeneratorCondition: Sendable, Hashable {
  /// None: the sequences are generated without a condition.
  case none
  /// One of `count` classes, looked up in a table of vectors of `size`.
  case classes(count: Int, size: Int)
  /// A vector of numbers.
  case features(size: Int)

  /// Width of X.
  package var size: Int {
    switch self {
    case .none: 0
    case .classes(_, let size), .features(let size): size
    }
  }
}

/// The sizes and options of a generator.
public struct GeneratorShape: Sendable, Hashable {
  /// How X enters the decoder.
  public enum Form: String, OptionChoice {
    /// The initial state of every layer is tanh(W X + b).
    case initialState = "initial-state"
    /// A projection of X takes the place of the first input.
    case initialInput = "initial-input"
    /// X is joined to every input.
    case everyStep = "every-step"
    /// Nowhere: the sequences are generated without X.
    case none
  }

  public var condition: GeneratorCondition
  public var form: Form
  public var decoder: DecoderShape
  /// Initial state: whether the cell state of an LSTM is computed from X as well.
  public var bridgesCell: Bool
  /// Whether the output layer's weight is the embedding.
  public var tieOutput: Bool
  /// If set, every parameter starts from U(-bound, bound).
  public var uniformInitialization: Double?

  public init(
    condition: GeneratorCondition, form: Form, decoder: DecoderShape, bridgesCell: Bool = false,
    tieOutput: Bool = false, uniformInitialization: Double? = nil
  ) {
    self.condition = condition
    self.form = form
    self.decoder = decoder
    self.bridgesCell = bridgesCell
    self.tieOutput = tieOutput
    self.uniformInitialization = uniformInitialization
  }

  /// Whether sequences are generated with X.
  package var readsCondition: Bool { condition != .none && form != .none }

  /// The way X reaches the steps of the decoder.
  package var decoderCondition: DecoderCondition {
    switch form {
    case .initialInput where readsCondition: .initialInput
    case .everyStep where readsCondition: .everyStep
    default: .none
    }
  }
}

/// The X of every sequence of a batch, in the caller's order.
public enum GeneratorConditions<Element: Scalar> {
  case none
  /// One class for each sequence.
  case classes(UnsafePointer<Int32>)
  /// One vector for each sequence, [count, size].
  case features(UnsafePointer<Element>)
}

/// Sequences with their conditions, in the caller's order.
public struct GeneratorBatch<Element: Scalar> {
  public let conditions: GeneratorConditions<Element>
  /// The targets without begin and end marks, which the model adds.
  public let targets: TokenSequences
  /// The samples in training; nil: nothing is dropped, and every step reads the true token.
  public let masks: SampleMasks?

  public init(conditions: GeneratorConditions<Element>, targets: TokenSequences, masks: SampleMasks? = nil) {
    self.conditions = conditions
    self.targets = targets
    self.masks = masks
  }
}

/// A generator (1-N), which writes a sequence of any length from a class or a vector X. X determines the initial state,
/// is the first input, or is part of every input.
///
/// Parameter names: `condition.weight` [classes, C], `bridge.h_l0.weight` …, `decoder.…` (see the decoder).
public struct Generator<Element: Scalar>: Sendable {
  public let shape: GeneratorShape
  public let layout: ParameterLayout
  private let table: Parameter?
  private let bridge: Bridge<Element>
  private let decoder: Decoder<Element>

  /// Throws `OptionError` if options of cells exclude each other.
  public init(_ shape: GeneratorShape) throws(OptionError) {
    self.shape = shape
    let stateSize = try shape.decoder.stateSize()
    var builder = ParameterLayout.Builder(initializeAllUniform: shape.uniformInitialization)
    if case .classes(let count, let size) = shape.condition, shape.form != .none {
      table = builder.add("condition.weight", [count, size], .normal(standardDeviation: 1), isTable: true)
    } else {
      table = nil
    }
    let bridgeForm: BridgeShape.Form =
      shape.readsCondition && shape.form == .initialState ? .transform : .zero
    bridge = builder.scoped("bridge") {
      Bridge(
        BridgeShape(bridgeForm, cellState: shape.bridgesCell), to: stateSize,
        summarySize: shape.condition.size, layerSizes: [], in: &$0)
    }
    decoder = try builder.scoped("decoder") { builder throws(OptionError) in
      try Decoder(
        shape.decoder, condition: shape.decoderCondition, conditionSize: shape.condition.size, attentions: [],
        sharedTable: nil, tieOutput: shape.tieOutput, in: &builder)
    }
    layout = builder.build()
  }

  /// X of every sequence, [count, C], in the given order of the caller's sequences, with its classes; nil without X.
  private func vectors(
    _ conditions: GeneratorConditions<Element>, order: [Int], _ context: LayerContext<Element>
  ) -> (x: MatrixView<Element>, classes: UnsafePointer<Int32>?)? {
    let x = context.arena.matrix(order.count, shape.condition.size)
    switch (conditions, shape.condition) {
    case (.none, .none):
      return nil
    case (.classes(let classes), .classes(let count, _)):
      guard let table else { return nil }
      let rows = context.arena.indexes(order.count) { row in
        let own = Int(classes[order[row]])
        precondition(own >= 0 && own < count, "class \(own) of \(count)")
        return own
      }
      x.gatherRows(of: context.parameters.matrix(table), at: rows)
      return (x, rows)
    case (.features(let values), .features):
      x.gatherRows(of: values, at: context.arena.indexes(order.count) { order[$0] })
      return (x, nil)
    default:
      preconditionFailure("conditions \(conditions) for a generator of \(shape.condition)")
    }
  }

  // MARK: Training and evaluation

  /// Computes the summed loss of a batch and, if `gradients` is given, adds the gradients of that SUM to it.
  ///
  /// - Parameters:
  ///   - batch: conditions and targets.
  ///   - options: label smoothing, teacher forcing.
  ///   - context: parameters and workspace, whose arena is left as it was; masks come with the batch.
  /// - Returns: the loss in nats; its tokens are those of the targets and one end mark each.
  public func evaluate(
    _ batch: GeneratorBatch<Element>, _ options: DecoderOptions = DecoderOptions(),
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> LossSum {
    context.arena.scoped {
      let targets = DecoderBatch<Element>(batch.targets, shape.decoder, masks: batch.masks, context.arena)
      let order = targets.layout.order
      let vectors = vectors(batch.conditions, order: order, context)
      let input = BridgeInput(summary: vectors?.x)
      let start = DecoderStart(
        state: bridge.forward(input, batchSize: order.count, context), condition: vectors?.x, memories: [])
      let masked = context.masked(by: batch.masks, targets.layout, firstStream: 0)
      let pass = decoder.forward(targets, from: start, options, masked)
      let (loss, dr) = decoder.loss(pass, options, into: gradients, masked)
      if let gradients, let dr {
        let dStart = decoder.backward(pass, readoutGradient: dr, options, into: gradients, masked)
        bridge.backward(
          input, start.state, stateGradient: dStart.state,
          inputGradient: BridgeInput(summary: dStart.condition), into: gradients, context)
        if let table, let classes = vectors?.classes, let dx = dStart.condition {
          gradients.addRows(dx, at: classes, of: table)
        }
      }
      return LossSum(total: loss, tokens: targets.layout.rowCount)
    }
  }

  // MARK: Decoding

  /// Returns a decoder that writes one sequence per condition.
  ///
  /// - Parameters:
  ///   - count: number of sequences.
  ///   - context: parameters and workspace, which the result keeps.
  public func decoder(
    for conditions: GeneratorConditions<Element>, count: Int, _ context: LayerContext<Element>
  ) -> SequenceDecoder<Element> {
    SequenceDecoder(decoder, count: count, context) { _, context in
      let x = vectors(conditions, order: Array(0..<count), context)?.x
      return DecoderStart(
        state: bridge.forward(BridgeInput(summary: x), batchSize: count, context), condition: x, memories: [])
    }
  }
}
