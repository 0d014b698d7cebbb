import NumericKernels
import Parameters

/// Token sequences one after the other in the caller's order, without begin and end marks.
public struct TokenSequences {
  /// Tokens of each sequence, at least 0.
  public let lengths: [Int]
  /// Ids, [sum of lengths].
  public let ids: UnsafePointer<Int32>

  public init(lengths: [Int], ids: UnsafePointer<Int32>) {
    self.lengths = lengths
    self.ids = ids
  }

  public var count: Int { lengths.count }
}

/// Targets in the form a decoder works on: packed rows, each with the token it reads and the token it has to predict.
struct DecoderBatch<Element: Scalar> {
  /// Sequences sorted by their lengths, end mark included.
  let layout: PackedLayout
  /// The token that each row reads: the begin mark, then the target. Scheduled sampling replaces some of them.
  let inputs: UnsafeMutablePointer<Int32>
  /// The token that each row predicts: the target, then the end mark.
  let targets: UnsafePointer<Int32>
  let masks: SampleMasks?

  init(_ sequences: TokenSequences, _ shape: DecoderShape, masks: SampleMasks?, _ arena: Arena<Element>) {
    if let masks {
      precondition(
        masks.samples.count == sequences.count,
        "masks of \(masks.samples.count) samples for \(sequences.count) targets")
    }
    layout = PackedLayout(lengths: sequences.lengths.map { $0 + 1 })
    self.masks = masks
    let ranges = consecutiveRanges(sequences.lengths)
    let bound = Int32(shape.vocabularySize)
    for index in 0..<(ranges.last?.upperBound ?? 0) {
      let id = sequences.ids[index]
      precondition(id >= 0 && id < bound, "target id \(id) for a vocabulary of \(bound)")
    }
    let inputs = arena.buffer(layout.rowCount, of: Int32.self)
    let targets = arena.buffer(layout.rowCount, of: Int32.self)
    for t in 0..<layout.steps {
      for (position, row) in layout.rows(t).enumerated() {
        let sentence = layout.order[position]
        let ids = sequences.ids + ranges[sentence].lowerBound
        inputs[row] = t == 0 ? Int32(shape.beginToken) : ids[t - 1]
        targets[row] = t < sequences.lengths[sentence] ? ids[t] : Int32(shape.endToken)
      }
    }
    self.inputs = inputs.baseAddress!
    self.targets = UnsafePointer(targets.baseAddress!)
  }

  /// The position of the sequence of each packed row, [rowCount].
  func positions(_ arena: Arena<Element>) -> UnsafePointer<Int32> { layout.rowIndex(arena) { $1 } }
}

/// The inputs of a decoder's cells.
struct DecoderInputs<Element: Scalar> {
  /// E[y] of all rows, [N, E]; nil if only the cells need it and look it up themselves.
  var embedded: MatrixView<Element>?
  /// Whether the cells have been given E[y] as rows rather than as indexes of the table.
  var embeddedIsRead = false
  /// The inputs of the steps, [N, ·]: all columns, or those after the embedding; nil if the cells read only embeddings
  /// and look them up themselves.
  var stepped: MatrixView<Element>?
  /// Number of columns of the inputs that are precomputed before the time loop and left out of `stepped`.
  var known = 0

  /// Returns the columns of `stepped` that hold the given columns of the inputs.
  func place(_ columns: Range<Int>) -> Range<Int> {
    columns.lowerBound - known..<columns.upperBound - known
  }
}

extension Decoder {
  // MARK: Forward

  /// Returns the inputs that are available before the first step, and the trace of the cells. The cells are unrolled if
  /// all inputs are available, and otherwise ready for the first step.
  func begin(
    _ batch: DecoderBatch<Element>, _ start: DecoderStart<Element>, _ options: DecoderOptions,
    _ context: LayerContext<Element>
  ) -> (DecoderInputs<Element>, Unrolled<Element>) {
    let (layout, width, steps) = (batch.layout, shape.embeddingSize, isStepped(options))
    let isAltered = condition == .initialInput || dropsEmbedding(context)
    guard steps || isAltered || !contextColumns.isEmpty || shape.readout.withInput else {
      // The cells read unchanged embeddings and look them up themselves.
      return (DecoderInputs(), cell.unroll(indexes(batch), layout, from: start.state, context))
    }
    var inputs = DecoderInputs<Element>()
    // Where steps read more than embeddings, the product of the embeddings with the input weights is computed before the loop.
    guard steps, options.teacherForcing >= 1, inputSize > width, !cell.needsWholeInputs(context) else {
      let x = context.arena.matrix(layout.rowCount, inputSize)
      (inputs.stepped, inputs.embeddedIsRead) = (x, true)
      inputs.embedded = embeddings(batch, start, into: x.columns(embeddingColumns), context)
      fillCondition(batch, start, inputs, context)
      let trace =
        steps
        ? cell.begin(layout, from: start.state, context)
        : cell.unroll(.dense(x), layout, from: start.state, context)
      return (inputs, trace)
    }
    (inputs.stepped, inputs.known) = (context.arena.matrix(layout.rowCount, inputSize - width), width)
    if isAltered || shape.readout.withInput { inputs.embedded = embeddings(batch, start, context) }
    // A table with fewer entries than rows is projected instead of the rows.
    inputs.embeddedIsRead =
      inputs.embedded != nil && (isAltered || shape.vocabularySize >= layout.rowCount)
    fillCondition(batch, start, inputs, context)
    let known: SequenceInput<Element> =
      if inputs.embeddedIsRead, let x = inputs.embedded { .dense(x) } else { indexes(batch) }
    return (inputs, cell.begin(layout, from: start.state, precomputing: known, context))
  }

  private func indexes(_ batch: DecoderBatch<Element>) -> SequenceInput<Element> {
    .indexed(UnsafePointer(batch.inputs), count: batch.layout.rowCount, table: embedding)
  }

  /// E[y] of all rows, with X in place of the first token.
  private func embeddings(
    _ batch: DecoderBatch<Element>, _ start: DecoderStart<Element>, into place: MatrixView<Element>? = nil,
    _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    let y = place ?? context.arena.matrix(batch.layout.rowCount, shape.embeddingSize)
    embed(batch.inputs, into: y, context)
    if condition == .initialInput, let vector = start.condition { embedCondition(vector, into: y, context) }
    return y
  }

  /// Joins X to all inputs if the condition is `everyStep`.
  private func fillCondition(
    _ batch: DecoderBatch<Element>, _ start: DecoderStart<Element>, _ inputs: DecoderInputs<Element>,
    _ context: LayerContext<Element>
  ) {
    guard condition == .everyStep, let vector = start.condition, let x = inputs.stepped else { return }
    x.columns(inputs.place(contextColumns)).gatherRows(of: vector, at: batch.positions(context.arena))
  }

  /// Replaces some of the tokens that step t reads by the model's own (Bengio et al. 2015): a Bernoulli draw per sequence,
  /// which depends on seed, training step, sample and time alone. No gradient passes through the choice.
  ///
  /// - Parameters:
  ///   - previous: r of the previous step, [n, R], without dropped units.
  ///   - x: inputs of all rows; the embeddings of step t are looked up again where a token was replaced.
  func readOwnTokens(
    _ t: Int, _ batch: DecoderBatch<Element>, _ previous: MatrixView<Element>, _ options: DecoderOptions,
    into x: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    guard let masks = batch.masks else {
      preconditionFailure(
        "teacher forcing of \(options.teacherForcing) needs a batch with masks, because they determine its random draws"
      )
    }
    let (arena, n, first) = (context.arena, previous.rows, batch.layout.offsets[t])
    func uniform(_ position: Int, stream: UInt32) -> Double {
      CounterRandom(
        key: RandomKey(seed: masks.seed, purpose: .teacherForcing, step: masks.step),
        sample: UInt64(masks.samples[batch.layout.order[position]]), stream: stream
      ).uniform(at: UInt64(t))
    }
    arena.scoped {
      let isOwn = arena.buffer(n, of: UInt8.self)
      for position in 0..<n {
        isOwn[position] = uniform(position, stream: 0) < options.teacherForcing ? 0 : 1
      }
      guard isOwn.contains(1) else { return }
      let draws = arena.buffer(n, of: Double.self)
      for position in 0..<n { draws[position] = options.feedsSamples ? uniform(position, stream: 1) : 0 }
      let logits = arena.matrix(n, shape.vocabularySize)
      output.logits(previous, into: logits, context)
      let chosen = arena.buffer(n, of: Int32.self)
      sampleTokens(
        logits, SamplingOptions(temperature: options.feedsSamples ? 1 : 0), uniforms: draws.baseAddress!,
        weights: arena.matrix(3, shape.vocabularySize).base, into: chosen.baseAddress!)
      // A row that is all NaN has no most probable token; its loss will be NaN as well.
      for position in 0..<n where isOwn[position] == 1 && chosen[position] >= 0 {
        batch.inputs[first + position] = chosen[position]
      }
      embed(
        batch.inputs + first, into: x.rows(batch.layout.rows(t)).columns(embeddingColumns), context,
        firstRow: first)
    }
  }

  // MARK: Backward

  /// Adds the gradients of the embeddings and of X. Indexed inputs have added theirs already.
  func finishInputs(
    _ work: BackwardWork, _ start: DecoderStartGradient<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    let (batch, inputs) = (work.pass.batch, work.pass.inputs)
    var dEmbedding = work.dEmbedded
    if !readout.inputColumns.isEmpty {
      let ofReadout = work.dJoined.columns(readout.inputColumns)
      if let dEmbedding { dEmbedding.add(ofReadout) } else { dEmbedding = ofReadout }
    }
    if let dEmbedding { context.drop(dEmbedding, rate: shape.embeddingDropout, stream: 0) }
    var first = 0
    if let vector = work.pass.start.condition, let dVector = start.condition {
      switch condition {
      case .none: break
      case .everyStep:
        guard let dc = work.dInputs?.columns(inputs.place(contextColumns)) else { break }
        if !readout.contextColumns.isEmpty { dc.add(work.dJoined.columns(readout.contextColumns)) }
        dVector.scatterAddRows(dc, at: batch.positions(context.arena))
      case .initialInput:
        guard let firstInput, let y = inputs.embedded, let dEmbedding else { break }
        first = vector.rows  // Step 0 read X instead of a token.
        firstInput.backward(
          vector, y.rows(0..<first), dEmbedding.rows(0..<first), inputGradient: dVector, into: gradients,
          context)
      }
    }
    guard let dEmbedding else { return }
    gradients.addRows(dEmbedding.rows(first..<dEmbedding.rows), at: batch.inputs + first, of: embedding)
  }
}
