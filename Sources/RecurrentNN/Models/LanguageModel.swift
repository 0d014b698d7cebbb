import NumericKernels
import Options
import Parameters

/// The options of a language model and the size of its vocabulary.
///
/// Dropout between layers also acts before the output layer. Options of other models are not read.
public struct LanguageModelShape: Sendable, Hashable {
  public var options: ModelOptions
  public var vocabularySize: Int

  public init(_ options: ModelOptions, vocabularySize: Int) {
    (self.options, self.vocabularySize) = (options, vocabularySize)
  }

  /// Whether training uses random numbers: then it needs the coordinates of masks, see ``LayerContext``.
  public var isRandom: Bool {
    options.network.dropout > 0 || options.inputDropout > 0 || options.network.cell.isRandom
  }
}

/// A block of text to predict: for each of `layout`'s rows a token and the token that follows.
public struct LanguageModelBatch<Element: Scalar> {
  public let layout: PackedLayout
  /// Token ids of the inputs, [rowCount].
  public let tokens: UnsafePointer<Int32>
  /// Ids of the tokens to predict, [rowCount]; a row whose id is below zero predicts nothing.
  public let targets: UnsafePointer<Int32>
  /// Row of the whole batch that is row 0 here: the first coordinate of the dropout masks.
  private(set) var firstRow = 0

  public init(layout: PackedLayout, tokens: UnsafePointer<Int32>, targets: UnsafePointer<Int32>) {
    self.layout = layout
    self.tokens = tokens
    self.targets = targets
  }

  /// Some of the time steps.
  func segment(_ steps: Range<Int>) -> LanguageModelBatch {
    let first = layout.offsets[steps.lowerBound]
    var part = LanguageModelBatch(
      layout: layout.segment(steps), tokens: tokens + first, targets: targets + first)
    part.firstRow = first
    return part
  }
}

/// A recurrent language model (N-N): embedding, stacked cells, and a softmax over the vocabulary at every
/// step.
///
///     x_t = E[token_t],   h_t = cells(x_t, h_{t-1}),   p(token_{t+1}) = softmax(V h_t + c)
///
/// Mikolov et al. 2010; Zaremba et al. 2014 for the places of dropout. Parameter names are those of a PyTorch
/// module with an `embedding`, an `rnn` and an `output`: `embedding.weight` [V, E], `rnn.weight_ih_l0`, …,
/// `output.weight` [V, H], `output.bias` [V].
public struct LanguageModel<Element: Scalar>: Sendable {
  public let shape: LanguageModelShape
  public let layout: ParameterLayout
  let embedding: Parameter
  let stack: LayerStack<Element>
  let output: any VocabularyOutput<Element>

  /// Throws `OptionError` if options of the layers exclude each other or are out of range.
  public init(_ shape: LanguageModelShape) throws(OptionError) {
    let (options, network) = (shape.options, shape.options.network)
    try network.validate()
    if network.bidirectional {
      throw network.error(
        \.bidirectional, because: "is not for a language model: the next token must not depend on later ones")
    }
    precondition(
      !options.tieEmbeddings || options.adaptiveCutoffs.isEmpty, "tied embeddings with an adaptive softmax")
    precondition(
      !options.tieEmbeddings || options.embeddingSize == network.outputSize,
      "tied embeddings of size \(options.embeddingSize) with an output of size \(network.outputSize)")
    self.shape = shape
    var builder = ParameterLayout.Builder(initializeAllUniform: options.initUniform)
    embedding = builder.add(
      "embedding.weight", [shape.vocabularySize, options.embeddingSize], .normal(standardDeviation: 1),
      isTable: true)
    stack = builder.scoped("rnn") {
      LayerStack(valid: network, inputSize: options.embeddingSize, in: &$0)
    }
    let table = embedding
    output = builder.scoped("output") { builder -> any VocabularyOutput<Element> in
      let (width, classes) = (network.outputSize, shape.vocabularySize)
      if options.tieEmbeddings { return SoftmaxOutput<Element>(sharing: table, in: &builder) }
      if options.adaptiveCutoffs.isEmpty {
        return SoftmaxOutput<Element>(inputSize: width, classes: classes, in: &builder)
      }
      return AdaptiveSoftmaxOutput<Element>(
        inputSize: width, classes: classes, cutoffs: options.adaptiveCutoffs, factor: options.adaptiveFactor,
        in: &builder)
    }
    layout = builder.build()
  }

  /// Widths of the state's matrices, bottom layer first (h before c for an LSTM).
  public var stateParts: [Int] { stack.stateParts }

  /// Weights multiplied per token in the forward pass: the measure of a step's floating-point operations (six
  /// times that number for each token, Kaplan et al. 2020, section 2.1). An embedding look-up multiplies nothing. All
  /// weights of an adaptive softmax count, although most tokens use few of them.
  public var multipliedWeights: Int {
    (stack.parameters + output.parameters).filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
  }

  // MARK: Training and evaluation

  /// Computes the summed loss of a batch and, if `gradients` is given, adds the gradients of that SUM to it.
  ///
  /// - Parameters:
  ///   - batch: inputs and targets of every row.
  ///   - state: on entry the state before the first step, for each part a matrix [batchSize, part] in the
  ///     order of the layout's rows; on return the state after the last step. Gradients are not passed back
  ///     through it (truncated backpropagation through time).
  ///   - labelSmoothing: ε of ``SoftmaxOutput/loss(_:targets:smoothing:gradient:into:_:)``; 0 with an adaptive softmax.
  ///   - segment: the number of steps between states that are kept for the backward pass, which computes the steps in
  ///     between a second time (T. Chen et al., "Training deep nets with sublinear memory cost", 2016). Loss and
  ///     gradients are the same up to rounding. Only the activations of one segment and one state per segment are in
  ///     memory. nil: keep everything.
  ///   - context: parameters, workspace, and the masks of dropout when training. The arena is left as it was.
  @_specialize(where Element == Float)
  public func evaluate(
    _ batch: LanguageModelBatch<Element>, state: [MatrixView<Element>], labelSmoothing: Double = 0,
    segment: Int? = nil, into gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> LossSum {
    requireInVocabulary(batch.tokens, batch.layout.rowCount, lowest: 0)
    requireInVocabulary(batch.targets, batch.layout.rowCount, lowest: .min)
    let steps = batch.layout.steps
    let length = segment ?? max(1, steps)
    precondition(length > 0, "segments of \(length) steps")
    return context.arena.scoped {
      let parts = stride(from: 0, to: steps, by: length).map {
        batch.segment($0..<min($0 + length, steps))
      }
      var loss = 0.0
      let dState = stack.zeroState(batch.layout.batchSize, in: context.arena)
      let before = gradients == nil ? [] : statesBefore(parts, state, context)
      // Parts run in order, or from last to first with gradients.
      for (part, start) in gradients == nil ? parts.map({ ($0, state) }) : zip(parts, before).reversed() {
        loss += run(part, state: start, labelSmoothing, stateGradient: dState, into: gradients, context)
      }
      // With gradients the last part's copy is the state after the batch.
      if let last = before.last { for (kept, final) in zip(state, last) { kept.copy(from: final) } }
      let targets = UnsafeBufferPointer(start: batch.targets, count: batch.layout.rowCount)
      return LossSum(total: loss, tokens: targets.count { $0 >= 0 })
    }
  }

  /// The state before each part, each in separate memory, which ``run`` overwrites with the state after the part.
  private func statesBefore(
    _ parts: [LanguageModelBatch<Element>], _ initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> [[MatrixView<Element>]] {
    var states: [[MatrixView<Element>]] = []
    for index in parts.indices {
      let state = (states.last ?? initial).map { $0.copied(to: context.arena) }
      states.append(state)
      guard index > 0 else { continue }
      context.arena.scoped { _ = forward(parts[index - 1], state: state, context) }
    }
    return states
  }

  /// Runs the steps of a part, whose state is replaced by the state after it; sequences that have ended keep theirs.
  private func forward(
    _ part: LanguageModelBatch<Element>, state: [MatrixView<Element>], _ whole: LayerContext<Element>
  ) -> (unrolled: Unrolled<Element>, context: LayerContext<Element>) {
    let context = whole.rows(from: part.firstRow)
    let running = state.map { $0.rows(0..<part.layout.batchSize) }
    let input = context.embedded(
      part.tokens, count: part.layout.rowCount, table: embedding, dropout: shape.options.inputDropout)
    let unrolled = stack.unroll(input, part.layout, from: running, context)
    for (kept, final) in zip(running, unrolled.finalState) { kept.copy(from: final) }
    return (unrolled, context)
  }

  /// The forward pass, and with gradients the backward pass, over the steps of one part.
  ///
  /// - Parameters:
  ///   - state: before the part on entry, after it on return.
  ///   - dState: gradient of the state after the part on entry, of that before it on return.
  private func run(
    _ part: LanguageModelBatch<Element>, state: [MatrixView<Element>], _ labelSmoothing: Double,
    stateGradient dState: [MatrixView<Element>], into gradients: ParameterBuffer<Element>?,
    _ whole: LayerContext<Element>
  ) -> Double {
    whole.arena.scoped {
      let (unrolled, context) = forward(part, state: state, whole)
      let top = context.dropped(
        unrolled.output, rate: shape.options.network.dropout, stream: stack.layers.count)
      let dTop = gradients.map { _ in
        context.arena.matrix(part.layout.rowCount, stack.outputSize)
      }
      let loss = output.loss(
        top, targets: part.targets, smoothing: labelSmoothing, gradient: dTop, into: gradients, context)
      if let gradients, let dTop {
        let running = dState.map { $0.rows(0..<part.layout.batchSize) }
        backpropagate(part, unrolled, dTop, stateGradient: running, into: gradients, context)
      }
      return loss
    }
  }

  /// An id outside the vocabulary would read or write out of bounds.
  func requireInVocabulary(_ ids: UnsafePointer<Int32>, _ count: Int, lowest: Int32) {
    let bound = Int32(shape.vocabularySize)
    for row in 0..<count {
      precondition(
        ids[row] >= lowest && ids[row] < bound, "id \(ids[row]) in row \(row) for a vocabulary of \(bound)")
    }
  }

  private func backpropagate(
    _ batch: LanguageModelBatch<Element>, _ unrolled: Unrolled<Element>, _ dTop: MatrixView<Element>,
    stateGradient: [MatrixView<Element>], into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    context.drop(dTop, rate: shape.options.network.dropout, stream: stack.layers.count)
    var dx: MatrixView<Element>?
    if case .dense = unrolled.input {
      dx = context.arena.matrix(batch.layout.rowCount, stack.inputSize)
    }
    stack.backpropagate(
      unrolled, outputGradient: dTop, stateGradient: stateGradient, inputGradient: dx, into: gradients,
      context)
    guard let dx else { return }
    context.drop(dx, rate: shape.options.inputDropout, stream: 0)
    gradients.addRows(dx, at: batch.tokens, of: embedding)
  }

  // MARK: Generation

  /// Advances every stream by one token.
  ///
  /// - Parameters:
  ///   - tokens: one id per stream.
  ///   - state: [streams, part] for each part, advanced in place.
  ///   - logits: [streams, V], overwritten with V h + c.
  @_specialize(where Element == Float)
  public func step(
    _ tokens: UnsafeBufferPointer<Int32>, state: [MatrixView<Element>], logits: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let ids = tokens.baseAddress else { return }
    requireInVocabulary(ids, tokens.count, lowest: 0)
    context.arena.scoped {
      let layout = PackedLayout(steps: 1, batchSize: tokens.count)
      let unrolled = stack.unroll(
        .indexed(ids, count: tokens.count, table: embedding), layout, from: state, context)
      for (kept, final) in zip(state, unrolled.finalState) { kept.copy(from: final) }
      output.logits(unrolled.output, into: logits, context)
    }
  }
}
