import CKernels
import NumericKernels
import Options
import Parameters

extension CellKind {
  /// The basic recurrent cell.
  public static let rnn = CellKind("rnn", RNNDefinition.self)
}

private enum RNNDefinition: CellDefinition {
  static var ownOptions: [PartialKeyPath<CellOptions>] { [\.activation] }

  static func makeCell<Element: Scalar>(
    _ setup: CellSetup, in builder: inout ParameterLayout.Builder
  ) -> any RecurrentCell<Element> {
    RNNCell<Element>(setup, in: &builder)
  }
}

/// The basic recurrent cell (Elman 1990; torch.nn.RNN, TensorFlow's BasicRNNCell).
///
///     h' = f(W_ih x + b_ih + W_hh h + b_hh),   f = tanh or relu
///
/// Shapes: x [B, inputSize], h [B, hiddenSize], `weight_ih` [H, inputSize], `weight_hh` [H, H]. Output and
/// state are both h'.
public struct RNNCell<Element: Scalar>: SteppedCell, SummedGatesCell {
  public let inputSize: Int
  public let hiddenSize: Int
  public let activation: RNNActivation
  let weights: CellParameters
  public let regularization: CellRegularization

  /// Adds `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` (each with `suffix`) to a layout, drawn from
  /// U(±1/√H) as PyTorch does.
  public init(
    inputSize: Int, hiddenSize: Int, activation: RNNActivation = .tanh, suffix: String = "",
    in builder: inout ParameterLayout.Builder
  ) {
    self.init(
      CellSetup(
        inputSize: inputSize, hiddenSize: hiddenSize, options: .rnn(activation: activation), suffix: suffix),
      in: &builder)
  }

  init(_ setup: CellSetup, in builder: inout ParameterLayout.Builder) {
    (inputSize, hiddenSize) = (setup.inputSize, setup.hiddenSize)
    activation = setup.options.activation
    regularization = CellRegularization(setup)
    weights = CellParameters(setup, gates: 1, in: &builder)
  }

  public var outputSize: Int { hiddenSize }
  public var stateSize: StateSize { .vector(hiddenSize) }

  // MARK: Forward

  public func makeCache(_ pass: CellPass<Element>, _ context: LayerContext<Element>) -> RecurrentCache<
    Element
  > {
    recurrentCache(context)
  }

  @_specialize(where Element == Float)
  public func forward(
    _ step: CellStep<Element>, _ cache: RecurrentCache<Element>, _ context: LayerContext<Element>
  ) {
    cache.weight.multiply(step.recurrentInput, into: step.gates, accumulate: true)
    let arguments = rnd_rnn(
      units: hiddenSize, relu: activation == .relu, pre: step.gates.base, bias: cache.bias.base,
      h: step.newH.base)
    KernelThreads.shareRows(step.count, width: hiddenSize) {
      rnd_rnn_forward(Element.kernelType, arguments, $0, $1)
    }
  }

  // MARK: Backward

  @_specialize(where Element == Float)
  public func backward(
    _ step: CellBackwardStep<Element>, _ cache: RecurrentCache<Element>, _ weight: PackedMatrix<Element>,
    _ context: LayerContext<Element>
  ) {
    let arguments = rnd_rnn_gradient(
      units: hiddenSize, relu: activation == .relu, h: step.forward.newH.base,
      dh_out: step.outputGradient.base, dh_next: step.dh.base, d_pre: step.gates.base)
    KernelThreads.shareRows(step.count, width: hiddenSize) {
      rnd_rnn_backward(Element.kernelType, arguments, $0, $1)
    }
    step.passRecurrent(step.gates, weight, accumulate: false)  // dL/dh = dpre · W_hh
  }
}
