import CKernels
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
public struct GRUCell<Element: Scalar>: RecurrentCell, SteppedCell {
  public let inputSize: Int
  public let hiddenSize: Int
  public let reset: GRUReset
  private let weights: CellParameters
  private let normalization: GateNormalization<Element>?
  let regularization: CellRegularization

  /// Adds `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` (each with `suffix`) to a layout, drawn from
  /// U(±1/√H) as PyTorch does.
  public init(
    inputSize: Int, hiddenSize: Int, reset: GRUReset = .after, suffix: String = "",
    in builder: inout ParameterLayout.Builder
  ) {
    self.init(
      inputSize: inputSize, hiddenSize: hiddenSize, .gru(reset: reset), suffix: suffix, in: &builder)
  }

  /// The same with options, which are valid and of this kind.
  init(
    inputSize: Int, hiddenSize: Int, _ options: CellOptions, at position: CellPosition = CellPosition(),
    suffix: String, in builder: inout ParameterLayout.Builder
  ) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    reset = options.gruReset
    regularization = CellRegularization(options, at: position)
    weights = CellParameters(
      inputSize: inputSize, hiddenSize: hiddenSize, gates: 3, options, suffix: suffix, in: &builder)
    normalization =
      options.layerNorm
      ? GateNormalization(
        blocks: [0..<2 * hiddenSize, 2 * hiddenSize..<3 * hiddenSize], suffix: suffix, in: &builder) : nil
  }

  public var outputSize: Int { hiddenSize }
  public var stateSize: StateSize { .vector(hiddenSize) }
  public var parameters: [Parameter] { weights.all + (normalization?.parameters ?? []) }

  var weightIH: Parameter { weights.weightIH }

  /// Rows of the stacked weights that belong to r and z, and to n.
  private var gateRows: (rz: Range<Int>, n: Range<Int>) {
    (0..<2 * hiddenSize, 2 * hiddenSize..<3 * hiddenSize)
  }

  // MARK: Forward

  func makeMemory(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> CellMemory<Element> {
    let (N, H) = (layout.rowCount, hiddenSize)
    let rows: Range<Int>? = reset == .after ? nil : gateRows.rz
    var memory = CellMemory(
      layout, from: initial, gateWidth: 3 * H, inputSize: inputSize, regularization,
      weights: context.packed(weights.weightHH, rows: rows, transposed: true), context)
    memory.normalization = normalization?.makeMemory(layout, context)
    switch reset {
    case .after:
      memory.recurrent = context.arena.matrix(N, 3 * H)  // the recurrent products
    case .before:
      memory.recurrent = context.arena.matrix(N, H)  // the reset states r ∘ h
      memory.bias = weights.summedBias(context)
      memory.outputWeights = context.packed(weights.weightHH, rows: gateRows.n, transposed: true)
    }
    return memory
  }

  func advance(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ context: LayerContext<Element>
  ) {
    let (rows, H) = (layout.rows(t), hiddenSize)
    let n = rows.count
    let (previous, next) = (memory.hidden.row(layout.previousSlab(t)), memory.newHidden.row(rows.lowerBound))
    let (g, recurrent) = (memory.gates.rows(rows), memory.recurrent.rows(rows))
    let read = memory.recurrentInput(t, layout)
    switch reset {
    case .after:
      memory.weights.multiply(read, into: recurrent, accumulate: false)
      if let normalization, let kept = memory.normalization {
        normalization.forward(kept.input, rows: rows, g, context)
        normalization.forward(kept.state, rows: rows, recurrent, context)
      }
      let step = rnd_gru(
        units: H, x_gates: g.base, h_gates: recurrent.base,
        x_bias: context.parameters.pointer(weights.biasIH),
        h_bias: context.parameters.pointer(weights.biasHH), h_previous: previous, h: next)
      KernelThreads.shareRows(n, width: H) { rnd_gru_forward(Element.kernelType, step, $0, $1) }
    case .before:
      memory.weights.multiply(read, into: g.columns(gateRows.rz), accumulate: true)
      let step = rnd_gru_before(
        rows: n, units: H, gates: g.base, bias: memory.bias.base, h_previous: previous,
        reset_h: recurrent.base,
        h: next)
      rnd_gru_before_gates(Element.kernelType, step)
      applyStateMask(recurrent, memory)
      memory.outputWeights.multiply(recurrent, into: g.columns(gateRows.n), accumulate: true)
      rnd_gru_before_output(Element.kernelType, step)
    }
  }

  /// What variational dropout leaves of reset states, or of their gradient.
  private func applyStateMask(_ x: MatrixView<Element>, _ memory: CellMemory<Element>) {
    guard memory.masks.state.count > 0 else { return }
    rnd_multiply(
      Element.kernelType, rnd_factors(count: x.count, x: x.base, y: memory.masks.state.base, out: x.base))
  }

  // MARK: Backward

  func makeReverseMemory(
    _ layout: PackedLayout, _ memory: CellMemory<Element>, stateGradient: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> ReverseMemory<Element> {
    let rows: Range<Int>? = reset == .after ? nil : gateRows.rz
    var reverse = ReverseMemory(
      memory, stateGradient: stateGradient,
      weights: context.packed(weights.weightHH, rows: rows, transposed: false), context)
    reverse.normalization = normalization?.makeReverse(context)
    switch reset {
    case .after:
      reverse.biasHH = context.arena.zeros(1, 3 * hiddenSize)
    case .before:
      reverse.scratch = context.arena.matrix(layout.batchSize, hiddenSize)
      reverse.outputWeights = context.packed(weights.weightHH, rows: gateRows.n, transposed: false)
    }
    return reverse
  }

  func retreat(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ reverse: ReverseMemory<Element>,
    outputGradient: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    let (rows, H) = (layout.rows(t), hiddenSize)
    let n = rows.count
    let previous = memory.hidden.row(layout.previousSlab(t))
    let (dh, g) = (reverse.dh.base, memory.gates.rows(rows))
    switch reset {
    case .after:
      let products = memory.recurrent.rows(rows)
      let step = rnd_gru_gradient(
        rows: n, units: H, x_gates: g.base, h_gates: products.base, h_previous: previous,
        dh_out: outputGradient.base, dh: dh, dx_bias: reverse.biasIH.base, dh_bias: reverse.biasHH.base)
      KernelThreads.shareUnits(H, rows: n) { rnd_gru_backward(Element.kernelType, step, $0, $1) }
      if let normalization, let kept = memory.normalization, let sums = reverse.normalization {
        normalization.backward(kept.input, rows: rows, g, gain: sums.input, context)
        normalization.backward(kept.state, rows: rows, products, gain: sums.state, context)
      }
      // dL/dh = z ∘ dh' + dproduct · W_hh
      reverse.passProduct(products, reverse.weights, memory.masks, accumulate: true)
    case .before:
      let dReset = reverse.scratch.rows(0..<n)
      let step = rnd_gru_before_gradient(
        rows: n, units: H, gates: g.base, h_previous: previous, dh_out: outputGradient.base,
        d_reset_h: dReset.base, dh: dh, dbias: reverse.biasIH.base)
      rnd_gru_before_output_backward(Element.kernelType, step)
      reverse.outputWeights.multiply(g.columns(gateRows.n), into: dReset, accumulate: false)
      applyStateMask(dReset, memory)
      rnd_gru_before_gates_backward(Element.kernelType, step)
      reverse.passProduct(g.columns(gateRows.rz), reverse.weights, memory.masks, accumulate: true)
    }
  }

  func addGradients(
    _ layout: PackedLayout, _ memory: CellMemory<Element>, _ reverse: ReverseMemory<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let dWeight = gradients.matrix(weights.weightHH)
    if let normalization, let sums = reverse.normalization {
      normalization.addGradients(sums, to: gradients)
    }
    let previous = memory.recurrentInputs(layout, context.arena)
    switch reset {
    case .after:
      context.multiply(memory.recurrent, previous, .left, into: dWeight, accumulate: true)
      gradients.matrix(weights.biasIH).add(reverse.biasIH)
      gradients.matrix(weights.biasHH).add(reverse.biasHH)
    case .before:
      let gates = memory.gates
      context.multiply(
        gates.columns(gateRows.rz), previous, .left, into: dWeight.rows(gateRows.rz), accumulate: true)
      context.multiply(
        gates.columns(gateRows.n), memory.recurrent, .left, into: dWeight.rows(gateRows.n), accumulate: true)
      weights.addBiasGradient(reverse.biasIH, to: gradients)
    }
  }
}
