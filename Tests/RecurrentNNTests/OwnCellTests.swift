import RecurrentNN
import Testing

/// A cell that uses only the public API of the library, without a kernel: the update gate RNN of Collins et al. 2016
/// ("Capacity and Trainability in Recurrent Neural Networks", equations 15 to 17).
///
///     c = tanh(W_ic x + W_hc h + b_c)
///     g = σ(W_ig x + W_hg h + b_g)
///     h' = g ∘ h + (1 − g) ∘ c
///
/// Shapes: x [B, inputSize], h [B, H]; the weights are stacked in the order c g.
struct UpdateGateCell<Element: Scalar>: SteppedCell {
  let inputSize: Int
  let hiddenSize: Int
  let weightIH: Parameter
  let weightHH: Parameter
  let bias: Parameter

  init(inputSize: Int, hiddenSize: Int, suffix: String = "", in builder: inout ParameterLayout.Builder) {
    (self.inputSize, self.hiddenSize) = (inputSize, hiddenSize)
    let initial = Initializer.uniform(1 / Double(hiddenSize).squareRoot())
    weightIH = builder.add("weight_ih" + suffix, [2 * hiddenSize, inputSize], initial)
    weightHH = builder.add("weight_hh" + suffix, [2 * hiddenSize, hiddenSize], initial)
    bias = builder.add("bias" + suffix, [2 * hiddenSize], initial)
  }

  var outputSize: Int { hiddenSize }
  var stateSize: StateSize { .vector(hiddenSize) }
  var parameters: [Parameter] { [weightIH, weightHH, bias] }

  private var candidate: Range<Int> { 0..<hiddenSize }
  private var gate: Range<Int> { hiddenSize..<2 * hiddenSize }

  /// W_hh, packed for the product of every step.
  func makeCache(_ pass: CellPass<Element>, _ context: LayerContext<Element>) -> PackedMatrix<Element> {
    context.packed(weightHH, transposed: true)
  }

  func forward(
    _ step: CellStep<Element>, _ weights: PackedMatrix<Element>, _ context: LayerContext<Element>
  ) {
    weights.multiply(step.recurrentInput, into: step.gates, accumulate: true)
    let (c, g, h, next) = (step.gates.columns(candidate), step.gates.columns(gate), step.previousH, step.newH)
    let bias = context.parameters.pointer(bias)
    c.activate(.tanh, bias: bias)
    g.activate(.sigmoid, bias: bias + hiddenSize)
    for row in 0..<step.count {
      for unit in 0..<hiddenSize {
        next[row, unit] = g[row, unit] * h[row, unit] + (1 - g[row, unit]) * c[row, unit]
      }
    }
  }

  /// The same weights, packed for the backward pass.
  func makeBackwardState(
    _ pass: CellPass<Element>, _ cache: PackedMatrix<Element>, _ context: LayerContext<Element>
  ) -> PackedMatrix<Element> {
    context.packed(weightHH, transposed: false)
  }

  func backward(
    _ step: CellBackwardStep<Element>, _ cache: PackedMatrix<Element>, _ weights: PackedMatrix<Element>,
    _ context: LayerContext<Element>
  ) {
    let (c, g, h, dh) = (
      step.gates.columns(candidate), step.gates.columns(gate), step.forward.previousH, step.dh
    )
    for row in 0..<step.count {
      for unit in 0..<hiddenSize {
        let (candidate, gate) = (c[row, unit], g[row, unit])
        let d = dh[row, unit] + step.outputGradient[row, unit]
        c[row, unit] = d * (1 - gate) * (1 - candidate * candidate)
        g[row, unit] = d * (h[row, unit] - candidate) * gate * (1 - gate)
        dh[row, unit] = d * gate
      }
    }
    step.passRecurrent(step.gates, weights, accumulate: true)
  }

  func addGradients(
    _ pass: CellPass<Element>, _ cache: PackedMatrix<Element>, _ weights: PackedMatrix<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    context.multiply(
      pass.gates, pass.recurrentInputs(context), .left, into: gradients.matrix(weightHH), accumulate: true)
    pass.gates.addColumnSums(to: gradients.pointer(bias))
  }
}

/// A user's cell can do everything that the cells of the library can do.
@Suite struct OwnCellTests {
  private func cells<Element: Scalar>(
    _ inputSize: Int, in builder: inout ParameterLayout.Builder
  ) -> [any RecurrentCell<Element>] {
    [
      UpdateGateCell<Element>(inputSize: inputSize, hiddenSize: 4, suffix: "_l0", in: &builder),
      LSTMCell<Element>(inputSize: 4, hiddenSize: 3, suffix: "_l1", in: &builder),
      UpdateGateCell<Element>(inputSize: 3, hiddenSize: 5, suffix: "_l2", in: &builder),
    ]
  }

  @Test func stepByStepInAStack() throws {
    var builder = ParameterLayout.Builder()
    let cell = try StackedCell<Double>(cells(3, in: &builder))
    for readsStates in [false, true] {
      let drive = SteppedDrive(
        cell, ParameterBuffer(builder.build(), seed: 5), lengths: [3, 0, 5, 2], isRandom: false,
        readsStates: readsStates)
      if !readsStates { try drive.expectStepsEqualAllStepsAtOnce(masksInputs: false) }
      try drive.expectGradientsAreSlopes()
    }
  }

  @Test func inBothDirections() throws {
    var builder = ParameterLayout.Builder()
    let layer = try Bidirectional<Double>(
      forward: UpdateGateCell<Double>(inputSize: 3, hiddenSize: 4, in: &builder),
      backward: UpdateGateCell<Double>(inputSize: 3, hiddenSize: 4, suffix: "_reverse", in: &builder))
    let parameters = ParameterBuffer<Double>(builder.build(), seed: 3)
    let (inputs, weight): (Tensor<Double>, Tensor<Double>) = (
      randomTensor([3, 4, 3], stream: 1), randomTensor([3, 4, 8], stream: 2)
    )
    let lengths = [4, 1, 3]
    func run() -> DynamicRNNResult<Double> {
      dynamicRNN(layer, inputs, sequenceLengths: lengths, parameters: parameters)
    }
    let gradients = ParameterBuffer<Double>(parameters.layout)
    _ = run().backpropagate(outputGradient: weight, into: gradients)
    expectGradients(gradients, of: parameters) { dot(run().outputs.values, weight.values) }
  }

  @Test func inSinglePrecision() throws {
    func outputs<Element: Scalar>(_ type: Element.Type) throws -> [Double] {
      var builder = ParameterLayout.Builder()
      let cell = try StackedCell<Element>(cells(3, in: &builder))
      let parameters = ParameterBuffer<Element>(builder.build())
      for index in parameters.elements.indices { parameters.elements[index] = Element(index % 7) / 8 - 0.375 }
      let inputs = Tensor<Element>([2, 4, 3], (0..<24).map { Element($0 % 5) / 4 - 0.5 })
      return dynamicRNN(cell, inputs, parameters: parameters).outputs.values.map { Double($0) }
    }
    expectClose(try outputs(Float.self), try outputs(Double.self), within: 1e-5, "outputs")
  }
}
