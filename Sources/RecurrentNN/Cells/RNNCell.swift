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
  public let activation: CellKind.RNNActivation
  private let weights: CellParameters

  /// Adds `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` (each with `suffix`) to a layout, drawn from
  /// U(±1/√H) as PyTorch does.
  public init(
    inputSize: Int, hiddenSize: Int, activation: CellKind.RNNActivation = .tanh, suffix: String = "",
    in builder: inout ParameterLayout.Builder
  ) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.activation = activation
    weights = CellParameters(
      inputSize: inputSize, hiddenSize: hiddenSize, gates: 1, suffix: suffix, in: &builder)
  }

  public var outputSize: Int { hiddenSize }
  public var stateSize: StateSize { .vector(hiddenSize) }
  public var parameters: [Parameter] { weights.all }

  var weightIH: Parameter { weights.weightIH }
  private var elementwise: ElementwiseActivation { activation == .tanh ? .tanh : .relu }

  // MARK: Forward

  func makeMemory(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> CellMemory<Element> {
    var memory = CellMemory(
      gates: context.arena.matrix(layout.rowCount, hiddenSize),
      hidden: layout.slabs(from: initial[0], context.arena),
      weights: context.packed(weights.weightHH, transposed: true), context)
    memory.bias = weights.summedBias(context)
    return memory
  }

  func slabs(_ memory: CellMemory<Element>) -> [MatrixView<Element>] { [memory.hidden] }

  func advance(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ context: LayerContext<Element>
  ) {
    let n = layout.activeCounts[t]
    let previous = layout.previousSlab(t)
    let pre = memory.gates.rows(layout.rows(t))
    memory.weights.multiply(memory.hidden.rows(previous..<previous + n), into: pre, accumulate: true)
    Element.rnnForward(
      n, hiddenSize, pre.base, memory.bias.base, memory.hidden.row(layout.slab(t)), elementwise)
  }

  // MARK: Backward

  func makeReverseMemory(
    _ layout: PackedLayout, stateGradient: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> ReverseMemory<Element> {
    ReverseMemory(
      dh: stateGradient[0], biasIH: context.arena.zeros(1, hiddenSize),
      weights: context.packed(weights.weightHH, transposed: false), context)
  }

  func retreat(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ reverse: ReverseMemory<Element>,
    outputGradient: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    let n = layout.activeCounts[t]
    let d = memory.gates.rows(layout.rows(t))
    Element.rnnBackward(
      n, hiddenSize, memory.hidden.row(layout.slab(t)), outputGradient.base, reverse.dh.base, d.base,
      reverse.biasIH.base, elementwise)
    reverse.weights.multiply(d, into: reverse.dh.rows(0..<n), accumulate: false)  // dL/dh = dpre · W_hh
  }

  func addGradients(
    _ layout: PackedLayout, _ memory: CellMemory<Element>, _ reverse: ReverseMemory<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    multiply(
      memory.gates, layout.previousStates(memory.hidden, context.arena), .left,
      into: gradients.matrix(weights.weightHH), accumulate: true)
    weights.addBiasGradient(reverse.biasIH, to: gradients)
  }
}
