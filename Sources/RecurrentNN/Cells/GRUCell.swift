import NumericKernels
import Parameters

/// Gated recurrent unit (Cho et al. 2014), with the reset gate after or before the recurrent product.
///
///     r = σ(W_ir x + b_ir + W_hr h + b_hr)
///     z = σ(W_iz x + b_iz + W_hz h + b_hz)
///     n = tanh(W_in x + b_in + r ∘ (W_hn h + b_hn))       reset after the product: torch.nn.GRU
///     n = tanh(W_in x + b_in + W_hn (r ∘ h) + b_hn)       reset before: Cho et al. eq. 8, TensorFlow
///     h' = (1 − z) ∘ n + z ∘ h
///
/// Shapes: x [B, inputSize], h [B, hiddenSize]; `weight_ih` [3H, inputSize] and `weight_hh` [3H, H] are
/// stacked in the order r z n. Output and state are both h'.
public struct GRUCell<Element: Scalar>: RecurrentCell {
  public let inputSize: Int
  public let hiddenSize: Int
  public let reset: CellKind.GRUReset
  let weightIH: Parameter
  let weightHH: Parameter
  let biasIH: Parameter
  let biasHH: Parameter

  /// Adds `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` (each with `suffix`) to a layout, drawn from
  /// U(±1/√H) as PyTorch does.
  public init(
    inputSize: Int, hiddenSize: Int, reset: CellKind.GRUReset = .after, suffix: String = "",
    in builder: inout ParameterLayout.Builder
  ) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.reset = reset
    let gates = CellParameters(
      inputSize: inputSize, hiddenSize: hiddenSize, gates: 3, suffix: suffix, in: &builder)
    (weightIH, weightHH, biasIH, biasHH) = (gates.weightIH, gates.weightHH, gates.biasIH, gates.biasHH)
  }

  public var outputSize: Int { hiddenSize }
  public var stateSize: StateSize { .vector(hiddenSize) }
  public var parameters: [Parameter] { [weightIH, weightHH, biasIH, biasHH] }

  /// Rows of the stacked weights that belong to r and z, and to n.
  private var gateRows: (rz: Range<Int>, n: Range<Int>) {
    (0..<2 * hiddenSize, 2 * hiddenSize..<3 * hiddenSize)
  }

  // MARK: Forward

  public func unroll(
    _ input: SequenceInput<Element>, _ layout: PackedLayout, from initial: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    let (B, N, H) = (layout.batchSize, layout.rowCount, hiddenSize)
    let gates = context.arena.matrix(N, 3 * H)
    let hidden = context.arena.matrix(B + N, H)
    hidden.rows(0..<B).copy(from: initial[0])
    InputProjection(weight: weightIH).forward(input, into: gates, context)
    let recurrent =
      reset == .after
      ? runResetAfter(layout, gates, hidden, context) : runResetBefore(layout, gates, hidden, context)
    return Unrolled(
      layout: layout, input: input, output: hidden.rows(B..<B + N),
      finalState: [layout.finalState(hidden, context.arena)], gates: gates, recurrent: recurrent,
      hidden: hidden)
  }

  /// Returns the recurrent products of all rows, [N, 3H].
  private func runResetAfter(
    _ layout: PackedLayout, _ gates: MatrixView<Element>, _ hidden: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    let (xBias, hBias) = (context.parameters.pointer(biasIH), context.parameters.pointer(biasHH))
    let products = context.arena.matrix(layout.rowCount, 3 * hiddenSize)
    let recurrent = context.packed(weightHH, transposed: true)
    for t in 0..<layout.steps {
      let n = layout.activeCounts[t]
      let previous = layout.previousSlab(t)
      let (x, h) = (gates.rows(layout.rows(t)), products.rows(layout.rows(t)))
      recurrent.multiply(hidden.rows(previous..<previous + n), into: h, accumulate: false)
      Element.gruForward(
        n, hiddenSize, x.base, h.base, xBias, hBias, hidden.row(previous), hidden.row(layout.slab(t)))
    }
    return products
  }

  /// Returns the reset states r ∘ h of all rows, [N, H].
  private func runResetBefore(
    _ layout: PackedLayout, _ gates: MatrixView<Element>, _ hidden: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    let bias = context.arena.matrix(1, 3 * hiddenSize)
    bias.copy(from: context.parameters.matrix(biasIH))
    bias.add(context.parameters.matrix(biasHH))
    let resetStates = context.arena.matrix(layout.rowCount, hiddenSize)
    let gateWeights = context.packed(weightHH, rows: gateRows.rz, transposed: true)
    let outputWeights = context.packed(weightHH, rows: gateRows.n, transposed: true)
    for t in 0..<layout.steps {
      let n = layout.activeCounts[t]
      let (previous, next) = (layout.previousSlab(t), layout.slab(t))
      let (g, rh) = (gates.rows(layout.rows(t)), resetStates.rows(layout.rows(t)))
      gateWeights.multiply(
        hidden.rows(previous..<previous + n), into: g.columns(gateRows.rz), accumulate: true)
      Element.gruBeforeGates(n, hiddenSize, g.base, bias.base, hidden.row(previous), rh.base)
      outputWeights.multiply(rh, into: g.columns(gateRows.n), accumulate: true)
      Element.gruBeforeOutput(n, hiddenSize, g.base, bias.base, hidden.row(previous), hidden.row(next))
    }
    return resetStates
  }

  // MARK: Backward

  public func backpropagate(
    _ unrolled: Unrolled<Element>, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let gates = unrolled.gates, let recurrent = unrolled.recurrent, let hidden = unrolled.hidden else {
      preconditionFailure("backpropagate of a GRU needs what its own unroll returned")
    }
    let trace = Trace(layout: unrolled.layout, gates: gates, recurrent: recurrent, hidden: hidden)
    context.arena.scoped {
      let dOutput = outputGradient.contiguous(context.arena)
      switch reset {
      case .after: reverseResetAfter(trace, dOutput, stateGradient[0], into: gradients, context)
      case .before: reverseResetBefore(trace, dOutput, stateGradient[0], into: gradients, context)
      }
      InputProjection(weight: weightIH).backward(
        gates, unrolled.input, inputGradient: inputGradient, into: gradients, context)
    }
  }

  private struct Trace {
    let layout: PackedLayout
    let gates: MatrixView<Element>
    let recurrent: MatrixView<Element>
    let hidden: MatrixView<Element>
  }

  private func reverseResetAfter(
    _ trace: Trace, _ dOutput: MatrixView<Element>, _ dh: MatrixView<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let (layout, hidden) = (trace.layout, trace.hidden)
    let weights = context.packed(weightHH, transposed: false)
    for t in (0..<layout.steps).reversed() {
      let n = layout.activeCounts[t]
      let h = trace.recurrent.rows(layout.rows(t))
      Element.gruBackward(
        n, hiddenSize, trace.gates.row(layout.offsets[t]), h.base, hidden.row(layout.previousSlab(t)),
        dOutput.row(layout.offsets[t]), dh.base, gradients.pointer(biasIH), gradients.pointer(biasHH))
      weights.multiply(h, into: dh.rows(0..<n), accumulate: true)  // dL/dh = z ∘ dh' + dproduct · W_hh
    }
    multiply(
      trace.recurrent, layout.previousStates(hidden, context.arena), .left, into: gradients.matrix(weightHH),
      accumulate: true)
  }

  private func reverseResetBefore(
    _ trace: Trace, _ dOutput: MatrixView<Element>, _ dh: MatrixView<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let (layout, hidden, gates, H) = (trace.layout, trace.hidden, trace.gates, hiddenSize)
    let dBias = context.arena.zeros(1, 3 * H)
    let dReset = context.arena.matrix(layout.batchSize, H)
    let gateWeights = context.packed(weightHH, rows: gateRows.rz, transposed: false)
    let outputWeights = context.packed(weightHH, rows: gateRows.n, transposed: false)
    for t in (0..<layout.steps).reversed() {
      let n = layout.activeCounts[t]
      let g = gates.rows(layout.rows(t))
      let previous = hidden.row(layout.previousSlab(t))
      Element.gruBeforeOutputBackward(
        n, H, g.base, previous, dOutput.row(layout.offsets[t]), dh.base, dBias.base)
      outputWeights.multiply(g.columns(gateRows.n), into: dReset.rows(0..<n), accumulate: false)
      Element.gruBeforeGatesBackward(n, H, g.base, previous, dReset.base, dh.base, dBias.base)
      gateWeights.multiply(g.columns(gateRows.rz), into: dh.rows(0..<n), accumulate: true)
    }
    let dWeight = gradients.matrix(weightHH)
    multiply(
      gates.columns(gateRows.rz), layout.previousStates(hidden, context.arena), .left,
      into: dWeight.rows(gateRows.rz), accumulate: true)
    multiply(
      gates.columns(gateRows.n), trace.recurrent, .left, into: dWeight.rows(gateRows.n), accumulate: true)
    gradients.matrix(biasIH).add(dBias)
    gradients.matrix(biasHH).add(dBias)
  }
}
