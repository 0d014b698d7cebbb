import CKernels
import NumericKernels
import Parameters

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
/// `forgetBias` is a constant added at run time as TensorFlow's BasicLSTMCell does; it is no parameter and is
/// in no checkpoint's weights.
public struct LSTMCell<Element: Scalar>: RecurrentCell, SteppedCell {
  public let inputSize: Int
  public let hiddenSize: Int
  public let forgetBias: Double
  private let weights: CellParameters
  let regularization: CellRegularization

  /// Adds `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` (each with `suffix`) to a layout, drawn from
  /// U(±1/√H) as PyTorch does.
  public init(
    inputSize: Int, hiddenSize: Int, forgetBias: Double = 0, suffix: String = "",
    in builder: inout ParameterLayout.Builder
  ) {
    self.init(
      inputSize: inputSize, hiddenSize: hiddenSize, .lstm(forgetBias: forgetBias), suffix: suffix,
      in: &builder)
  }

  /// The same with options, which are valid and of this kind.
  init(
    inputSize: Int, hiddenSize: Int, _ options: CellOptions, at position: CellPosition = CellPosition(),
    suffix: String, in builder: inout ParameterLayout.Builder
  ) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    forgetBias = options.forgetBias
    regularization = CellRegularization(options, at: position)
    weights = CellParameters(
      inputSize: inputSize, hiddenSize: hiddenSize, gates: 4, forgetGate: 1, options, suffix: suffix,
      in: &builder)
  }

  public var outputSize: Int { hiddenSize }
  public var stateSize: StateSize { .lstm(c: hiddenSize, h: hiddenSize) }
  public var parameters: [Parameter] { weights.all }

  var weightIH: Parameter { weights.weightIH }

  // MARK: Forward

  func makeMemory(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> CellMemory<Element> {
    var memory = CellMemory(
      layout, from: initial, gateWidth: 4 * hiddenSize, inputSize: inputSize, regularization,
      weights: context.packed(weights.weightHH, transposed: true), context)
    memory.bias = weights.summedBias(context)
    for unit in hiddenSize..<2 * hiddenSize { memory.bias.base[unit] += Element(forgetBias) }
    return memory
  }

  func advance(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ context: LayerContext<Element>
  ) {
    let row = layout.offsets[t]
    let g = memory.gates.rows(layout.rows(t))
    memory.weights.multiply(memory.recurrentInput(t, layout), into: g, accumulate: true)
    let step = rnd_lstm(
      units: hiddenSize, gates: g.base, bias: memory.bias.base,
      c_previous: memory.cell.row(layout.previousSlab(t)), c: memory.newCell.row(row),
      h: memory.newHidden.row(row))
    KernelThreads.shareRows(g.rows, width: hiddenSize) {
      rnd_lstm_forward(Element.kernelType, step, $0, $1)
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
    let g = memory.gates.rows(layout.rows(t))
    let step = rnd_lstm_gradient(
      rows: g.rows, units: hiddenSize, gates: g.base, c_previous: memory.cell.row(layout.previousSlab(t)),
      c: memory.newCell.row(layout.offsets[t]), dh_out: outputGradient.base, dh_next: reverse.dh.base,
      dc: reverse.dc.base, dbias: reverse.biasIH.base)
    KernelThreads.shareUnits(hiddenSize, rows: g.rows) {
      rnd_lstm_backward(Element.kernelType, step, $0, $1)
    }
    reverse.passProduct(g, reverse.weights, memory.masks, accumulate: false)  // dL/dh = dgates · W_hh
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
