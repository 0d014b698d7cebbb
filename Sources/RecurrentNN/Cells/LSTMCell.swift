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
public struct LSTMCell<Element: Scalar>: RecurrentCell {
  public let inputSize: Int
  public let hiddenSize: Int
  public let forgetBias: Double
  let weightIH: Parameter
  let weightHH: Parameter
  let biasIH: Parameter
  let biasHH: Parameter

  /// Adds `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh` (each with `suffix`) to a layout, drawn from
  /// U(±1/√H) as PyTorch does.
  public init(
    inputSize: Int, hiddenSize: Int, forgetBias: Double = 0, suffix: String = "",
    in builder: inout ParameterLayout.Builder
  ) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.forgetBias = forgetBias
    let gates = CellParameters(
      inputSize: inputSize, hiddenSize: hiddenSize, gates: 4, suffix: suffix, in: &builder)
    (weightIH, weightHH, biasIH, biasHH) = (gates.weightIH, gates.weightHH, gates.biasIH, gates.biasHH)
  }

  public var outputSize: Int { hiddenSize }
  public var stateSize: StateSize { .lstm(c: hiddenSize, h: hiddenSize) }
  public var parameters: [Parameter] { [weightIH, weightHH, biasIH, biasHH] }

  // MARK: Forward

  public func unroll(
    _ input: SequenceInput<Element>, _ layout: PackedLayout, from initial: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    let (B, N, H) = (layout.batchSize, layout.rowCount, hiddenSize)
    let gates = context.arena.matrix(N, 4 * H)
    let hidden = context.arena.matrix(B + N, H)
    let cell = context.arena.matrix(B + N, H)
    hidden.rows(0..<B).copy(from: initial[0])
    cell.rows(0..<B).copy(from: initial[1])
    InputProjection(weight: weightIH).forward(input, into: gates, context)
    let bias = summedBias(context)
    let recurrent = context.packed(weightHH, transposed: true)
    for t in 0..<layout.steps {
      let n = layout.activeCounts[t]
      let (previous, next) = (layout.previousSlab(t), layout.slab(t))
      let g = gates.rows(layout.rows(t))
      recurrent.multiply(hidden.rows(previous..<previous + n), into: g, accumulate: true)
      Element.lstmForward(n, H, g.base, bias.base, cell.row(previous), cell.row(next), hidden.row(next))
    }
    return Unrolled(
      layout: layout, input: input, output: hidden.rows(B..<B + N),
      finalState: [layout.finalState(hidden, context.arena), layout.finalState(cell, context.arena)],
      gates: gates, hidden: hidden, cell: cell)
  }

  /// b_ih + b_hh, with the forget bias on the f gate.
  private func summedBias(_ context: LayerContext<Element>) -> MatrixView<Element> {
    let bias = context.arena.matrix(1, 4 * hiddenSize)
    bias.copy(from: context.parameters.matrix(biasIH))
    bias.add(context.parameters.matrix(biasHH))
    for unit in hiddenSize..<2 * hiddenSize { bias.base[unit] += Element(forgetBias) }
    return bias
  }

  // MARK: Backward

  public func backpropagate(
    _ unrolled: Unrolled<Element>, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let gates = unrolled.gates, let hidden = unrolled.hidden, let cell = unrolled.cell else {
      preconditionFailure("backpropagate of an LSTM needs what its own unroll returned")
    }
    let (layout, H) = (unrolled.layout, hiddenSize)
    let (dh, dc) = (stateGradient[0], stateGradient[1])
    context.arena.scoped {
      let dOutput = outputGradient.contiguous(context.arena)
      let dBias = context.arena.zeros(1, 4 * H)
      let recurrent = context.packed(weightHH, transposed: false)
      for t in (0..<layout.steps).reversed() {
        let n = layout.activeCounts[t]
        let g = gates.rows(layout.rows(t))
        Element.lstmBackward(
          n, H, g.base, cell.row(layout.previousSlab(t)), cell.row(layout.slab(t)),
          dOutput.row(layout.offsets[t]), dh.base, dc.base, dBias.base)
        recurrent.multiply(g, into: dh.rows(0..<n), accumulate: false)  // dL/dh = dgates · W_hh
      }
      multiply(
        gates, layout.previousStates(hidden, context.arena), .left, into: gradients.matrix(weightHH),
        accumulate: true)
      gradients.matrix(biasIH).add(dBias)
      gradients.matrix(biasHH).add(dBias)
      InputProjection(weight: weightIH).backward(
        gates, unrolled.input, inputGradient: inputGradient, into: gradients, context)
    }
  }
}
