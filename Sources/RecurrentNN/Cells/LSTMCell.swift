import CKernels
import NumericKernels
import Options
import Parameters

extension CellKind {
  /// Long short-term memory, in the plain form or with options.
  public static let lstm = CellKind("lstm", LSTMDefinition.self)
}

private enum LSTMDefinition: CellDefinition {
  static var ownOptions: [PartialKeyPath<CellOptions>] {
    [
      \.forgetBias, \.peepholes, \.projectionSize, \.cellClip, \.projectionClip, \.coupledGates, \.layerNorm,
      \.zoneoutCell, \.forgetGateInit,
    ]
  }

  static func check(_ checks: inout OptionChecks<CellOptions>) {
    if checks.options.projectionClip != nil, checks.options.projectionSize == nil {
      checks.refuse(
        \.projectionClip, with: \.projectionSize, because: "limits the projection: set \(\.projectionSize)")
    }
  }

  static func makeCell<Element: Scalar>(
    _ setup: CellSetup, in builder: inout ParameterLayout.Builder
  ) -> any RecurrentCell<Element> {
    let options = setup.options
    let isExtended =
      options.peepholes || options.projectionSize != nil || options.cellClip != nil || options.coupledGates
      || options.layerNorm
    return isExtended
      ? ExtendedLSTMCell<Element>(setup, in: &builder) : LSTMCell<Element>(setup, in: &builder)
  }
}

/// Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000;
/// torch.nn.LSTM).
///
///     i = σ(W_ii x + b_ii + W_hi h + b_hi)
///     f = σ(W_if x + b_if + W_hf h + b_hf + forgetBias)
///     g = tanh(W_ig x + b_ig + W_hg h + b_hg)
///     o = σ(W_io x + b_io + W_ho h + b_ho)
///     c' = f ∘ c + i ∘ g,   h' = o ∘ tanh(c')
///
/// Shapes: x [B, inputSize], h and c [B, hiddenSize], W_i· and W_h· stacked in the order i f g o as
/// `weight_ih` [4H, inputSize] and `weight_hh` [4H, H]. The output is h'; the state is the pair (c, h).
/// `forgetBias` is a constant added at run time as TensorFlow's BasicLSTMCell does; it is not a parameter and is
/// not in the weights of a checkpoint.
public struct LSTMCell<Element: Scalar>: SteppedCell, SummedGatesCell {
  public let inputSize: Int
  public let hiddenSize: Int
  public let forgetBias: Double
  let weights: CellParameters
  public let regularization: CellRegularization

  /// Adds `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` (each with `suffix`) to a layout, drawn from
  /// U(±1/√H) as PyTorch does.
  public init(
    inputSize: Int, hiddenSize: Int, forgetBias: Double = 0, suffix: String = "",
    in builder: inout ParameterLayout.Builder
  ) {
    self.init(
      CellSetup(
        inputSize: inputSize, hiddenSize: hiddenSize, options: .lstm(forgetBias: forgetBias), suffix: suffix),
      in: &builder)
  }

  init(_ setup: CellSetup, in builder: inout ParameterLayout.Builder) {
    (inputSize, hiddenSize) = (setup.inputSize, setup.hiddenSize)
    forgetBias = setup.options.forgetBias
    regularization = CellRegularization(setup)
    weights = CellParameters(setup, gates: 4, forgetGate: 1, in: &builder)
  }

  public var outputSize: Int { hiddenSize }
  public var stateSize: StateSize { .lstm(c: hiddenSize, h: hiddenSize) }

  // MARK: Forward

  public func makeCache(_ pass: CellPass<Element>, _ context: LayerContext<Element>) -> RecurrentCache<
    Element
  > {
    let cache = recurrentCache(context)
    if forgetBias != 0 {
      for unit in hiddenSize..<2 * hiddenSize { cache.bias.base[unit] += Element(forgetBias) }
    }
    return cache
  }

  @_specialize(where Element == Float)
  public func forward(
    _ step: CellStep<Element>, _ cache: RecurrentCache<Element>, _ context: LayerContext<Element>
  ) {
    cache.weight.multiply(step.recurrentInput, into: step.gates, accumulate: true)
    let arguments = arguments(step, cache)
    KernelThreads.shareRows(step.count, width: hiddenSize) {
      rnd_lstm_forward(Element.kernelType, arguments, $0, $1)
    }
  }

  private func arguments(_ step: CellStep<Element>, _ cache: RecurrentCache<Element>) -> rnd_lstm {
    rnd_lstm(
      units: hiddenSize, width: hiddenSize, gates: step.gates.base, bias: cache.bias.base,
      c_previous: step.previousC.base, c: step.newC.base, h: step.newH.base)
  }

  /// With few sequences, one kernel computes products and states, see `rnd_lstm_run`.
  public func forward(
    steps: Int, from first: CellStep<Element>, _ cache: RecurrentCache<Element>,
    _ context: LayerContext<Element>
  ) -> Bool {
    guard first.count <= Int(RND_LSTM_ROWS), hiddenSize % Int(RND_LSTM_GROUP) == 0,
      let weights = cache.weight.words(forRows: first.count)
    else { return false }
    rnd_lstm_run(
      rnd_lstm_steps(
        rows: first.count, steps: steps, cell: arguments(first, cache),
        h_previous: first.previousH.base, weights: weights.words, mode: weights.mode))
    return true
  }

  // MARK: Backward

  @_specialize(where Element == Float)
  public func backward(
    _ step: CellBackwardStep<Element>, _ cache: RecurrentCache<Element>, _ weight: PackedMatrix<Element>,
    _ context: LayerContext<Element>
  ) {
    let arguments = rnd_lstm_gradient(
      units: hiddenSize, gates: step.gates.base, c_previous: step.forward.previousC.base,
      c: step.forward.newC.base, dh_out: step.outputGradient.base, dh_next: step.dh.base, dc: step.dc.base)
    KernelThreads.shareRows(step.count, width: hiddenSize) {
      rnd_lstm_backward(Element.kernelType, arguments, $0, $1)
    }
    step.passRecurrent(step.gates, weight, accumulate: false)  // dL/dh = dgates · W_hh
  }
}
