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

/// What a decoder keeps of its forward pass.
struct DecoderPass<Element: Scalar> {
  let batch: DecoderBatch<Element>
  let start: DecoderStart<Element>
  /// The inputs of all rows, [N, inputSize]; nil if embeddings alone are read, by the cell itself.
  let inputs: MatrixView<Element>?
  let trace: Unrolled<Element>
  let prepared: [PreparedAttention<Element>]
  let attention: [AttentionTrace<Element>]
  /// c of all rows, [N, contextSize]: columns of the inputs if the cell reads it.
  let contexts: MatrixView<Element>
  /// [s; c; y] of all rows; of no columns if r is s.
  let joined: MatrixView<Element>
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
    let inputs = makeInputs(batch, start, options, context)
    let prepared = zip(attentions, start.memories).map { $0.prepare($1, in: arena, context) }
    let traces = zip(attentions, start.memories).map { attention, memory in
      AttentionTrace(
        layout, memory, querySize: attention.transformsQuery ? attention.size : nil,
        tracksCoverage: attention.shape.coverage || options.coverageLoss > 0, arena)
    }
    let readsContext = !contextColumns.isEmpty
    let contexts =
      if readsContext, let inputs { inputs.columns(contextColumns) } else {
        arena.matrix(layout.rowCount, contextSize)
      }
    let trace =
      isStepped(options)
      ? cell.begin(layout, from: start.state, context)
      : cell.unroll(
        inputs.map { .dense($0) }
          ?? .indexed(UnsafePointer(batch.inputs), count: layout.rowCount, table: embedding),
        layout, from: start.state, context)
    let joined = arena.matrix(layout.rowCount, readout.isOutput ? 0 : readout.joinedSize)
    let isHidden = !readout.parameters.isEmpty
    let pass = DecoderPass(
      batch: batch, start: start, inputs: inputs, trace: trace, prepared: prepared, attention: traces,
      contexts: contexts, joined: joined,
      readout: readout.isOutput
        ? trace.output : isHidden ? arena.matrix(layout.rowCount, readout.size) : joined)
    runSteps(pass, options, context)
    if !readsBack(options) { read(0..<layout.rowCount, pass, context) }
    return pass
  }

  /// Inputs of all rows with what is known before the first step; nil if an unlooked-up embedding is all there is.
  private func makeInputs(
    _ batch: DecoderBatch<Element>, _ start: DecoderStart<Element>, _ options: DecoderOptions,
    _ context: LayerContext<Element>
  ) -> MatrixView<Element>? {
    let needsRows =
      isStepped(options) || !contextColumns.isEmpty || condition != .none || shape.readout.withInput
      || (context.dropout != nil && shape.embeddingDropout > 0)
    guard needsRows else { return nil }
    let layout = batch.layout
    let x = context.arena.matrix(layout.rowCount, inputSize)
    embed(batch.inputs, into: x, context)
    guard let vector = start.condition else { return x }
    switch condition {
    case .none: break
    case .initialInput: embedCondition(vector, into: x, context)
    case .everyStep:
      let c = x.columns(contextColumns)
      Element.gatherRows(
        vector.base, vector.stride, batch.positions(context.arena), c.rows, c.columns, c.base, c.stride)
    }
    return x
  }

  /// The time loop: what is in it depends on the step before.
  @_specialize(where Element == Float)
  private func runSteps(
    _ pass: DecoderPass<Element>, _ options: DecoderOptions, _ context: LayerContext<Element>
  ) {
    guard let x = pass.inputs, isStepped(options) else {
      for t in 0..<(attentions.isEmpty ? 0 : pass.batch.layout.steps) {
        attend(t, pass, state: pass.trace.output.rows(pass.batch.layout.rows(t)), context)
      }
      return
    }
    let layout = pass.batch.layout
    for t in 0..<layout.steps {
      let rows = layout.rows(t)
      if shape.inputFeeding {
        let feed = x.rows(rows).columns(feedColumns)
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
    let none = MatrixView(pass.joined.base, rows: rows.count, columns: 0)
    readout.forward(
      pass.trace.output.rows(rows), context: pass.contexts.rows(rows),
      input: pass.inputs?.rows(rows).columns(embeddingColumns) ?? none, joined: pass.joined.rows(rows),
      into: pass.readout.rows(rows), context)
  }
}
