import NumericKernels
import Parameters

/// Attention over a source: context c_i = Σ_j a_ij h_j, a_i = softmax of the scores of ``AttentionShape``.
///
/// Parameters (A units, D wide encoder outputs, a state of H): additive `key.weight` [A, D], `query.weight` [A, H],
/// `query.bias` [A], `v.weight` [1, A], or normed `v.weight_g` [1, 1] and `v.weight_v` [1, A] as torch's weight_norm
/// names them; `coverage.weight` [A, 1]; `location_conv.weight` [C, 1, W] and `location.weight` [A, C]. General:
/// `general.weight` [H, D]. Learned scaling: `scale` [1].
public struct Attention<Element: Scalar>: Sendable {
  public let shape: AttentionShape
  /// Width of the encoder's outputs and of the context.
  public let memorySize: Int
  /// Width of the decoder's state.
  public let querySize: Int
  /// Keys of h_j: `key.weight` or `general.weight`.
  let key: Parameter?
  let query: (weight: Parameter, bias: Parameter)?
  let v: Parameter?
  let vLength: Parameter?
  let scale: Parameter?
  let coverage: Parameter?
  let filters: Parameter?
  let location: Parameter?

  /// Adds the parameters to a layout, drawn as torch.nn.Linear and Conv1d draw theirs; g starts at 1/√A as in TensorFlow.
  public init(
    _ shape: AttentionShape, memorySize: Int, querySize: Int, in builder: inout ParameterLayout.Builder
  ) {
    shape.requireMeaning(memorySize: memorySize, querySize: querySize)
    self.shape = shape
    self.memorySize = memorySize
    self.querySize = querySize
    func uniform(_ inputs: Int) -> Initializer { .uniform(1 / Double(inputs).squareRoot()) }
    var additive = AdditiveParameters()
    var key: Parameter?
    switch shape.score {
    case .additive(let size, let normed):
      key = builder.add("key.weight", [size, memorySize], uniform(memorySize))
      additive.query = (
        builder.add("query.weight", [size, querySize], uniform(querySize)),
        builder.add("query.bias", [size], uniform(querySize))
      )
      if normed {
        additive.vLength = builder.add("v.weight_g", [1, 1], .constant(1 / Double(size).squareRoot()))
      }
      additive.v = builder.add(normed ? "v.weight_v" : "v.weight", [1, size], uniform(size))
      if shape.coverage { additive.coverage = builder.add("coverage.weight", [size, 1], uniform(1)) }
      if let features = shape.location {
        additive.filters = builder.add(
          "location_conv.weight", [features.channels, 1, features.width], uniform(features.width))
        additive.location = builder.add(
          "location.weight", [size, features.channels], uniform(features.channels))
      }
    case .dot: break
    case .general: key = builder.add("general.weight", [querySize, memorySize], uniform(memorySize))
    }
    self.key = key
    (query, v, vLength) = (additive.query, additive.v, additive.vLength)
    (coverage, filters, location) = (additive.coverage, additive.filters, additive.location)
    scale = shape.scaling == .learned ? builder.add("scale", [1], .constant(1)) : nil
  }

  private struct AdditiveParameters {
    var query: (weight: Parameter, bias: Parameter)?
    var v, vLength, coverage, filters, location: Parameter?
  }

  /// Handles of all parameters.
  public var parameters: [Parameter] {
    [key, query?.weight, query?.bias, vLength, v, coverage, filters, location, scale].compactMap { $0 }
  }

  /// Units of keys and queries.
  var size: Int { query?.bias.count ?? querySize }

  /// True if the query is not the state itself.
  var transformsQuery: Bool { query != nil || shape.scaling != .none }

  /// The number a dot or general score is multiplied with.
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
  /// - Parameter arena: where they are kept.
  func prepare(
    _ memory: SourceMemory<Element>, in arena: Arena<Element>, _ context: LayerContext<Element>
  ) -> PreparedAttention<Element> {
    let rows = memory.values.rows
    var keys = memory.values
    if let key {
      keys = arena.matrix(rows, size)
      context.multiply(memory.values, by: key, transposed: true, into: keys)
      if let query {
        // The bias of the query is added to the keys: once for all steps.
        Element.activateRows(
          keys.base, keys.stride, context.parameters.pointer(query.bias), rows, size, .identity)
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
    Element.axpy(g / product(raw, raw, context).squareRoot(), raw.base, normed.base, raw.columns)
    return UnsafePointer(normed.base)
  }

  /// Weights of all features with a row for each feature, [features, A]: the transpose of how parameters lie.
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

  /// Σ x_i y_i of two matrices of one row.
  func product(_ x: MatrixView<Element>, _ y: MatrixView<Element>, _ context: LayerContext<Element>)
    -> Element
  {
    context.arena.scoped {
      let sum = context.arena.zeros(1, 1)
      context.multiply(x, y, .right, into: sum)
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
      addScaled(scaleValue(context), state, to: query)
    }
    return query
  }

  /// y += α x of equal shapes.
  func addScaled(_ alpha: Element, _ x: MatrixView<Element>, to y: MatrixView<Element>) {
    for row in 0..<x.rows { Element.axpy(alpha, x.row(row), y.row(row), x.columns) }
  }

  /// Which rows attend to what at a step.
  func rows(
    _ count: Int, step: Int, starts: UnsafePointer<Int32>, lengths: UnsafePointer<Int32>,
    places: UnsafePointer<Int32>
  ) -> AttentionRows {
    var rows = AttentionRows(
      rows: count, start: starts, length: lengths, place: places, size: size, width: memorySize,
      features: shape.featureCount, window: shape.window)
    rows.center = step
    return rows
  }

  /// The filters over the weights of the step before; none without location features.
  func filters(_ context: LayerContext<Element>, or nothing: MatrixView<Element>) -> AttentionFilters<Element>
  {
    guard let filters, let location = shape.location else {
      return AttentionFilters(nothing.base, channels: 0, width: 1)
    }
    return AttentionFilters(
      context.parameters.pointer(filters), channels: location.channels, width: location.width)
  }

  /// Overwrites the features of a step.
  func computeFeatures(
    _ rows: AttentionRows, _ prepared: PreparedAttention<Element>, previous: UnsafePointer<Element>,
    coverage: UnsafePointer<Element>?, _ context: LayerContext<Element>
  ) {
    guard shape.featureCount > 0 else { return }
    Element.attentionFeatures(
      rows, coverage: shape.coverage ? coverage : nil, previous: previous,
      filters(context, or: prepared.zeros), features: prepared.features.base)
  }

  func operands(
    _ prepared: PreparedAttention<Element>, _ query: MatrixView<Element>
  ) -> AttentionOperands<Element> {
    AttentionOperands(
      keys: prepared.keys.base, query: query.base, queryStride: query.stride, v: prepared.v,
      features: prepared.features.base, featureWeight: prepared.featureWeight.base,
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
    let query = project(
      state, prepared, into: trace.queries?.rows(trace.layout.rows(t)), context)
    trace.advanceCoverage(to: t)
    let rows = rows(state.rows, step: t, prepared.memory)
    computeFeatures(
      rows, prepared, previous: t == 0 ? prepared.zeros.base : trace.weights(t - 1),
      coverage: trace.coverage(t),
      context)
    Element.attentionForward(
      rows, operands(prepared, query), weights: trace.weights(t), context: contexts.base,
      contextStride: contexts.stride)
  }

  /// The first `count` sentences of a batch.
  func rows(_ count: Int, step: Int, _ memory: SourceMemory<Element>) -> AttentionRows {
    rows(count, step: step, starts: memory.starts, lengths: memory.lengths, places: memory.starts)
  }
}
