import CKernels
import NumericKernels
import Parameters

/// Attention over a source: context c_i = Σ_j a_ij h_j, a_i = softmax of the scores of ``AttentionShape``.
///
/// Parameters (A units, encoder outputs of width D, a decoder state of width H): additive `key.weight` [A, D],
/// `query.weight` [A, H], `query.bias` [A], `v.weight` [1, A], or normed `v.weight_g` [1, 1] and `v.weight_v` [1, A] as
/// torch's weight_norm names them; `coverage.weight` [A, 1]; `location_conv.weight` [C, 1, W] and `location.weight`
/// [A, C]. General: `general.weight` [H, D]. Learned scaling: `scale` [1].
public struct Attention<Element: Scalar>: Sendable {
  public let shape: AttentionShape
  /// Width of the encoder's outputs and of the context.
  public let memorySize: Int
  /// Width of the decoder's state.
  public let querySize: Int
  /// Keys of h_j: `key.weight` or `general.weight`.
  private(set) var key: Parameter?
  private(set) var query: (weight: Parameter, bias: Parameter)?
  private(set) var v, vLength, scale, coverage, filters, location: Parameter?

  /// Adds the parameters to a layout, initialized like torch.nn.Linear and Conv1d; g starts at 1/√A as in TensorFlow.
  public init(
    _ shape: AttentionShape, memorySize: Int, querySize: Int, in builder: inout ParameterLayout.Builder
  ) {
    precondition(
      shape.form != .dot || memorySize == querySize,
      "dot attention of a state of \(querySize) over outputs of \(memorySize)")
    self.shape = shape
    self.memorySize = memorySize
    self.querySize = querySize
    func uniform(_ inputs: Int) -> Initializer { .uniform(1 / Double(inputs).squareRoot()) }
    switch shape.form {
    case .additive:
      let (size, normed) = (shape.size ?? querySize, shape.normed)
      key = builder.add("key.weight", [size, memorySize], uniform(memorySize))
      query = (
        builder.add("query.weight", [size, querySize], uniform(querySize)),
        builder.add("query.bias", [size], uniform(querySize))
      )
      if normed {
        vLength = builder.add("v.weight_g", [1, 1], .constant(1 / Double(size).squareRoot()))
      }
      v = builder.add(normed ? "v.weight_v" : "v.weight", [1, size], uniform(size))
      if shape.coverage { coverage = builder.add("coverage.weight", [size, 1], uniform(1)) }
      if let features = shape.location {
        filters = builder.add(
          "location_conv.weight", [features.channels, 1, features.width], uniform(features.width))
        location = builder.add("location.weight", [size, features.channels], uniform(features.channels))
      }
    case .dot: break
    case .general: key = builder.add("general.weight", [querySize, memorySize], uniform(memorySize))
    }
    if shape.scaling == .learned { scale = builder.add("scale", [1], .constant(1)) }
  }

  /// Units of keys and queries.
  var size: Int { query?.bias.count ?? querySize }

  /// True if the query is not the state itself.
  var transformsQuery: Bool { query != nil || shape.scaling != .none }

  /// The factor of a dot or general score.
  func scaleValue(_ context: LayerContext<Element>) -> Element {
    switch shape.scaling {
    case .none: 1
    case .inverseSquareRoot: 1 / Element(querySize).squareRoot()
    case .learned: scale.map { context.parameters.pointer($0).pointee } ?? 1
    }
  }

  // MARK: Before the first step

  /// Projects the keys of a batch, once for all steps.
  ///
  /// - Parameter arena: holds the keys.
  func prepare(
    _ memory: SourceMemory<Element>, in arena: Arena<Element>, _ context: LayerContext<Element>
  ) -> PreparedAttention<Element> {
    let rows = memory.values.rows
    var keys = memory.values
    if let key {
      keys = arena.matrix(rows, size)
      context.multiply(memory.values, by: key, transposed: true, into: keys)
      if let query {
        // Adding the query's bias to the keys adds it once instead of in every step.
        keys.activate(.identity, bias: context.parameters.pointer(query.bias))
      }
    }
    return PreparedAttention(
      memory: memory, keys: keys, v: v.map { effectiveV($0, in: arena, context) },
      featureWeight: featureWeight(in: arena, context),
      query: query.map { context.packed($0.weight, transposed: true) },
      features: arena.matrix(rows, shape.featureCount), zeros: arena.zeros(rows, 1))
  }

  /// v, or g v/‖v‖.
  private func effectiveV(
    _ v: Parameter, in arena: Arena<Element>, _ context: LayerContext<Element>
  ) -> UnsafePointer<Element> {
    let raw = context.parameters.matrix(v)
    guard let vLength else { return UnsafePointer(raw.base) }
    let normed = arena.zeros(1, raw.columns)
    let g = context.parameters.pointer(vLength).pointee
    normed.base.addScaled(g / dot(raw, raw, context).squareRoot(), raw.base, count: raw.columns)
    return UnsafePointer(normed.base)
  }

  /// The weights of all features, one row per feature, [features, A]: the transpose of the parameters.
  private func featureWeight(
    in arena: Arena<Element>, _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    let result = arena.matrix(shape.featureCount, size)
    var feature = 0
    for weight in [coverage, location].compactMap({ $0 }).map(context.parameters.matrix) {
      for column in 0..<weight.columns {
        for unit in 0..<size { result[feature, unit] = weight[unit, column] }
        feature += 1
      }
    }
    return result
  }

  /// Σ x_i y_i of two one-row matrices, always in single precision: norms and the gradient of a learned scale are not
  /// products with a weight.
  private func dot(
    _ x: MatrixView<Element>, _ y: MatrixView<Element>, _ context: LayerContext<Element>
  ) -> Element {
    context.arena.scoped {
      let sum = context.arena.zeros(1, 1)
      multiply(x, y, .right, into: sum, mode: ProductMode(on: .inUse))
      return sum[0, 0]
    }
  }

  // MARK: One step

  /// The query of a step: W_q s, or the scaled state, or the state itself.
  func project(
    _ state: MatrixView<Element>, _ prepared: PreparedAttention<Element>, into query: MatrixView<Element>?,
    _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    guard let query else { return state }
    if let weight = prepared.query {
      weight.multiply(state, into: query, accumulate: false)
    } else {
      query.fill(0)
      query.addScaled(scaleValue(context), state)
    }
    return query
  }

  /// The rows of a step with their positions in the source.
  func rows(
    _ count: Int, step: Int, starts: UnsafePointer<Int32>, lengths: UnsafePointer<Int32>,
    places: UnsafePointer<Int32>
  ) -> rnd_attention_rows {
    rnd_attention_rows(
      rows: count, start: starts, length: lengths, place: places, size: size, width: memorySize,
      features: shape.featureCount, center: step, window: shape.window ?? -1)
  }

  /// The inputs of the features of a step: the weights of the previous step, and filters over them if there are location
  /// features.
  func positionFeatures(
    _ rows: rnd_attention_rows, previous: UnsafePointer<Element>, _ context: LayerContext<Element>
  ) -> rnd_attention_position_features {
    var features = rnd_attention_position_features()
    (features.at, features.previous, features.filter_width) = (rows, UnsafeRawPointer(previous), 1)
    if let filters, let location = shape.location {
      features.filter = UnsafeRawPointer(context.parameters.pointer(filters))
      (features.channels, features.filter_width) = (location.channels, location.width)
    }
    return features
  }

  /// Overwrites the features of a step.
  func computeFeatures(
    _ rows: rnd_attention_rows, _ prepared: PreparedAttention<Element>, previous: UnsafePointer<Element>,
    coverage: UnsafePointer<Element>?, _ context: LayerContext<Element>
  ) {
    guard shape.featureCount > 0 else { return }
    var features = positionFeatures(rows, previous: previous, context)
    features.coverage = shape.coverage ? coverage.map { UnsafeRawPointer($0) } : nil
    features.features = UnsafeMutableRawPointer(prepared.features.base)
    rnd_attention_features(Element.kernelType, features)
  }

  func operands(
    _ prepared: PreparedAttention<Element>, _ query: MatrixView<Element>
  ) -> rnd_attention_operands {
    rnd_attention_operands(
      keys: prepared.keys.base, query: query.base, query_stride: query.stride, v: prepared.v,
      features: prepared.features.base, feature_weight: prepared.featureWeight.base,
      values: prepared.memory.values.base)
  }

  /// Step t of a batch: overwrites the contexts [n, D] of the rows still running and keeps weights and coverage.
  ///
  /// - Parameter state: s of the rows, [n, H].
  @_specialize(where Element == Float)
  func forward(
    step t: Int, state: MatrixView<Element>, _ prepared: PreparedAttention<Element>,
    _ trace: AttentionTrace<Element>, into contexts: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    let query = project(state, prepared, into: trace.queries?.rows(trace.layout.rows(t)), context)
    trace.advanceCoverage(to: t)
    let rows = rows(state.rows, step: t, prepared.memory)
    computeFeatures(
      rows, prepared, previous: t == 0 ? prepared.zeros.base : trace.weights(t - 1),
      coverage: trace.coverage(t), context)
    attend(
      rnd_attention(
        at: rows, of: operands(prepared, query), weights: trace.weights(t), context: contexts.base,
        context_stride: contexts.stride), places: trace.count(t))
  }

  /// Computes scores, weights and contexts of one step, whose rows are divided among the threads.
  ///
  /// - Parameter places: the number of weights.
  func attend(_ step: rnd_attention, places: Int) {
    KernelThreads.split(step.at.rows, elements: places * (size + memorySize)) {
      rnd_attention_forward(Element.kernelType, step, $0, $1)
    }
  }

  /// The first `count` sentences of a batch.
  func rows(_ count: Int, step: Int, _ memory: SourceMemory<Element>) -> rnd_attention_rows {
    rows(count, step: step, starts: memory.starts, lengths: memory.lengths, places: memory.starts)
  }
}

/// Gradients that accumulate over the steps of the backward pass.
struct AttentionReverse<Element: Scalar> {
  /// [S, size]
  let keys: MatrixView<Element>
  /// [N, size]
  let queries: MatrixView<Element>
  /// The number of rows of a step per block. Each block has its own sums, added in order: the same bits for any number of
  /// threads.
  let blockRows: Int
  /// [blocks, size]
  let v: MatrixView<Element>
  /// [blocks · features, size]
  let featureWeight: MatrixView<Element>
  /// The gradient of the features of one step, [S, features].
  let features: MatrixView<Element>
  /// Gradients that later steps pass to the weights of this step and of the previous one, [1, S] each, in turns.
  let weights: (MatrixView<Element>, MatrixView<Element>)
  /// The gradient of the coverage, [1, S]: on entry after a step, on return before it.
  let coverage: MatrixView<Element>
  /// Weight of the coverage loss.
  let coverageLoss: Element
}

extension Attention {
  /// Allocates the accumulated gradients, all zero.
  func beginBackward(
    _ prepared: PreparedAttention<Element>, _ trace: AttentionTrace<Element>, coverageLoss: Double,
    _ context: LayerContext<Element>
  ) -> AttentionReverse<Element> {
    let (arena, rows) = (context.arena, prepared.memory.values.rows)
    let blockRows = max(1, (trace.layout.batchSize + 15) / 16)
    let blocks = (trace.layout.batchSize + blockRows - 1) / blockRows
    return AttentionReverse(
      keys: arena.zeros(rows, size), queries: arena.matrix(trace.layout.rowCount, size), blockRows: blockRows,
      v: arena.zeros(blocks, size), featureWeight: arena.zeros(blocks * shape.featureCount, size),
      features: arena.matrix(rows, shape.featureCount), weights: (arena.zeros(1, rows), arena.zeros(1, rows)),
      coverage: arena.zeros(1, rows), coverageLoss: Element(coverageLoss))
  }

  /// The backward pass of step t.
  ///
  /// - Parameters:
  ///   - state: the same as in `forward`.
  ///   - contextGradient: the gradient of the contexts, [n, D]; it must stay as it is until `finishBackward`.
  ///   - stateGradient: the gradient of the state is ADDED, [n, H].
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
        _ = rnd_coverage_loss(
          Element.kernelType,
          rnd_coverage(
            count: trace.count(t), weights: trace.weights(t), coverage: coverage,
            scale: Double(reverse.coverageLoss), d_weights: now.base, d_coverage: reverse.coverage.base))
      }
    }
    let rows = rows(state.rows, step: t, prepared.memory)
    let previous = t == 0 ? prepared.zeros.base : trace.weights(t - 1)
    computeFeatures(rows, prepared, previous: previous, coverage: trace.coverage(t), context)
    let range = trace.layout.rows(t)
    let dQuery = reverse.queries.rows(range)
    let gradient = rnd_attention_gradient(
      at: rows, of: operands(prepared, trace.queries?.rows(range) ?? state), weights: trace.weights(t),
      d_context: contextGradient.base, context_stride: contextGradient.stride, d_weights: now.base,
      d_query: dQuery.base, d_query_stride: dQuery.stride, d_keys: reverse.keys.base, d_v: nil,
      d_features: reverse.features.base, d_feature_weight: nil)
    let blockRows = reverse.blockRows
    KernelThreads.split(
      (state.rows + blockRows - 1) / blockRows, elements: trace.count(t) * (size + memorySize)
    ) { first, end in
      for block in first..<end {
        var part = gradient
        part.d_v = UnsafeMutableRawPointer(reverse.v.row(block))
        part.d_feature_weight = UnsafeMutableRawPointer(reverse.featureWeight.row(block * shape.featureCount))
        rnd_attention_backward(
          Element.kernelType, part, block * blockRows, min((block + 1) * blockRows, state.rows))
      }
    }
    before.fill(0)
    if shape.featureCount > 0 {
      var features = positionFeatures(rows, previous: previous, context)
      features.d_features = UnsafeRawPointer(reverse.features.base)
      features.d_coverage = shape.coverage ? UnsafeMutableRawPointer(reverse.coverage.base) : nil
      features.d_previous = UnsafeMutableRawPointer(before.base)
      features.d_filter = UnsafeMutableRawPointer(filters.map(gradients.pointer) ?? before.base)
      rnd_attention_features_backward(Element.kernelType, features)
    }
    if let query {
      context.packed(query.weight, transposed: false).multiply(dQuery, into: stateGradient, accumulate: true)
    } else {
      stateGradient.addScaled(scaleValue(context), dQuery)
    }
  }

  /// Computes the gradients that can wait until the backward pass of all steps: one GEMM per parameter.
  ///
  /// - Parameters:
  ///   - states: s of all rows, [N, H].
  ///   - contextGradient: the gradient of the contexts of all rows, [N, D].
  ///   - valuesGradient: the gradient of the encoder's outputs is ADDED, [S, D].
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
      reverse.queries.addColumnSums(to: gradients.pointer(query.bias))
    }
    if let v { addVGradient(v, reverse, into: gradients, context) }
    addFeatureGradient(reverse, into: gradients)
    if let scale {
      // q = s · state: the gradient of s is the sum over all rows of dq · state.
      for row in 0..<states.rows {
        gradients.pointer(scale).pointee += dot(
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
      let steps = context.arena.buffer(layout.batchSize, of: Int32.self)
      let places = context.arena.buffer(layout.steps, of: Int64.self)
      let rows = context.arena.buffer(layout.steps, of: Int64.self)
      for (position, length) in layout.lengths.enumerated() { steps[position] = Int32(length) }
      for step in 0..<layout.steps {
        places[step] = Int64(trace.places[step])
        rows[step] = Int64(layout.offsets[step])
      }
      let gradient = rnd_attention_values_gradient(
        at: self.rows(layout.batchSize, step: 0, prepared.memory), steps: UnsafePointer(steps.baseAddress!),
        step_place: UnsafePointer(places.baseAddress!), step_row: UnsafePointer(rows.baseAddress!),
        weights: trace.weights.base, d_context: contextGradient.base,
        context_stride: contextGradient.stride, d_values: valuesGradient.base)
      KernelThreads.split(layout.batchSize, elements: trace.weights.rows * memorySize) {
        rnd_attention_values_backward(Element.kernelType, gradient, $0, $1)
      }
    }
  }

  /// v itself, or through v = g w/‖w‖: dg = dv · w/‖w‖ and dw = g/‖w‖ (dv − (dv · w) w/‖w‖²).
  private func addVGradient(
    _ v: Parameter, _ reverse: AttentionReverse<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    let (target, dv) = (gradients.matrix(v), context.arena.zeros(1, size))
    reverse.v.addColumnSums(to: dv.base)
    guard let vLength else { return target.add(dv) }
    let raw = context.parameters.matrix(v)
    let (g, square) = (context.parameters.pointer(vLength).pointee, dot(raw, raw, context))
    let (length, along) = (square.squareRoot(), dot(dv, raw, context))
    gradients.pointer(vLength).pointee += along / length
    target.base.addScaled(g / length, dv.base, count: size)
    target.base.addScaled(-g * along / (length * square), raw.base, count: size)
  }

  private func addFeatureGradient(
    _ reverse: AttentionReverse<Element>, into gradients: ParameterBuffer<Element>
  ) {
    var feature = 0
    for target in [coverage, location].compactMap({ $0 }).map(gradients.matrix) {
      for column in 0..<target.columns {
        for row in stride(from: feature, to: reverse.featureWeight.rows, by: shape.featureCount) {
          for unit in 0..<size { target[unit, column] += reverse.featureWeight[row, unit] }
        }
        feature += 1
      }
    }
  }
}
