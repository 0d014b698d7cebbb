import CKernels
import NumericKernels
import Options
import Parameters

/// How the decoder's output vector, the input of the softmax, is made.
///
/// s is the output of the top cell, c the context (attention's, or the condition of every step), y the embedding of the
/// token the step has read.
public enum DecoderReadout: Sendable, Hashable {
  /// r = s, or [s; c] with the context: logits = W r + b.
  case direct(withContext: Bool = false)
  /// r = tanh(W_read [s; c; y] + b_read), where c and y are optional (Bahdanau et al. 2014, appendix A.2.2, has the same
  /// operands; Luong et al. 2015, eq. 5, has s and c).
  case hidden(size: Int, withContext: Bool = true, withInput: Bool = true)

  package var withContext: Bool {
    switch self {
    case .direct(let withContext), .hidden(_, let withContext, _): withContext
    }
  }
  package var withInput: Bool { if case .hidden(_, _, let withInput) = self { withInput } else { false } }
  /// Whether there is a hidden layer.
  package var isHidden: Bool { if case .hidden = self { true } else { false } }
}

/// The sizes and options of a decoder.
public struct DecoderShape: Sendable, Hashable {
  public var vocabularySize: Int
  public var embeddingSize: Int
  /// Cells, units, layers, dropout between layers: everything but two directions.
  public var network: NetworkOptions
  public var readout: DecoderReadout
  /// Whether the output vector r of a step is joined to the input of the next (Luong et al. 2015, section 3.3).
  public var inputFeeding: Bool
  /// Probability of dropping a unit of the output vector r, when training. Input feeding passes r on without dropout.
  public var readoutDropout: Double
  /// Probability of dropping a unit of the embedding.
  public var embeddingDropout: Double
  /// The token read at the first step.
  public var beginToken: Int
  /// The token that ends every target.
  public var endToken: Int

  public init(
    vocabularySize: Int, embeddingSize: Int, network: NetworkOptions, readout: DecoderReadout = .direct(),
    inputFeeding: Bool = false, readoutDropout: Double = 0, embeddingDropout: Double = 0, beginToken: Int,
    endToken: Int
  ) {
    self.vocabularySize = vocabularySize
    self.embeddingSize = embeddingSize
    self.network = network
    self.readout = readout
    self.inputFeeding = inputFeeding
    self.readoutDropout = readoutDropout
    self.embeddingDropout = embeddingDropout
    self.beginToken = beginToken
    self.endToken = endToken
  }
}

extension DecoderShape {
  /// Width of r.
  ///
  /// - Parameter contextSize: width of all contexts, or of X at every step.
  package func readoutSize(contextSize: Int) -> Int {
    switch readout {
    case .direct(let withContext): network.outputSize + (withContext ? contextSize : 0)
    case .hidden(let size, _, _): size
    }
  }

  /// The size of the cells' state, one entry per layer. It is needed before the cells are built, because their parameters
  /// come last.
  func stateSize() throws(OptionError) -> StateSize {
    var scratch = ParameterLayout.Builder()
    return try StackedCell<Float>(network, inputSize: 1, in: &scratch).stateSize
  }
}

/// How a vector X (a class, features, the summary of a source) reaches the decoder besides its initial state.
public enum DecoderCondition: String, Sendable, Hashable, CaseIterable {
  /// X is not used otherwise.
  case none
  /// A projection of X takes the place of the first token's embedding.
  case initialInput
  /// X is joined to the input of every step.
  case everyStep
}

/// Options of a loss that may differ between training and evaluation.
public struct DecoderOptions: Sendable, Hashable {
  /// Label smoothing ε (Szegedy et al. 2016, section 7).
  public var labelSmoothing: Double
  /// Probability that a step reads the true previous token rather than the model's own (scheduled sampling, Bengio et
  /// al. 2015): a Bernoulli draw for each sample and step. Below 1 a batch needs masks, whose coordinates key the draws.
  public var teacherForcing: Double
  /// Whether the model's own token is sampled from its distribution rather than being the most probable one.
  public var feedsSamples: Bool
  /// Weight λ of the coverage loss λ Σ_j min(a_ij, cov_ij) of every step (See et al. 2017, eq. 12 and 13), which is part
  /// of the loss.
  public var coverageLoss: Double

  public init(
    labelSmoothing: Double = 0, teacherForcing: Double = 1, feedsSamples: Bool = false,
    coverageLoss: Double = 0
  ) {
    self.labelSmoothing = labelSmoothing
    self.teacherForcing = teacherForcing
    self.feedsSamples = feedsSamples
    self.coverageLoss = coverageLoss
  }
}

/// The decoder of every model that writes a sequence: stacked cells that read the previous token together with a
/// condition or attention's contexts, and a softmax over the vocabulary.
///
///     x_i = [E[y_{i-1}]; X or c_i; r_{i-1}],   s_i = cells(x_i, s_{i-1}),   r_i = readout(s_i, c_i, E[y_{i-1}])
///     p(y_i) = softmax(W r_i + b)
///
/// Bahdanau et al. 2014; Cho et al. 2014 for X at every step. Parameters: `embedding.weight` [V, E], `condition.weight`
/// [E, C] and `condition.bias` (initial input), `rnn.weight_ih_l0` …, `read.weight` …, `output.weight` [V, R],
/// `output.bias` [V].
struct Decoder<Element: Scalar>: Sendable {
  let shape: DecoderShape
  let condition: DecoderCondition
  let attentions: [Attention<Element>]
  let embedding: Parameter
  /// Projects X to the first input.
  let firstInput: Linear<Element>?
  let cell: StackedCell<Element>
  let readout: Readout<Element>
  let output: SoftmaxOutput<Element>
  /// The columns of the input that hold E[y], X or c, and r.
  let embeddingColumns: Range<Int>
  let contextColumns: Range<Int>
  let feedColumns: Range<Int>
  /// The columns of each attention's context among all contexts.
  let attentionColumns: [Range<Int>]
  /// Whether the contexts are inputs of the cell, and the query is the previous state.
  let attendsBefore: Bool

  /// Adds the parameters to a layout.
  ///
  /// - Parameters:
  ///   - conditionSize: width of X; 0 without X.
  ///   - attentions: over each source; the contexts are joined in this order.
  ///   - sharedTable: an embedding that exists already.
  ///   - tieOutput: the output layer's weight is the embedding; requires r to be as wide.
  init(
    _ shape: DecoderShape, condition: DecoderCondition, conditionSize: Int, attentions: [Attention<Element>],
    sharedTable: Parameter?, tieOutput: Bool, in builder: inout ParameterLayout.Builder
  ) throws(OptionError) {
    for mark in [shape.beginToken, shape.endToken] {
      precondition(
        (0..<shape.vocabularySize).contains(mark), "mark \(mark), vocabulary \(shape.vocabularySize)")
    }
    self.shape = shape
    self.condition = condition
    self.attentions = attentions
    if let sharedTable {
      precondition(
        sharedTable.shape == [shape.vocabularySize, shape.embeddingSize],
        "shared table of shape \(sharedTable.shape) for a vocabulary of \(shape.vocabularySize)")
      builder.tie("embedding.weight", to: sharedTable)
      embedding = sharedTable
    } else {
      embedding = builder.add(
        "embedding.weight", [shape.vocabularySize, shape.embeddingSize], .normal(standardDeviation: 1),
        isTable: true)
    }
    firstInput =
      condition == .initialInput
      ? builder.scoped("condition") {
        Linear(inputSize: conditionSize, outputSize: shape.embeddingSize, in: &$0)
      } : nil
    let contextSize =
      condition == .everyStep ? conditionSize : attentions.reduce(0) { $0 + $1.memorySize }
    attentionColumns = consecutiveRanges(attentions.map(\.memorySize))
    attendsBefore = attentions.contains { $0.shape.query == .previous }
    let readsContext = condition == .everyStep || attendsBefore
    // The width of r is needed before the cells are built, but their parameters come before those of the readout.
    let readoutSize = shape.readoutSize(contextSize: contextSize)
    embeddingColumns = 0..<shape.embeddingSize
    contextColumns = shape.embeddingSize..<shape.embeddingSize + (readsContext ? contextSize : 0)
    feedColumns =
      contextColumns.upperBound..<contextColumns.upperBound + (shape.inputFeeding ? readoutSize : 0)
    let inputSize = feedColumns.upperBound
    cell = try builder.scoped("rnn") { builder throws(OptionError) in
      try StackedCell(shape.network, inputSize: inputSize, in: &builder)
    }
    readout = Readout(
      shape.readout, outputSize: cell.outputSize, contextSize: contextSize, inputSize: shape.embeddingSize,
      in: &builder)
    precondition(
      !tieOutput || readoutSize == shape.embeddingSize,
      "tied embeddings of size \(shape.embeddingSize) with output vectors of \(readoutSize)")
    let table = embedding
    output = builder.scoped("output") { builder in
      tieOutput
        ? SoftmaxOutput(sharing: table, in: &builder)
        : SoftmaxOutput(inputSize: readoutSize, classes: shape.vocabularySize, in: &builder)
    }
  }

  var inputSize: Int { feedColumns.upperBound }
  /// Width of all contexts, or of X at every step.
  var contextSize: Int {
    condition == .everyStep ? contextColumns.count : attentions.reduce(0) { $0 + $1.memorySize }
  }

  /// The number of weights multiplied per target token.
  var multipliedWeights: Int {
    let attention = attentions.reduce(0) { $0 + ($1.query?.weight.count ?? 0) }
    return attention
      + (cell.parameters + readout.parameters).filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
      + output.classes * output.inputSize
  }

  // MARK: Parts of a step

  /// Looks embeddings up, [n, E]; drops units if `masks` are given.
  func embed(
    _ ids: UnsafePointer<Int32>, into y: MatrixView<Element>, _ context: LayerContext<Element>,
    firstRow: Int = 0
  ) {
    y.gatherRows(of: context.parameters.matrix(embedding), at: ids)
    context.drop(y, rate: shape.embeddingDropout, stream: 0, firstRow: firstRow)
  }

  func dropsEmbedding(_ context: LayerContext<Element>) -> Bool {
    context.dropout != nil && shape.embeddingDropout > 0
  }

  /// Overwrites the embeddings of step 0, which are the first rows, with the projection of X.
  func embedCondition(
    _ condition: MatrixView<Element>, into embedded: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    guard let firstInput else { return }
    let y = embedded.rows(0..<condition.rows)
    firstInput.forward(condition, into: y, context)
    context.drop(y, rate: shape.embeddingDropout, stream: 0)
  }
}

/// The initial state of a decoder's batch, with its conditions and sources.
struct DecoderStart<Element: Scalar> {
  /// For each part of the state [batchSize, part], in the order of the batch's layout.
  let state: [MatrixView<Element>]
  /// X of every sequence, [batchSize, C] in the same order; nil without X.
  let condition: MatrixView<Element>?
  /// The source of each attention.
  let memories: [SourceMemory<Element>]
}

/// The forward cache of a decoder.
struct DecoderPass<Element: Scalar> {
  let batch: DecoderBatch<Element>
  let start: DecoderStart<Element>
  let inputs: DecoderInputs<Element>
  let trace: Unrolled<Element>
  let prepared: [PreparedAttention<Element>]
  let attention: [AttentionTrace<Element>]
  /// c of all rows, [N, contextSize]: columns of the inputs if the cell reads it.
  let contexts: MatrixView<Element>
  /// r of all rows, [N, R].
  let readout: MatrixView<Element>
}

extension Decoder {
  /// Whether the cell is driven step by step because its inputs depend on its states or outputs.
  func isStepped(_ options: DecoderOptions) -> Bool { attendsBefore || readsBack(options) }

  /// Whether the input of a step needs outputs of the previous step.
  func readsBack(_ options: DecoderOptions) -> Bool { shape.inputFeeding || options.teacherForcing < 1 }

  /// Runs all steps of a batch. No logits are computed here, unless the model reads its own tokens.
  func forward(
    _ batch: DecoderBatch<Element>, from start: DecoderStart<Element>, _ options: DecoderOptions,
    _ context: LayerContext<Element>
  ) -> DecoderPass<Element> {
    let (arena, layout) = (context.arena, batch.layout)
    let (inputs, trace) = begin(batch, start, options, context)
    let prepared = zip(attentions, start.memories).map { $0.prepare($1, in: arena, context) }
    let traces = zip(attentions, start.memories).map { attention, memory in
      AttentionTrace(
        layout, memory, querySize: attention.transformsQuery ? attention.size : nil,
        tracksCoverage: attention.shape.coverage || options.coverageLoss > 0, arena)
    }
    let contexts =
      if !contextColumns.isEmpty, let x = inputs.stepped { x.columns(inputs.place(contextColumns)) } else {
        arena.matrix(layout.rowCount, contextSize)
      }
    let pass = DecoderPass(
      batch: batch, start: start, inputs: inputs, trace: trace, prepared: prepared, attention: traces,
      contexts: contexts,
      readout: readout.isOutput ? trace.output : arena.matrix(layout.rowCount, readout.size))
    runSteps(pass, options, context)
    if !readsBack(options) { read(0..<layout.rowCount, pass, context) }
    return pass
  }

  /// The time loop: everything in it depends on the previous step.
  @_specialize(where Element == Float)
  private func runSteps(
    _ pass: DecoderPass<Element>, _ options: DecoderOptions, _ context: LayerContext<Element>
  ) {
    guard let x = pass.inputs.stepped, isStepped(options) else {
      for t in 0..<(attentions.isEmpty ? 0 : pass.batch.layout.steps) {
        attend(t, pass, state: pass.trace.output.rows(pass.batch.layout.rows(t)), context)
      }
      return
    }
    let layout = pass.batch.layout
    for t in 0..<layout.steps {
      let rows = layout.rows(t)
      if shape.inputFeeding {
        let feed = x.rows(rows).columns(pass.inputs.place(feedColumns))
        if t == 0 { feed.fill(0) } else { feed.copy(from: previousReadout(t, pass)) }
      }
      if t > 0, options.teacherForcing < 1 {
        readOwnTokens(t, pass.batch, previousReadout(t, pass), options, into: x, context)
      }
      if attendsBefore { attend(t, pass, state: pass.trace.state(before: t), context) }
      cell.forward(step: t, x.rows(rows), pass.trace, context)
      if !attendsBefore { attend(t, pass, state: pass.trace.output.rows(rows), context) }
      if readsBack(options) { read(rows, pass, context) }
    }
  }

  /// r of the previous step, for the sequences still running.
  private func previousReadout(_ t: Int, _ pass: DecoderPass<Element>) -> MatrixView<Element> {
    let layout = pass.batch.layout
    return pass.readout.rows(layout.offsets[t - 1]..<layout.offsets[t - 1] + layout.activeCounts[t])
  }

  private func attend(
    _ t: Int, _ pass: DecoderPass<Element>, state: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    let contexts = pass.contexts.rows(pass.batch.layout.rows(t))
    for (index, columns) in attentionColumns.enumerated() {
      attentions[index].forward(
        step: t, state: state, pass.prepared[index], pass.attention[index], into: contexts.columns(columns),
        context)
    }
  }

  private func read(_ rows: Range<Int>, _ pass: DecoderPass<Element>, _ context: LayerContext<Element>) {
    readout.forward(
      pass.trace.output.rows(rows), context: pass.contexts.rows(rows),
      input: pass.inputs.embedded?.rows(rows), into: pass.readout.rows(rows), context)
  }
}

/// Gradients of ``DecoderStart``.
struct DecoderStartGradient<Element: Scalar> {
  /// The gradient of each part of the initial state, [batchSize, part].
  let state: [MatrixView<Element>]
  /// The gradient of X, [batchSize, C]; nil without X.
  let condition: MatrixView<Element>?
  /// The gradient of the values of each source memory, [S, D].
  let memories: [MatrixView<Element>]
}

extension Decoder {
  /// Cross-entropy of all rows, summed, nats; with `gradients` also the gradient of r without dropout, [N, R].
  func loss(
    _ pass: DecoderPass<Element>, _ options: DecoderOptions, into gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> (loss: Double, readoutGradient: MatrixView<Element>?) {
    let r = context.dropped(pass.readout, rate: shape.readoutDropout, stream: shape.network.layers)
    let dr = gradients.map { _ in context.arena.matrix(r.rows, r.columns) }
    var loss = output.loss(
      r, targets: pass.batch.targets, smoothing: options.labelSmoothing, gradient: dr, into: gradients,
      context)
    if let dr { context.drop(dr, rate: shape.readoutDropout, stream: shape.network.layers) }
    if options.coverageLoss > 0 { loss += options.coverageLoss * coverageLoss(pass) }
    return (loss, dr)
  }

  /// Σ_i Σ_j min(a_ij, cov_ij) over all rows and sources.
  private func coverageLoss(_ pass: DecoderPass<Element>) -> Double {
    var sum = 0.0
    for trace in pass.attention {
      for t in 0..<trace.layout.steps {
        guard let coverage = trace.coverage(t) else { continue }
        sum += rnd_coverage_loss(
          Element.kernelType,
          rnd_coverage(
            count: trace.count(t), weights: trace.weights(t), coverage: coverage, scale: 0, d_weights: nil,
            d_coverage: nil))
      }
    }
    return sum
  }

  /// The backward pass of all steps: ADDS the gradients of all parameters but those of the output layer.
  ///
  /// - Parameter dr: gradient of r, [N, R]; overwritten.
  func backward(
    _ pass: DecoderPass<Element>, readoutGradient dr: MatrixView<Element>, _ options: DecoderOptions,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) -> DecoderStartGradient<Element> {
    let (arena, layout) = (context.arena, pass.batch.layout)
    let start = DecoderStartGradient(
      state: pass.start.state.map { arena.zeros($0.rows, $0.columns) },
      condition: pass.start.condition.map { arena.zeros($0.rows, $0.columns) },
      memories: pass.start.memories.map { arena.zeros($0.values.rows, $0.values.columns) })
    arena.scoped {
      let work = BackwardWork(
        pass: pass, dr: dr,
        dJoined: readout.parameters.isEmpty ? dr : arena.matrix(layout.rowCount, readout.joinedSize),
        dInputs: pass.inputs.stepped.map { arena.matrix($0.rows, $0.columns) }, readsBack: readsBack(options),
        reverses: zip(pass.prepared, pass.attention).enumerated().map {
          attentions[$0.offset].beginBackward(
            $0.element.0, $0.element.1, coverageLoss: options.coverageLoss, context)
        }, arena)
      if !work.readsBack { readBackward(0..<layout.rowCount, work, context) }
      if isStepped(options) {
        runStepsBackward(work, start, into: gradients, context)
      } else {
        for t in (0..<(attentions.isEmpty ? 0 : layout.steps)).reversed() {
          attendBackward(
            t, work, state: pass.trace.output.rows(layout.rows(t)),
            stateGradient: dOutput(layout.rows(t), work), into: gradients, context)
        }
        cell.backpropagate(
          pass.trace, outputGradient: dOutput(0..<layout.rowCount, work), stateGradient: start.state,
          inputGradient: work.dInputs, into: gradients, context)
      }
      readout.finishBackward(
        pass.trace.output, context: pass.contexts, input: pass.inputs.embedded, gradient: dr,
        into: gradients, context)
      finishAttention(work, start, into: gradients, context)
      finishInputs(work, start, into: gradients, context)
    }
    return start
  }

  struct BackwardWork {
    let pass: DecoderPass<Element>
    /// The gradient of r, later of the pre-activation of its tanh.
    let dr: MatrixView<Element>
    /// The gradient of [s; c; y].
    let dJoined: MatrixView<Element>
    /// The gradient of the inputs of the steps.
    let dInputs: MatrixView<Element>?
    /// The gradient of E[y] as the cells read it: columns of `dInputs`, unless they are precomputed; nil if the cells read
    /// indexes.
    let dEmbedded: MatrixView<Element>?
    let reverses: [AttentionReverse<Element>]
    let readsBack: Bool

    init(
      pass: DecoderPass<Element>, dr: MatrixView<Element>, dJoined: MatrixView<Element>,
      dInputs: MatrixView<Element>?, readsBack: Bool, reverses: [AttentionReverse<Element>],
      _ arena: Arena<Element>
    ) {
      (self.pass, self.dr, self.dJoined, self.dInputs) = (pass, dr, dJoined, dInputs)
      (self.reverses, self.readsBack) = (reverses, readsBack)
      let inputs = pass.inputs
      dEmbedded = inputs.embedded.flatMap { embedded in
        guard inputs.embeddedIsRead else { return nil }
        return inputs.known > 0
          ? arena.matrix(embedded.rows, embedded.columns) : dInputs?.columns(0..<embedded.columns)
      }
    }
  }

  private func dOutput(_ rows: Range<Int>, _ work: BackwardWork) -> MatrixView<Element> {
    work.dJoined.rows(rows).columns(readout.outputColumns)
  }

  private func readBackward(_ rows: Range<Int>, _ work: BackwardWork, _ context: LayerContext<Element>) {
    readout.backward(
      work.pass.readout.rows(rows), gradient: work.dr.rows(rows), joinedGradient: work.dJoined.rows(rows),
      context)
  }

  // MARK: The time loop

  @_specialize(where Element == Float)
  private func runStepsBackward(
    _ work: BackwardWork, _ start: DecoderStartGradient<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let x = work.pass.inputs.stepped, let dx = work.dInputs else { return }
    let inputs = work.pass.inputs
    let (layout, trace) = (work.pass.batch.layout, work.pass.trace)
    let back = cell.beginBackward(trace, stateGradient: start.state, context)
    for t in (0..<layout.steps).reversed() {
      let rows = layout.rows(t)
      if work.readsBack { readBackward(rows, work, context) }
      if !attendsBefore {
        attendBackward(
          t, work, state: trace.output.rows(rows), stateGradient: dOutput(rows, work), into: gradients,
          context)
      }
      cell.backward(step: t, back, outputGradient: dOutput(rows, work), inputGradient: dx.rows(rows), context)
      if attendsBefore {
        if !readout.contextColumns.isEmpty {  // c enters both the cell and the readout.
          dx.rows(rows).columns(inputs.place(contextColumns))
            .add(work.dJoined.rows(rows).columns(readout.contextColumns))
        }
        attendBackward(
          t, work, state: trace.state(before: t),
          stateGradient: back.stateGradient[trace.topPart].rows(0..<rows.count), into: gradients, context)
      }
      if shape.inputFeeding, t > 0 {
        let first = layout.offsets[t - 1]
        work.dr.rows(first..<first + rows.count)
          .add(dx.rows(rows).columns(inputs.place(feedColumns)))
      }
    }
    cell.finishBackward(back, inputs: x, precomputedGradient: work.dEmbedded, into: gradients, context)
  }

  /// The gradient of all contexts: columns of the cell's input gradient if the cell reads them, otherwise of the readout's.
  private func contextGradient(_ work: BackwardWork) -> MatrixView<Element> {
    if attendsBefore, let dx = work.dInputs { return dx.columns(work.pass.inputs.place(contextColumns)) }
    return work.dJoined.columns(readout.contextColumns)
  }

  @_specialize(where Element == Float)
  private func attendBackward(
    _ t: Int, _ work: BackwardWork, state: MatrixView<Element>, stateGradient: MatrixView<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let dContexts = contextGradient(work).rows(work.pass.batch.layout.rows(t))
    for (index, columns) in attentionColumns.enumerated() {
      attentions[index].backward(
        step: t, state: state, work.pass.prepared[index], work.pass.attention[index], work.reverses[index],
        contextGradient: dContexts.columns(columns), stateGradient: stateGradient, into: gradients, context)
    }
  }

  // MARK: After the loop

  private func finishAttention(
    _ work: BackwardWork, _ start: DecoderStartGradient<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    guard !attentions.isEmpty else { return }
    let (pass, dContexts) = (work.pass, contextGradient(work))
    let states =
      attendsBefore
      ? pass.batch.layout.previousStates(pass.trace.slabs[pass.trace.topPart], context.arena)
      : pass.trace.output
    for (index, columns) in attentionColumns.enumerated() {
      attentions[index].finishBackward(
        pass.prepared[index], pass.attention[index], work.reverses[index], states: states,
        contextGradient: dContexts.columns(columns), valuesGradient: start.memories[index], into: gradients,
        context)
    }
  }
}
