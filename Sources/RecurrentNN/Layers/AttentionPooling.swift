import NumericKernels
import Parameters

/// The weighted mean of a sequence's states, with weights from a learned query (Yang et al. 2016, equations 5 to 7).
///
///     u_t = tanh(W h_t + b),   a_t = exp(u_t·v) / Σ_s exp(u_s·v),   pooled = Σ_t a_t h_t
///
/// Shapes: h [rows, inputSize], `weight` W [size, inputSize], `bias` b [size], `query` v [size]. The sums run over the
/// steps of one sequence.
struct AttentionPooling<Element: Scalar>: Sendable {
  private let keys: Linear<Element>
  private let query: Parameter

  /// Adds `weight`, `bias` and `query` to a layout, drawn from U(±1/√inputSize), the query from U(±1/√size).
  init(inputSize: Int, size: Int, in builder: inout ParameterLayout.Builder) {
    keys = Linear(inputSize: inputSize, outputSize: size, activation: .tanh, in: &builder)
    query = builder.add("query", [size], .uniform(1 / Double(size).squareRoot()))
  }

  var parameters: [Parameter] { [keys.weight, keys.bias, query] }

  /// What the forward pass keeps for the backward pass.
  struct Trace {
    /// u, [rows, size].
    let keys: MatrixView<Element>
    /// a, [rows, 1].
    let weights: MatrixView<Element>
  }

  /// Overwrites the first `at.count` rows of `pooled`.
  func forward(
    _ h: MatrixView<Element>, _ at: PackedRows, into pooled: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) -> Trace {
    let u = context.arena.matrix(h.rows, keys.outputSize)
    keys.forward(h, into: u, context.parameters)
    let weights = context.arena.matrix(h.rows, 1)
    context.multiply(u, context.parameters.matrix(query), .right, into: weights)
    Element.attentionPool(
      weights.base, h.base, h.stride, at, h.columns, pooled.base, pooled.stride)
    return Trace(keys: u, weights: weights)
  }

  /// Overwrites `dh` and adds to the parameters' gradients.
  func backward(
    _ trace: Trace, _ h: MatrixView<Element>, _ at: PackedRows, gradient dPooled: MatrixView<Element>,
    states dh: MatrixView<Element>, into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let arena = context.arena
    arena.scoped {
      let dScores = arena.matrix(h.rows, 1)
      // dh = a dpooled;  ds_t = a_t (da_t - Σ_s a_s da_s) with da_t = dpooled·h_t
      Element.attentionPoolBackward(
        trace.weights.base, h.base, h.stride, dPooled.base, dPooled.stride, at, h.columns, dScores.base,
        dh.base, dh.stride)
      // dv += Σ ds_t u_t;  du_t = ds_t v
      context.multiply(dScores, trace.keys, .left, into: gradients.matrix(query), accumulate: true)
      let du = arena.matrix(h.rows, keys.outputSize)
      context.multiply(dScores, context.parameters.matrix(query), into: du)
      let dKeys = arena.matrix(h.rows, h.columns)
      keys.backward(h, trace.keys, du, inputGradient: dKeys, into: gradients, context.parameters)
      dh.add(dKeys)
    }
  }
}
