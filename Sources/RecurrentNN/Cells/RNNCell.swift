import NumericKernels
import Parameters

/// The basic recurrent cell (Elman 1990; torch.nn.RNN, TensorFlow's BasicRNNCell).
///
///     h' = f(W_ih x + b_ih + W_hh h + b_hh),   f = tanh or relu
///
/// Shapes: x [B, inputSize], h [B, hiddenSize], `weight_ih` [H, inputSize], `weight_hh` [H, H]. Output and
/// state are both h'.
public struct RNNCell<Element: Scalar>: RecurrentCell {
  public let inputSize: Int
  public let hiddenSize: Int
  public let activation: CellKind.RNNActivation
  let weightIH: Parameter
  let weightHH: Parameter
  let biasIH: Parameter
  let biasHH: Parameter

  /// Adds `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` (each with `suffix`) to a layout, drawn from
  /// U(±1/√H) as PyTorch does.
  public init(
    inputSize: Int, hiddenSize: Int, activation: CellKind.RNNActivation = .tanh, suffix: String = "",
    in builder: inout ParameterLayout.Builder
  ) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.activation = activation
    let gates = CellParameters(
      inputSize: inputSize, hiddenSize: hiddenSize, gates: 1, suffix: suffix, in: &builder)
    (weightIH, weightHH, biasIH, biasHH) = (gates.weightIH, gates.weightHH, gates.biasIH, gates.biasHH)
  }

  public var outputSize: Int { hiddenSize }
  public var stateSize: StateSize { .vector(hiddenSize) }
  public var parameters: [Parameter] { [weightIH, weightHH, biasIH, biasHH] }

  private var elementwise: ElementwiseActivation { activation == .tanh ? .tanh : .relu }

  // MARK: Forward

  public func unroll(
    _ input: SequenceInput<Element>, _ layout: PackedLayout, from initial: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    let (B, N, H) = (layout.batchSize, layout.rowCount, hiddenSize)
    let pre = context.arena.matrix(N, H)
    let hidden = context.arena.matrix(B + N, H)
    hidden.rows(0..<B).copy(from: initial[0])
    InputProjection(weight: weightIH).forward(input, into: pre, context)
    let bias = context.arena.matrix(1, H)
    bias.copy(from: context.parameters.matrix(biasIH))
    bias.add(context.parameters.matrix(biasHH))
    let recurrent = context.packed(weightHH, transposed: true)
    for t in 0..<layout.steps {
      let n = layout.activeCounts[t]
      let previous = layout.previousSlab(t)
      let p = pre.rows(layout.rows(t))
      recurrent.multiply(hidden.rows(previous..<previous + n), into: p, accumulate: true)
      Element.rnnForward(n, H, p.base, bias.base, hidden.row(layout.slab(t)), elementwise)
    }
    return Unrolled(
      layout: layout, input: input, output: hidden.rows(B..<B + N),
      finalState: [layout.finalState(hidden, context.arena)], gates: pre, hidden: hidden)
  }

  // MARK: Backward

  public func backpropagate(
    _ unrolled: Unrolled<Element>, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let dPre = unrolled.gates, let hidden = unrolled.hidden else {
      preconditionFailure("backpropagate of an RNN needs what its own unroll returned")
    }
    let (layout, H, dh) = (unrolled.layout, hiddenSize, stateGradient[0])
    context.arena.scoped {
      let dOutput = outputGradient.contiguous(context.arena)
      let dBias = context.arena.zeros(1, H)
      let recurrent = context.packed(weightHH, transposed: false)
      for t in (0..<layout.steps).reversed() {
        let n = layout.activeCounts[t]
        let d = dPre.rows(layout.rows(t))
        Element.rnnBackward(
          n, H, hidden.row(layout.slab(t)), dOutput.row(layout.offsets[t]), dh.base, d.base, dBias.base,
          elementwise)
        recurrent.multiply(d, into: dh.rows(0..<n), accumulate: false)  // dL/dh = dpre · W_hh
      }
      multiply(
        dPre, layout.previousStates(hidden, context.arena), .left, into: gradients.matrix(weightHH),
        accumulate: true)
      gradients.matrix(biasIH).add(dBias)
      gradients.matrix(biasHH).add(dBias)
      InputProjection(weight: weightIH).backward(
        dPre, unrolled.input, inputGradient: inputGradient, into: gradients, context)
    }
  }
}
