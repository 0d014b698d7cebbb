import CKernels
import NumericKernels
import Options
import Parameters

extension CellKind {
  /// The gated recurrent unit.
  public static let gru = CellKind("gru", GRUDefinition.self)
}

private enum GRUDefinition: CellDefinition {
  static var ownOptions: [PartialKeyPath<CellOptions>] { [\.gruReset, \.layerNorm] }

  static func check(_ checks: inout OptionChecks<CellOptions>) {
    if checks.options.layerNorm, checks.options.gruReset == .before {
      checks.refuse(
        \.layerNorm, with: \.kind, \.gruReset,
        because: "applies the reset gate to the normalized product: \(\.gruReset) must be after")
    }
  }

  static func makeCell<Element: Scalar>(
    _ setup: CellSetup, in builder: inout ParameterLayout.Builder
  ) -> any RecurrentCell<Element> {
    GRUCell<Element>(setup, in: &builder)
  }
}

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
public struct GRUCell<Element: Scalar>: SteppedCell {
  public let inputSize: Int
  public let hiddenSize: Int
  public let reset: GRUReset
  private let weights: CellParameters
  private let normalization: GateNormalization<Element>?
  public let regularization: CellRegularization

  /// Adds `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` (each with `suffix`) to a layout, drawn from
  /// U(±1/√H) as PyTorch does.
  public init(
    inputSize: Int, hiddenSize: Int, reset: GRUReset = .after, suffix: String = "",
    in builder: inout ParameterLayout.Builder
  ) {
    self.init(
      CellSetup(inputSize: inputSize, hiddenSize: hiddenSize, options: .gru(reset: reset), suffix: suffix),
      in: &builder)
  }

  init(_ setup: CellSetup, in builder: inout ParameterLayout.Builder) {
    (inputSize, hiddenSize) = (setup.inputSize, setup.hiddenSize)
    reset = setup.options.gruReset
    regularization = CellRegularization(setup)
    weights = CellParameters(setup, gates: 3, in: &builder)
    let (H, suffix) = (setup.hiddenSize, setup.suffix)
    normalization =
      setup.options.layerNorm
      ? GateNormalization(blocks: [0..<2 * H, 2 * H..<3 * H], suffix: suffix, in: &builder) : nil
  }

  public var outputSize: Int { hiddenSize }
  public var stateSize: StateSize { .vector(hiddenSize) }
  public var parameters: [Parameter] { weights.all + (normalization?.parameters ?? []) }

  public var weightIH: Parameter { weights.weightIH }
  /// Layer normalization sums the gradients of biases and gains in every step, the other forms after the last step.
  public var hasIndependentRows: Bool { normalization == nil }

  /// Rows of the stacked weights, and columns of the gates, that belong to r and z, and to n.
  private var rz: Range<Int> { 0..<2 * hiddenSize }
  private var n: Range<Int> { 2 * hiddenSize..<3 * hiddenSize }

  // MARK: Forward

  public struct Cache {
    /// Reset after the product: W_hh h, later its gradient, [N, 3H]. Before: the reset states r ∘ h, [N, H].
    let recurrent: MatrixView<Element>
    /// W_hh, or its rows of r and z if the reset gate comes before the product.
    let weights: PackedMatrix<Element>
    let normalization: GateNormalization<Element>.Cache?
    /// Reset before the product: the rows of n of W_hh, and the sum of both biases.
    var weightsN: PackedMatrix<Element>?
    var bias: MatrixView<Element>?
  }

  public func makeCache(_ pass: CellPass<Element>, _ context: LayerContext<Element>) -> Cache {
    func pack(_ rows: Range<Int>?) -> PackedMatrix<Element> {
      context.packed(weights.weightHH, rows: rows, transposed: true)
    }
    let (N, H) = (pass.layout.rowCount, hiddenSize)
    return switch reset {
    case .after:
      Cache(
        recurrent: context.arena.matrix(N, 3 * H), weights: pack(nil),
        normalization: normalization?.makeCache(pass.layout, context))
    case .before:
      Cache(
        recurrent: context.arena.matrix(N, H), weights: pack(rz), normalization: nil, weightsN: pack(n),
        bias: weights.summedBias(context))
    }
  }

  @_specialize(where Element == Float)
  public func forward(_ step: CellStep<Element>, _ cache: Cache, _ context: LayerContext<Element>) {
    let (g, recurrent) = (step.gates, cache.recurrent.rows(step.rows))
    if let weightsN = cache.weightsN, let bias = cache.bias {
      let arguments = rnd_gru_before(
        units: hiddenSize, gates: g.base, bias: bias.base, h_previous: step.previousH.base,
        reset_h: recurrent.base, h: step.newH.base)
      cache.weights.multiply(step.recurrentInput, into: g.columns(rz), accumulate: true)
      KernelThreads.shareRows(step.count, width: hiddenSize) {
        rnd_gru_before_gates(Element.kernelType, arguments, $0, $1)
      }
      step.maskState(recurrent)
      weightsN.multiply(recurrent, into: g.columns(n), accumulate: true)
      KernelThreads.shareRows(step.count, width: hiddenSize) {
        rnd_gru_before_output(Element.kernelType, arguments, $0, $1)
      }
      return
    }
    cache.weights.multiply(step.recurrentInput, into: recurrent, accumulate: false)
    if let normalization, let kept = cache.normalization {
      normalization.forward(kept.input, rows: step.rows, g, context)
      normalization.forward(kept.state, rows: step.rows, recurrent, context)
    }
    let arguments = rnd_gru(
      units: hiddenSize, x_gates: g.base, h_gates: recurrent.base,
      x_bias: context.parameters.pointer(weights.biasIH), h_bias: context.parameters.pointer(weights.biasHH),
      h_previous: step.previousH.base, h: step.newH.base)
    KernelThreads.shareRows(step.count, width: hiddenSize) {
      rnd_gru_forward(Element.kernelType, arguments, $0, $1)
    }
  }

  // MARK: Backward

  public struct BackwardState {
    let weights: PackedMatrix<Element>
    /// Layer normalization: the summed gradients of the biases; without rows otherwise.
    let biasIH: MatrixView<Element>
    let biasHH: MatrixView<Element>
    let normalization: GateNormalization<Element>.Gradients?
    /// Reset before the product: the rows of n of W_hh, and room for the gradient of r ∘ h of a step.
    var weightsN: PackedMatrix<Element>?
    let resetH: MatrixView<Element>
  }

  public func makeBackwardState(
    _ pass: CellPass<Element>, _ cache: Cache, _ context: LayerContext<Element>
  ) -> BackwardState {
    func pack(_ rows: Range<Int>?) -> PackedMatrix<Element> {
      context.packed(weights.weightHH, rows: rows, transposed: false)
    }
    let (isAfter, H, arena) = (reset == .after, hiddenSize, context.arena)
    let biasRows = normalization == nil ? 0 : 1
    return BackwardState(
      weights: pack(isAfter ? nil : rz), biasIH: arena.zeros(biasRows, 3 * H),
      biasHH: arena.zeros(biasRows, 3 * H), normalization: normalization?.makeGradients(context),
      weightsN: isAfter ? nil : pack(n), resetH: arena.matrix(isAfter ? 0 : pass.layout.batchSize, H))
  }

  @_specialize(where Element == Float)
  public func backward(
    _ step: CellBackwardStep<Element>, _ cache: Cache, _ state: BackwardState,
    _ context: LayerContext<Element>
  ) {
    let (g, previous) = (step.gates, step.forward.previousH)
    if let weightsN = state.weightsN {
      let dReset = state.resetH.rows(step.forward.sequences)
      let arguments = rnd_gru_before_gradient(
        units: hiddenSize, gates: g.base, h_previous: previous.base, dh_out: step.outputGradient.base,
        d_reset_h: dReset.base, dh: step.dh.base)
      KernelThreads.shareRows(step.count, width: hiddenSize) {
        rnd_gru_before_output_backward(Element.kernelType, arguments, $0, $1)
      }
      weightsN.multiply(g.columns(n), into: dReset, accumulate: false)
      step.forward.maskState(dReset)
      KernelThreads.shareRows(step.count, width: hiddenSize) {
        rnd_gru_before_gates_backward(Element.kernelType, arguments, $0, $1)
      }
      return step.passRecurrent(g.columns(rz), state.weights, accumulate: true)
    }
    let products = cache.recurrent.rows(step.rows)
    let arguments = rnd_gru_gradient(
      units: hiddenSize, x_gates: g.base, h_gates: products.base, h_previous: previous.base,
      dh_out: step.outputGradient.base, dh: step.dh.base)
    KernelThreads.shareRows(step.count, width: hiddenSize) {
      rnd_gru_backward(Element.kernelType, arguments, $0, $1)
    }
    if let normalization, let kept = cache.normalization, let sums = state.normalization {
      // The biases are added after the normalization.
      g.addColumnSums(to: state.biasIH.base)
      products.addColumnSums(to: state.biasHH.base)
      normalization.backward(kept.input, rows: step.rows, g, gain: sums.input, context)
      normalization.backward(kept.state, rows: step.rows, products, gain: sums.state, context)
    }
    step.passRecurrent(products, state.weights, accumulate: true)  // dL/dh = z ∘ dh' + dproduct · W_hh
  }

  public func addGradients(
    _ pass: CellPass<Element>, _ cache: Cache, _ state: BackwardState,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let (dWeight, previous) = (gradients.matrix(weights.weightHH), pass.recurrentInputs(context))
    switch reset {
    case .after:
      context.multiply(cache.recurrent, previous, .left, into: dWeight, accumulate: true)
      guard let normalization, let sums = state.normalization else {
        pass.gates.addColumnSums(to: gradients.pointer(weights.biasIH))
        cache.recurrent.addColumnSums(to: gradients.pointer(weights.biasHH))
        return
      }
      gradients.matrix(weights.biasIH).add(state.biasIH)
      gradients.matrix(weights.biasHH).add(state.biasHH)
      normalization.addGradients(sums, to: gradients)
    case .before:
      context.multiply(pass.gates.columns(rz), previous, .left, into: dWeight.rows(rz), accumulate: true)
      context.multiply(pass.gates.columns(n), cache.recurrent, .left, into: dWeight.rows(n), accumulate: true)
      context.arena.scoped {
        let bias = context.arena.zeros(1, 3 * hiddenSize)
        // From the last step to the first, so that the sum has the bits of earlier versions.
        for t in (0..<pass.layout.steps).reversed() {
          pass.gates.rows(pass.layout.rows(t)).addColumnSums(to: bias.base)
        }
        weights.addBiasGradient(bias, to: gradients)
      }
    }
  }
}
