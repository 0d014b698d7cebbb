import NumericKernels
import Options
import Parameters

/// A loss as a SUM over tokens together with their number: sums of shards can be added, means can't.
public struct LossSum: Sendable, Equatable {
  /// Summed cross-entropy, nats.
  public var total: Double
  /// Number of target tokens.
  public var tokens: Int

  public init(total: Double = 0, tokens: Int = 0) {
    self.total = total
    self.tokens = tokens
  }

  /// Nats per token; NaN without tokens.
  public var mean: Double { total / Double(tokens) }
  /// e^mean.
  public var perplexity: Double { RealFunctions.exp(mean) }

  public static func += (sum: inout LossSum, other: LossSum) {
    sum.total += other.total
    sum.tokens += other.tokens
  }
}

/// The targets of a batch, in the caller's order: one row per step for a tagger, one row per sequence for a classifier.
public enum OutputTargets<Element: Scalar> {
  /// A class per row, [rows]; a row whose class is below zero has no target.
  case classes(UnsafePointer<Int32>)
  /// Bits as numbers in 0...1, [rows, width]; a row that begins with a number below zero has no target.
  case bits(UnsafePointer<Element>, width: Int)
  /// Numbers, [rows, width].
  case numbers(UnsafePointer<Element>, width: Int)
}

/// Sequences with their targets.
public struct LabeledBatch<Element: Scalar> {
  public let input: InputSequences<Element>
  public let targets: OutputTargets<Element>
  /// The coordinates of the dropout masks; nil for evaluation: nothing is dropped.
  public let masks: SampleMasks?

  public init(input: InputSequences<Element>, targets: OutputTargets<Element>, masks: SampleMasks? = nil) {
    self.input = input
    self.targets = targets
    self.masks = masks
  }
}

/// The kind of prediction that a tagger makes at every step, or a classifier for every sequence, and its size.
public struct OutputShape: Sendable, Hashable {
  public enum Kind: String, OptionChoice {
    /// One of several classes, each step by itself.
    case softmax
    /// One of several classes, the steps of a sequence together, see ``ConditionalRandomFieldOutput``.
    case crf
    /// Independent bits, for example the keys that sound.
    case bernoulli
    /// Numbers (regression).
    case linear
    /// Quantiles of numbers (Koenker & Bassett 1978).
    case quantile

    /// Whether targets are numbers rather than names.
    public var isNumeric: Bool { self == .bernoulli || isScaled }
    /// Whether targets are measurements, which may be scaled; bits are not.
    public var isScaled: Bool { self == .linear || self == .quantile }
    /// Whether e^loss is a perplexity: the loss is that of a choice among tokens, classes or tags.
    public var hasPerplexity: Bool { self == .softmax || self == .crf }
    /// Whether the loss is a negative log-probability, in nats; errors of numbers are not.
    public var isInNats: Bool { !isScaled }
  }

  public var kind: Kind
  /// Classes, bits or numbers.
  public var size: Int
  /// Of quantiles: their levels, between 0 and 1.
  public var levels: [Double] = []
  /// The quantiles of each number; 1 for other outputs.
  public var unitsPerNumber: Int { max(1, levels.count) }

  public init(_ kind: Kind, size: Int) { (self.kind, self.size) = (kind, size) }

  public static func softmax(classes: Int) -> OutputShape { OutputShape(.softmax, size: classes) }
  public static func conditionalRandomField(classes: Int) -> OutputShape { OutputShape(.crf, size: classes) }
  public static func bernoulli(bits: Int) -> OutputShape { OutputShape(.bernoulli, size: bits) }
  public static func linear(size: Int) -> OutputShape { OutputShape(.linear, size: size) }
  public static func quantiles(size: Int, levels: [Double]) -> OutputShape {
    var shape = OutputShape(.quantile, size: size)
    shape.levels = levels
    return shape
  }
}

/// The output layer of a tagger or a classifier, over packed rows.
enum OutputLayer<Element: Scalar>: Sendable {
  case softmax(SoftmaxOutput<Element>)
  case conditionalRandomField(ConditionalRandomFieldOutput<Element>)
  case linear(LinearOutput<Element>)

  /// Adds `output.…` to a layout, and `crf.…` for a CRF.
  init(_ shape: OutputShape, inputSize: Int, in builder: inout ParameterLayout.Builder) {
    func scoped<Layer>(_ make: (inout ParameterLayout.Builder) -> Layer) -> Layer {
      builder.scoped("output", make)
    }
    let size = shape.size
    self =
      switch shape.kind {
      case .softmax: .softmax(scoped { SoftmaxOutput(inputSize: inputSize, classes: size, in: &$0) })
      case .linear: .linear(scoped { LinearOutput(inputSize: inputSize, size: size, in: &$0) })
      case .quantile:
        .linear(scoped { LinearOutput(.quantiles(shape.levels), inputSize: inputSize, size: size, in: &$0) })
      case .bernoulli: .linear(scoped { LinearOutput(.bits, inputSize: inputSize, size: size, in: &$0) })
      case .crf:
        .conditionalRandomField(ConditionalRandomFieldOutput(inputSize: inputSize, tags: size, in: &builder))
      }
  }

  /// The loss summed over the rows, and the number of rows that have a target.
  ///
  /// - Parameters:
  ///   - h: [N, inputSize].
  ///   - layout: the layout of the steps; only a CRF needs it.
  ///   - targets: in the caller's order.
  ///   - callerRows: the caller's row for each row of `h`, [N].
  ///   - smoothing: label smoothing ε of a softmax (Szegedy et al. 2016, section 7): the target is 1 - ε of its class and ε spread
  ///     evenly over all classes. 0 for other outputs.
  ///   - network: the network that has computed `h`, with the dropout of its output.
  ///   - gradients: the gradients of the parameters are ADDED here if given.
  ///   - context: with the masks of the rows of `h`.
  /// - Returns: with `gradients` also the gradient of `h`.
  func loss(
    _ h: MatrixView<Element>, _ layout: PackedLayout, targets: OutputTargets<Element>,
    at callerRows: UnsafePointer<Int32>, smoothing: Double, dropout network: SequenceNetworkShape,
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> (loss: LossSum, gradient: MatrixView<Element>?) {
    let (rate, stream) = (network.outputDropout, network.outputStream)
    let top = context.dropped(h, rate: rate, stream: stream)
    let gradient = gradients.map { _ in context.arena.matrix(top.rows, top.columns) }
    let loss = self.loss(
      top, layout, targets: targets, at: callerRows, smoothing: smoothing, gradient: gradient,
      into: gradients, context)
    if let gradient { context.drop(gradient, rate: rate, stream: stream) }
    return (loss, gradient)
  }

  /// The loss of rows whose units have been dropped.
  private func loss(
    _ top: MatrixView<Element>, _ layout: PackedLayout, targets: OutputTargets<Element>,
    at callerRows: UnsafePointer<Int32>, smoothing: Double, gradient dTop: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> LossSum {
    switch (self, targets) {
    case (.softmax(let output), .classes(let classes)):
      let (packed, known) = gather(classes, callerRows, top.rows, classes: output.classes, context)
      let total = output.loss(
        top, targets: packed, smoothing: smoothing, gradient: dTop, into: gradients, context)
      return LossSum(total: total, tokens: known)
    case (.conditionalRandomField(let output), .classes(let classes)):
      requireNone(smoothing)
      let (packed, known) = gather(classes, callerRows, top.rows, classes: output.tags, context)
      let total = output.loss(top, layout, targets: packed, gradient: dTop, into: gradients, context)
      return LossSum(total: total, tokens: known)
    case (.linear(let output), .bits(let values, let width)) where output.kind == .bits,
      (.linear(let output), .numbers(let values, let width)) where output.kind != .bits:
      requireNone(smoothing)
      precondition(width == output.size, "targets of \(width) \(output.kind) for a model of \(output.size)")
      let packed = context.arena.matrix(top.rows, width)
      packed.gatherRows(of: values, at: callerRows)
      let total = output.loss(top, targets: packed, gradient: dTop, into: gradients, context)
      let isBits = output.kind == .bits
      return LossSum(total: total, tokens: (0..<packed.rows).count { !isBits || packed[$0, 0] >= 0 })
    default:
      preconditionFailure("targets of another kind than the model's output, \(self)")
    }
  }

  private func requireNone(_ smoothing: Double) {
    precondition(smoothing == 0, "label smoothing of \(smoothing) without a softmax")
  }

  /// Targets in the order of the packed rows, and the number of those that are known.
  private func gather(
    _ targets: UnsafePointer<Int32>, _ callerRows: UnsafePointer<Int32>, _ count: Int, classes: Int,
    _ context: LayerContext<Element>
  ) -> (targets: UnsafePointer<Int32>, known: Int) {
    let packed = context.arena.indexes(count) { row in
      let target = Int(targets[Int(callerRows[row])])
      precondition(target < classes, "target \(target) of \(classes) classes")
      return target
    }
    return (packed, (0..<count).count { packed[$0] >= 0 })
  }
}

extension LinearOutput {
  /// The predictions for packed rows in the caller's order, row after row.
  func predict(
    _ top: MatrixView<Element>, at callerRows: UnsafePointer<Int32>, _ context: LayerContext<Element>
  ) -> [Element] {
    let values = context.arena.matrix(top.rows, outputSize)
    predict(top, into: values, context)
    return inCallerOrder(values, callerRows)
  }
}

/// The rows of a matrix in the caller's order: row r becomes row `rows[r]` of the result.
func inCallerOrder<Element>(_ matrix: MatrixView<Element>, _ rows: UnsafePointer<Int32>) -> [Element] {
  Array(unsafeUninitializedCapacity: matrix.count) { result, count in
    guard let base = result.baseAddress else { return }
    for row in 0..<matrix.rows {
      (base + Int(rows[row]) * matrix.columns).copyElements(from: matrix.row(row), count: matrix.columns)
    }
    count = matrix.count
  }
}

/// The classes of the rows in the caller's order: the class of row r becomes that of row `rows[r]`.
func inCallerOrder(_ classes: UnsafeMutableBufferPointer<Int32>, _ rows: UnsafePointer<Int32>) -> [Int32] {
  var result = [Int32](repeating: 0, count: classes.count)
  for row in classes.indices { result[Int(rows[row])] = classes[row] }
  return result
}
