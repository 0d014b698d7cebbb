import NumericKernels
import Parameters

/// What a decoder starts a batch from.
struct DecoderStart<Element: Scalar> {
  /// For each part of the state [batchSize, part], in the order of the batch's layout.
  let state: [MatrixView<Element>]
  /// X of every sequence, [batchSize, C] in the same order; nil without.
  let condition: MatrixView<Element>?
  /// For each attention its source.
  let memories: [SourceMemory<Element>]
}

/// What the cells of a decoder read.
struct DecoderInputs<Element: Scalar> {
  /// E[y] of all rows, [N, E]; nil if the cells look it up themselves and nobody else wants it.
  var embedded: MatrixView<Element>?
  /// Whether the cells have been given E[y] as rows rather than as indexes of the table.
  var embeddedIsRead: Bool
  /// What the steps are given, [N, ·]: the whole inputs, or what stands in them behind the embedding; nil if embeddings
  /// alone are read, by the cells themselves.
  var stepped: MatrixView<Element>?
  /// Columns of the inputs that `stepped` leaves out, because the cells know them from the beginning.
  var known: Int

  /// Where columns of the inputs are in `stepped`.
  func place(_ columns: Range<Int>) -> Range<Int> {
    columns.lowerBound - known..<columns.upperBound - known
  }
}

/// What a decoder keeps of its forward pass.
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
  /// The cell is driven step by step because its inputs depend on its states or outputs.
  func isStepped(_ options: DecoderOptions) -> Bool { attendsBefore || readsBack(options) }

  /// Outputs of a step are needed for the input of the next.
  func readsBack(_ options: DecoderOptions) -> Bool { shape.inputFeeding || options.teacherForcing < 1 }

  /// Runs all steps of a batch. No logits are computed here, unless the model reads its own tokens.
  func forward(
    _ batch: DecoderBatch<Element>, from start: DecoderStart<Element>, _ options: DecoderOptions,
    _ context: LayerContext<Element>
  ) -> DecoderPass<Element> {
    let (arena, layout) = (context.arena, batch.layout)
    let (inputs, trace) =
      beginKnowingEmbeddings(batch, start, options, context) ?? begin(batch, start, options, context)
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

  /// Where the steps need more than embeddings, and those are known: their product with the input weights is made before
  /// the loop. nil where it can't be.
  private func beginKnowingEmbeddings(
    _ batch: DecoderBatch<Element>, _ start: DecoderStart<Element>, _ options: DecoderOptions,
    _ context: LayerContext<Element>
  ) -> (DecoderInputs<Element>, Unrolled<Element>)? {
    let (layout, width) = (batch.layout, shape.embeddingSize)
    guard isStepped(options), options.teacherForcing >= 1, inputSize > width else { return nil }
    let isAltered = condition == .initialInput || dropsEmbedding(context)
    let embedded =
      isAltered || shape.readout.withInput ? embeddings(batch, start, context) : nil
    // A table of fewer entries than rows is projected in the place of the rows.
    let isRead = embedded != nil && (isAltered || shape.vocabularySize >= layout.rowCount)
    let known: SequenceInput<Element> =
      if isRead, let embedded { .dense(embedded) } else { indexes(batch) }
    guard
      let trace = cell.begin(layout, from: start.state, knowing: known, columns: width, context)
    else { return nil }
    let rest = context.arena.matrix(layout.rowCount, inputSize - width)
    let inputs = DecoderInputs(embedded: embedded, embeddedIsRead: isRead, stepped: rest, known: width)
    fillCondition(batch, start, inputs, context)
    return (inputs, trace)
  }

  /// The cells read whole inputs, or indexes if an embedding that nobody alters is all there is.
  private func begin(
    _ batch: DecoderBatch<Element>, _ start: DecoderStart<Element>, _ options: DecoderOptions,
    _ context: LayerContext<Element>
  ) -> (DecoderInputs<Element>, Unrolled<Element>) {
    let layout = batch.layout
    let needsRows =
      isStepped(options) || !contextColumns.isEmpty || condition != .none || shape.readout.withInput
      || dropsEmbedding(context)
    guard needsRows else {
      return (
        DecoderInputs(embedded: nil, embeddedIsRead: false, stepped: nil, known: 0),
        cell.unroll(indexes(batch), layout, from: start.state, context)
      )
    }
    let x = context.arena.matrix(layout.rowCount, inputSize)
    let embedded = embeddings(batch, start, into: x.columns(embeddingColumns), context)
    let inputs = DecoderInputs(embedded: embedded, embeddedIsRead: true, stepped: x, known: 0)
    fillCondition(batch, start, inputs, context)
    return (
      inputs,
      isStepped(options)
        ? cell.begin(layout, from: start.state, context)
        : cell.unroll(.dense(x), layout, from: start.state, context)
    )
  }

  private func indexes(_ batch: DecoderBatch<Element>) -> SequenceInput<Element> {
    .indexed(UnsafePointer(batch.inputs), count: batch.layout.rowCount, table: embedding)
  }

  /// E[y] of all rows, X in the place of the first.
  private func embeddings(
    _ batch: DecoderBatch<Element>, _ start: DecoderStart<Element>, into place: MatrixView<Element>? = nil,
    _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    let y = place ?? context.arena.matrix(batch.layout.rowCount, shape.embeddingSize)
    embed(batch.inputs, into: y, context)
    if condition == .initialInput, let vector = start.condition { embedCondition(vector, into: y, context) }
    return y
  }

  /// Joins X to all inputs, if that is where it goes.
  private func fillCondition(
    _ batch: DecoderBatch<Element>, _ start: DecoderStart<Element>, _ inputs: DecoderInputs<Element>,
    _ context: LayerContext<Element>
  ) {
    guard condition == .everyStep, let vector = start.condition, let x = inputs.stepped else { return }
    let c = x.columns(inputs.place(contextColumns))
    Element.gatherRows(
      vector.base, vector.stride, batch.positions(context.arena), c.rows, c.columns, c.base, c.stride)
  }

  /// The time loop: what is in it depends on the step before.
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

  /// r of the step before, of the sequences still running.
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
