import CKernels
import NumericKernels
import Parameters

/// The basic recurrent cell (Elman 1990; torch.nn.RNN, TensorFlow's BasicRNNCell).
///
///     h' = f(W_ih x + b_ih + W_hh h + b_hh),   f = tanh or relu
///
/// Shapes: x [B, inputSize], h [B, hiddenSize], `weight_ih` [H, inputSize], `weight_hh` [H, H]. Output and
/// state are both h'.
public struct RNNCell<Element: Scalar>: RecurrentCell, SteppedCell {
  public let inputSize: Int
  public let hiddenSize: Int
  public let activation: RNNActivation
  private let weights: CellParameters
  let regularization: CellRegularization

  /// Adds `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` (each with `suffix`) to a layout, drawn from
  /// U(±1/√H) as PyTorch does.
  public init(
    inputSize: Int, hiddenSize: Int, activation: RNNActivation = .tanh, suffix: String = "",
    in builder: inout ParameterLayout.Builder
  ) {
    self.init(
      inputSize: inputSize, hiddenSize: hiddenSize, .rnn(activation: activation), suffix: suffix, in: &builder
    )
  }

  /// The same with options, which are valid and of this kind.
  init(
    inputSize: Int, hiddenSize: Int, _ options: CellOptions, at position: CellPosition = CellPosition(),
    suffix: String, in builder: inout ParameterLayout.Builder
  ) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    activation = options.activation
    regularization = CellRegularization(options, at: position)
    weights = CellParameters(
      inputSize: inputSize, hiddenSize: hiddenSize, gates: 1, options, suffix: suffix, in: &builder)
  }

  public var outputSize: Int { hiddenSize }
  public var stateSize: StateSize { .vector(hiddenSize) }
  public var parameters: [Parameter] { weights.all }

  var weightIH: Parameter { weights.weightIH }

  // MARK: Forward

  func makeMemory(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> CellMemory<Element> {
    var memory = CellMemory(
      layout, from: initial, gateWidth: hiddenSize, inputSize: inputSize, regularization,
      weights: context.packed(weights.weightHH, transposed: true), context)
    memory.bias = weights.summedBias(context)
    return memory
  }

  func advance(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ context: LayerContext<Element>
  ) {
    let pre = memory.gates.rows(layout.rows(t))
    memory.weights.multiply(memory.recurrentInput(t, layout), into: pre, accumulate: true)
    let step = rnd_rnn(
      units: hiddenSize, relu: activation == .relu, pre: pre.base, bias: memory.bias.base,
      h: memory.newHidden.row(layout.offsets[t]))
    KernelThreads.shareRows(pre.rows, width: hiddenSize) {
      rnd_rnn_forward(Element.kernelType, step, $0, $1)
    }
  }

  // MARK: Backward

  func makeReverseMemory(
    _ layout: PackedLayout, _ memory: CellMemory<Element>, stateGradient: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> ReverseMemory<Element> {
    ReverseMemory(
      memory, stateGradient: stateGradient, weights: context.packed(weights.weightHH, transposed: false),
      context)
  }

  func retreat(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ reverse: ReverseMemory<Element>,
    outputGradient: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    let d = memory.gates.rows(layout.rows(t))
    let step = rnd_rnn_gradient(
      rows: d.rows, units: hiddenSize, relu: activation == .relu, h: memory.newHidden.row(layout.offsets[t]),
      dh_out: outputGradient.base, dh_next: reverse.dh.base, d_pre: d.base, dbias: reverse.biasIH.base)
    KernelThreads.shareUnits(hiddenSize, rows: d.rows) {
      rnd_rnn_backward(Element.kernelType, step, $0, $1)
    }
    reverse.passProduct(d, reverse.weights, memory.masks, accumulate: false)  // dL/dh = dpre · W_hh
  }

  func addGradients(
    _ layout: PackedLayout, _ memory: CellMemory<Element>, _ reverse: ReverseMemory<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    context.multiply(
      memory.gates, memory.recurrentInputs(layout, context.arena), .left,
      into: gradients.matrix(weights.weightHH), accumulate: true)
    weights.addBiasGradient(reverse.biasIH, to: gradients)
  }
}
