import NumericKernels
import Parameters

/// Gradients that gather over the steps of a batch while it runs backwards.
struct AttentionReverse<Element: Scalar> {
  /// [S, size]
  let keys: MatrixView<Element>
  /// [N, size]
  let queries: MatrixView<Element>
  /// [1, size]
  let v: MatrixView<Element>
  /// [features, size]
  let featureWeight: MatrixView<Element>
  /// Of the features of one step, [S, features].
  let features: MatrixView<Element>
  /// What reaches the weights of this step and of the one before from later steps, [1, S] each; they take turns.
  let weights: (MatrixView<Element>, MatrixView<Element>)
  /// Of the coverage after a step, on return of that before it, [1, S].
  let coverage: MatrixView<Element>
  /// Weight of the coverage loss.
  let coverageLoss: Element
}

extension Attention {
  /// Zeros for everything that gathers.
  func beginBackward(
    _ prepared: PreparedAttention<Element>, _ trace: AttentionTrace<Element>, coverageLoss: Double,
    _ context: LayerContext<Element>
  ) -> AttentionReverse<Element> {
    let (arena, rows) = (context.arena, prepared.memory.values.rows)
    return AttentionReverse(
      keys: arena.zeros(rows, size), queries: arena.matrix(trace.layout.rowCount, size),
      v: arena.zeros(1, size), featureWeight: arena.zeros(shape.featureCount, size),
      features: arena.matrix(rows, shape.featureCount), weights: (arena.zeros(1, rows), arena.zeros(1, rows)),
      coverage: arena.zeros(1, rows), coverageLoss: Element(coverageLoss))
  }

  /// Step t backwards.
  ///
  /// - Parameters:
  ///   - state: what `forward` was given.
  ///   - contextGradient: of the contexts, [n, D]; it must stay as it is until `finishBackward`.
  ///   - stateGradient: that of the state is ADDED, [n, H].
  @_specialize(where Element == Float)
  func backward(
    step t: Int, state: MatrixView<Element>, _ prepared: PreparedAttention<Element>,
    _ trace: AttentionTrace<Element>, _ reverse: AttentionReverse<Element>,
    contextGradient: MatrixView<Element>, stateGradient: MatrixView<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let (now, before) = t % 2 == 0 ? reverse.weights : (reverse.weights.1, reverse.weights.0)
    if let coverage = trace.coverage(t) {
      // cov_{t+1} = cov_t + a_t: a_t gets the gradient of cov_{t+1}, and cov_t keeps it.
      now.add(reverse.coverage)
      if reverse.coverageLoss > 0 {
        _ = Element.coverageLoss(
          weights: trace.weights(t), coverage: coverage, trace.count(t), scale: reverse.coverageLoss,
          weightsGradient: now.base, coverageGradient: reverse.coverage.base)
      }
    }
    let rows = rows(state.rows, step: t, prepared.memory)
    let previous = t == 0 ? prepared.zeros.base : trace.weights(t - 1)
    computeFeatures(rows, prepared, previous: previous, coverage: trace.coverage(t), context)
    let range = trace.layout.rows(t)
    let dQuery = reverse.queries.rows(range)
    Element.attentionBackward(
      rows, operands(prepared, trace.queries?.rows(range) ?? state), weights: trace.weights(t),
      contextGradient: contextGradient.base, contextStride: contextGradient.stride,
      into: AttentionGradients(
        weights: now.base, query: dQuery.base, queryStride: dQuery.stride, keys: reverse.keys.base,
        v: reverse.v.base, features: reverse.features.base, featureWeight: reverse.featureWeight.base))
    before.fill(0)
    if shape.featureCount > 0 {
      Element.attentionFeaturesBackward(
        rows, featuresGradient: reverse.features.base, previous: previous,
        filters(context, or: prepared.zeros), coverageGradient: shape.coverage ? reverse.coverage.base : nil,
        previousGradient: before.base, filterGradient: filters.map(gradients.pointer) ?? before.base)
    }
    if let query {
      context.packed(query.weight, transposed: false).multiply(dQuery, into: stateGradient, accumulate: true)
    } else {
      addScaled(scaleValue(context), dQuery, to: stateGradient)
    }
  }

  /// What is left when all steps have run backwards: one product for each parameter.
  ///
  /// - Parameters:
  ///   - states: s of all rows, [N, H].
  ///   - contextGradient: of all rows, [N, D].
  ///   - valuesGradient: that of the encoder's outputs is ADDED, [S, D].
  func finishBackward(
    _ prepared: PreparedAttention<Element>, _ trace: AttentionTrace<Element>,
    _ reverse: AttentionReverse<Element>,
    states: MatrixView<Element>, contextGradient: MatrixView<Element>, valuesGradient: MatrixView<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    addValuesGradient(prepared, trace, contextGradient, to: valuesGradient, context)
    if let key {
      context.multiply(
        reverse.keys, prepared.memory.values, .left, into: gradients.matrix(key), accumulate: true)
      context.multiply(reverse.keys, context.parameters.matrix(key), into: valuesGradient, accumulate: true)
    } else {
      valuesGradient.add(reverse.keys)
    }
    if let query {
      context.multiply(reverse.queries, states, .left, into: gradients.matrix(query.weight), accumulate: true)
      let dQuery = reverse.queries
      Element.addColumnSums(
        dQuery.base, dQuery.stride, dQuery.rows, dQuery.columns, gradients.pointer(query.bias))
    }
    if let v { addVGradient(v, reverse, into: gradients, context) }
    addFeatureGradient(reverse, into: gradients)
    if let scale {
      // q = s · state: the gradient of s is the sum over all rows of dq · state.
      for row in 0..<states.rows {
        gradients.pointer(scale).pointee += product(
          reverse.queries.rows(row..<row + 1), states.rows(row..<row + 1), context)
      }
    }
  }

  private func addValuesGradient(
    _ prepared: PreparedAttention<Element>, _ trace: AttentionTrace<Element>,
    _ contextGradient: MatrixView<Element>, to valuesGradient: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) {
    context.arena.scoped {
      let layout = trace.layout
      let steps = context.arena.words(layout.batchSize, of: Int32.self)
      let places = context.arena.words(layout.steps, of: Int64.self)
      let rows = context.arena.words(layout.steps, of: Int64.self)
      for (position, length) in layout.lengths.enumerated() { steps[position] = Int32(length) }
      for step in 0..<layout.steps {
        places[step] = Int64(trace.places[step])
        rows[step] = Int64(layout.offsets[step])
      }
      Element.attentionValuesBackward(
        self.rows(layout.batchSize, step: 0, prepared.memory), steps: UnsafePointer(steps.baseAddress!),
        stepPlace: UnsafePointer(places.baseAddress!), stepRow: UnsafePointer(rows.baseAddress!),
        weights: trace.weights.base, contextGradient: contextGradient.base,
        contextStride: contextGradient.stride, valuesGradient: valuesGradient.base)
    }
  }

  /// v itself, or through v = g w/‖w‖: dg = dv · w/‖w‖ and dw = g/‖w‖ (dv − (dv · w) w/‖w‖²).
  private func addVGradient(
    _ v: Parameter, _ reverse: AttentionReverse<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    let target = gradients.matrix(v)
    guard let vLength else { return target.add(reverse.v) }
    let raw = context.parameters.matrix(v)
    let (g, square) = (context.parameters.pointer(vLength).pointee, product(raw, raw, context))
    let (length, along) = (square.squareRoot(), product(reverse.v, raw, context))
    gradients.pointer(vLength).pointee += along / length
    Element.axpy(g / length, reverse.v.base, target.base, size)
    Element.axpy(-g * along / (length * square), raw.base, target.base, size)
  }

  private func addFeatureGradient(
    _ reverse: AttentionReverse<Element>, into gradients: ParameterBuffer<Element>
  ) {
    var feature = 0
    for target in [coverage, location].compactMap({ $0 }).map(gradients.matrix) {
      for column in 0..<target.columns {
        for unit in 0..<size { target[unit, column] += reverse.featureWeight[feature, unit] }
        feature += 1
      }
    }
  }
}
