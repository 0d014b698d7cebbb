import CKernels
import NumericKernels
import Options
import Parameters

extension CellKind {
  /// The minimal gated recurrent unit.
  public static let mingru = CellKind("mingru", MinGRUDefinition.self)
}

private enum MinGRUDefinition: CellDefinition {
  static var ownOptions: [PartialKeyPath<CellOptions>] { [] }

  static func check(_ checks: inout OptionChecks<CellOptions>) {
    checks.read(
      \.variationalDropout, if: false, with: \.kind,
      otherwise: "masks the state in a recurrent product; \(\.kind) mingru has none")
    if checks.options.initialization == .orthogonal {
      checks.refuse(
        \.initialization, with: \.kind,
        because: "orthogonal is for recurrent weights; \(\.kind) mingru has none: use pytorch or xavier")
    }
  }

  static func makeCell<Element: Scalar>(
    _ setup: CellSetup, in builder: inout ParameterLayout.Builder
  ) -> any RecurrentCell<Element> {
    MinGRUCell<Element>(setup, in: &builder)
  }
}

/// The minimal gated recurrent unit (Feng et al. 2024, "Were RNNs All We Needed?", arXiv:2410.01201), whose gates read the
/// input only.
///
///     z = σ(W_z x + b_z)
///     h̃ = g(W_h x + b_h),   g(x) = x + 0.5 for x ≥ 0, σ(x) otherwise
///     h' = (1 − z) ∘ h + z ∘ h̃
///
/// This is the form that the paper computes in log space (appendix B), where g keeps h̃ positive; its plain form has no g.
/// There is no product in the time loop: W x is one product for all steps, and a step is elementwise.
///
/// Shapes: x [B, inputSize], h [B, hiddenSize]; `weight_ih` [2H, inputSize] and `bias_ih` [2H] are stacked in the order z h.
/// Output and state are both h'.
public struct MinGRUCell<Element: Scalar>: SteppedCell {
  public let inputSize: Int
  public let hiddenSize: Int
  public let weightIH: Parameter
  private let biasIH: Parameter
  public let regularization: CellRegularization

  /// Adds `weight_ih` and `bias_ih` (each with `suffix`) to a layout, drawn from U(±1/√H).
  public init(
    inputSize: Int, hiddenSize: Int, suffix: String = "", in builder: inout ParameterLayout.Builder
  ) {
    self.init(
      CellSetup(inputSize: inputSize, hiddenSize: hiddenSize, options: CellOptions(.mingru), suffix: suffix),
      in: &builder)
  }

  init(_ setup: CellSetup, in builder: inout ParameterLayout.Builder) {
    (inputSize, hiddenSize) = (setup.inputSize, setup.hiddenSize)
    regularization = CellRegularization(setup)
    let (D, H, first) = (setup.inputSize, setup.hiddenSize, setup.options.initialization)
    precondition(D > 0 && H > 0, "a cell of inputSize \(D) and hiddenSize \(H)")
    weightIH = builder.add(
      "weight_ih" + setup.suffix, [2 * H, D], first.weight(gates: 2, rows: H, columns: D, units: H))
    biasIH = builder.add("bias_ih" + setup.suffix, [2 * H], first.vector(units: H))
  }

  public var outputSize: Int { hiddenSize }
  public var stateSize: StateSize { .vector(hiddenSize) }
  public var parameters: [Parameter] { [weightIH, biasIH] }
  /// The sums over rows, those of the bias, are computed after the last step.
  public var hasIndependentRows: Bool { true }

  // MARK: Forward

  /// Empty: the backward pass needs only gates and states.
  public struct Cache {}

  public func makeCache(_ pass: CellPass<Element>, _ context: LayerContext<Element>) -> Cache { Cache() }

  @_specialize(where Element == Float)
  public func forward(_ step: CellStep<Element>, _ cache: Cache, _ context: LayerContext<Element>) {
    let arguments = rnd_mingru(
      units: hiddenSize, gates: step.gates.base, bias: context.parameters.pointer(biasIH),
      h_previous: step.previousH.base, h: step.newH.base)
    KernelThreads.shareRows(step.count, width: hiddenSize) {
      rnd_mingru_forward(Element.kernelType, arguments, $0, $1)
    }
  }

  // MARK: Backward

  /// Empty: the steps share nothing.
  public struct BackwardState {}

  public func makeBackwardState(
    _ pass: CellPass<Element>, _ cache: Cache, _ context: LayerContext<Element>
  ) -> BackwardState { BackwardState() }

  @_specialize(where Element == Float)
  public func backward(
    _ step: CellBackwardStep<Element>, _ cache: Cache, _ state: BackwardState,
    _ context: LayerContext<Element>
  ) {
    let arguments = rnd_mingru_gradient(
      units: hiddenSize, gates: step.gates.base, h_previous: step.forward.previousH.base,
      dh_out: step.outputGradient.base, dh: step.dh.base)
    KernelThreads.shareRows(step.count, width: hiddenSize) {
      rnd_mingru_backward(Element.kernelType, arguments, $0, $1)
    }
  }

  public func addGradients(
    _ pass: CellPass<Element>, _ cache: Cache, _ state: BackwardState,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    pass.gates.addColumnSums(to: gradients.pointer(biasIH))
  }
}
