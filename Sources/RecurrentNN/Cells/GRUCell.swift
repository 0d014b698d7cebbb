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
  public let reset: CellKind.GRUReset
  private let weights: CellParameters

  /// Adds `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` (each with `suffix`) to a layout, drawn from
  /// U(±1/√H) as PyTorch does.
  public init(
    inputSize: Int, hiddenSize: Int, reset: CellKind.GRUReset = .after, suffix: String = "",
    in builder: inout ParameterLayout.Builder
  ) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.reset = reset
    weights = CellParameters(
      inputSize: inputSize, hiddenSize: hiddenSize, gates: 3, suffix: suffix, in: &builder)
  }

  public var outputSize: Int { hiddenSize }
  public var stateSize: StateSize { .vector(hiddenSize) }
  public var parameters: [Parameter] { weights.all }

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
      gates: context.arena.matrix(N, 3 * H), hidden: layout.slabs(from: initial[0], context.arena),
      weights: context.packed(weights.weightHH, rows: rows, transposed: true), context)
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

  func slabs(_ memory: CellMemory<Element>) -> [MatrixView<Element>] { [memory.hidden] }

  func advance(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ context: LayerContext<Element>
  ) {
    let (n, H) = (layout.activeCounts[t], hiddenSize)
    let first = layout.previousSlab(t)
    let previous = memory.hidden.rows(first..<first + n)
    let next = memory.hidden.row(layout.slab(t))
    let (g, recurrent) = (memory.gates.rows(layout.rows(t)), memory.recurrent.rows(layout.rows(t)))
    switch reset {
    case .after:
      memory.weights.multiply(previous, into: recurrent, accumulate: false)
      Element.gruForward(
        n, H, g.base, recurrent.base, context.parameters.pointer(weights.biasIH),
        context.parameters.pointer(weights.biasHH), previous.base, next)
    case .before:
      memory.weights.multiply(previous, into: g.columns(gateRows.rz), accumulate: true)
      Element.gruBeforeGates(n, H, g.base, memory.bias.base, previous.base, recurrent.base)
      memory.outputWeights.multiply(recurrent, into: g.columns(gateRows.n), accumulate: true)
      Element.gruBeforeOutput(n, H, g.base, memory.bias.base, previous.base, next)
    }
  }

  // MARK: Backward

  func makeReverseMemory(
    _ layout: PackedLayout, stateGradient: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> ReverseMemory<Element> {
    let rows: Range<Int>? = reset == .after ? nil : gateRows.rz
    var reverse = ReverseMemory(
      dh: stateGradient[0], biasIH: context.arena.zeros(1, 3 * hiddenSize),
      weights: context.packed(weights.weightHH, rows: rows, transposed: false), context)
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
    let (n, H) = (layout.activeCounts[t], hiddenSize)
    let dh = reverse.dh.rows(0..<n)
    let previous = memory.hidden.row(layout.previousSlab(t))
    let g = memory.gates.rows(layout.rows(t))
    switch reset {
    case .after:
      let products = memory.recurrent.rows(layout.rows(t))
      Element.gruBackward(
        n, H, g.base, products.base, previous, outputGradient.base, dh.base, reverse.biasIH.base,
        reverse.biasHH.base)
      reverse.weights.multiply(products, into: dh, accumulate: true)  // dL/dh = z ∘ dh' + dproduct · W_hh
    case .before:
      let dReset = reverse.scratch.rows(0..<n)
      Element.gruBeforeOutputBackward(
        n, H, g.base, previous, outputGradient.base, dh.base, reverse.biasIH.base)
      reverse.outputWeights.multiply(g.columns(gateRows.n), into: dReset, accumulate: false)
      Element.gruBeforeGatesBackward(n, H, g.base, previous, dReset.base, dh.base, reverse.biasIH.base)
      reverse.weights.multiply(g.columns(gateRows.rz), into: dh, accumulate: true)
    }
  }

  func addGradients(
    _ layout: PackedLayout, _ memory: CellMemory<Element>, _ reverse: ReverseMemory<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let dWeight = gradients.matrix(weights.weightHH)
    let previous = layout.previousStates(memory.hidden, context.arena)
    switch reset {
    case .after:
      multiply(memory.recurrent, previous, .left, into: dWeight, accumulate: true)
      gradients.matrix(weights.biasIH).add(reverse.biasIH)
      gradients.matrix(weights.biasHH).add(reverse.biasHH)
    case .before:
      let gates = memory.gates
      multiply(
        gates.columns(gateRows.rz), previous, .left, into: dWeight.rows(gateRows.rz), accumulate: true)
      multiply(
        gates.columns(gateRows.n), memory.recurrent, .left, into: dWeight.rows(gateRows.n), accumulate: true)
      weights.addBiasGradient(reverse.biasIH, to: gradients)
    }
  }
}
