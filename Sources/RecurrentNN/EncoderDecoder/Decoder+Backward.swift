import NumericKernels
import Parameters

/// Gradients of what a decoder started from.
struct DecoderStartGradient<Element: Scalar> {
  /// Of each part of the initial state, [batchSize, part].
  let state: [MatrixView<Element>]
  /// Of X, [batchSize, C]; nil without.
  let condition: MatrixView<Element>?
  /// Of the values of each source memory, [S, D].
  let memories: [MatrixView<Element>]
}

extension Decoder {
  /// Cross-entropy of all rows, summed, nats; with `gradients` also the gradient of r without dropout, [N, R].
  func loss(
    _ pass: DecoderPass<Element>, _ options: DecoderOptions, into gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> (loss: Double, readoutGradient: MatrixView<Element>?) {
    let r = droppedReadout(pass.readout, context)
    let dr = gradients.map { _ in context.arena.matrix(r.rows, r.columns) }
    var loss = output.loss(
      r, targets: pass.batch.targets, smoothing: options.labelSmoothing, gradient: dr, into: gradients,
      context)
    if let dr, let masks = context.dropout, shape.readoutDropout > 0 {
      Element.dropout(
        from: dr, to: dr, masks.rows, masks.key(stream: shape.network.layers), rate: shape.readoutDropout)
    }
    if options.coverageLoss > 0 { loss += options.coverageLoss * coverageLoss(pass) }
    return (loss, dr)
  }

  /// Σ_i Σ_j min(a_ij, cov_ij) over all rows and sources.
  private func coverageLoss(_ pass: DecoderPass<Element>) -> Double {
    var sum = 0.0
    for trace in pass.attention {
      for t in 0..<trace.layout.steps {
        guard let coverage = trace.coverage(t) else { continue }
        sum += Element.coverageLoss(
          weights: trace.weights(t), coverage: coverage, trace.count(t), scale: 0, weightsGradient: nil,
          coverageGradient: nil)
      }
    }
    return sum
  }

  /// Runs all steps backwards and ADDS the gradients of all parameters but those of the output layer.
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
            stateGradient: dOutput(layout.rows(t), work),
            into: gradients, context)
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

  private struct BackwardWork {
    let pass: DecoderPass<Element>
    /// Of r, later of what its tanh was applied to.
    let dr: MatrixView<Element>
    /// Of [s; c; y].
    let dJoined: MatrixView<Element>
    /// Of what the steps were given.
    let dInputs: MatrixView<Element>?
    /// Of E[y] as the cells read it: columns of `dInputs`, unless they knew it; nil if they read indexes.
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
      cell.backward(
        step: t, back, outputGradient: dOutput(rows, work), inputGradient: dx.rows(rows), context)
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
    cell.finishBackward(back, inputs: x, into: gradients, context)
    cell.finishKnown(back, inputGradient: work.dEmbedded, into: gradients, context)
  }

  /// Gradient of all contexts: where the cell reads them, columns of its input's gradient, else those of the readout.
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

  /// Gradients of the embeddings and of X. Inputs that were not looked up have added theirs already.
  private func finishInputs(
    _ work: BackwardWork, _ start: DecoderStartGradient<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    let (batch, inputs) = (work.pass.batch, work.pass.inputs)
    var dEmbedding = work.dEmbedded
    if !readout.inputColumns.isEmpty {
      let ofReadout = work.dJoined.columns(readout.inputColumns)
      if let dEmbedding { dEmbedding.add(ofReadout) } else { dEmbedding = ofReadout }
    }
    if let dEmbedding { dropEmbedding(dEmbedding, context) }
    var first = 0
    if let vector = work.pass.start.condition, let dVector = start.condition {
      switch condition {
      case .none: break
      case .everyStep:
        guard let dc = work.dInputs?.columns(inputs.place(contextColumns)) else { break }
        if !readout.contextColumns.isEmpty { dc.add(work.dJoined.columns(readout.contextColumns)) }
        Element.scatterAddRows(
          dc.base, dc.stride, batch.positions(context.arena), dc.rows, dc.columns, dVector.base,
          dVector.stride)
      case .initialInput:
        guard let firstInput, let y = inputs.embedded, let dEmbedding else { break }
        first = vector.rows  // Step 0 read X instead of a token.
        firstInput.backward(
          vector, y.rows(0..<first), dEmbedding.rows(0..<first), inputGradient: dVector, into: gradients,
          context.parameters)
      }
    }
    guard let dEmbedding else { return }
    gradients.addRows(dEmbedding.rows(first..<dEmbedding.rows), at: batch.inputs + first, of: embedding)
  }
}
