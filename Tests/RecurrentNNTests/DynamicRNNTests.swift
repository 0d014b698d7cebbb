import NumericKernels
import Parameters
import RecurrentNN
import Testing

@Suite struct DynamicRNNTests {
  private static let lengths = [3, 0, 5, 2]
  private static let (batchSize, steps, inputSize, hiddenSize) = (4, 5, 3, 4)

  private func inputs() -> Tensor<Double> {
    randomTensor([Self.batchSize, Self.steps, Self.inputSize], stream: 1)
  }

  @Test(arguments: NetworkCase.kinds.map { NetworkCase(kind: $0) } + NetworkCase.networks)
  func defaultStateIsZero(network: NetworkCase) throws {
    let (stack, parameters): (LayerStack<Double>, _) = try network.make(inputSize: 3, hiddenSize: 4)
    let zero = CellState<Double>.zero(stack.stateSize, batchSize: Self.batchSize)
    let (implied, explicit) = (
      dynamicRNN(stack, inputs(), parameters: parameters),
      dynamicRNN(stack, inputs(), initialState: zero, parameters: parameters)
    )
    #expect(implied.outputs == explicit.outputs && implied.state == explicit.state)
  }

  @Test(arguments: NetworkCase.networks + NetworkCase.options)
  func aPaddedBatchEqualsOneSequenceAtATime(network: NetworkCase) throws {
    let (stack, parameters): (LayerStack<Double>, _) = try network.make(inputSize: 3, hiddenSize: 4)
    expectPaddedBatchEqualsSingleSequences(stack, parameters, inputs(), lengths: Self.lengths)
  }

  @Test(arguments: NetworkCase.networks + NetworkCase.options)
  func thePaddingHasNoInfluence(network: NetworkCase) throws {
    let (stack, parameters): (LayerStack<Double>, _) = try network.make(inputSize: 3, hiddenSize: 4)
    expectPaddingHasNoInfluence(stack, parameters, inputs(), lengths: Self.lengths)
  }
}

/// Expects a ragged batch to have the outputs and states of its sequences alone; past the length the output is zero and the
/// state is carried.
func expectPaddedBatchEqualsSingleSequences(
  _ layer: any SequenceLayer<Double>, _ parameters: ParameterBuffer<Double>, _ inputs: Tensor<Double>,
  lengths: [Int], sourceLocation: SourceLocation = #_sourceLocation
) {
  let initial: CellState<Double> = randomState(layer.stateSize, batchSize: lengths.count, stream: 3)
  let batch = dynamicRNN(
    layer, inputs, sequenceLengths: lengths, initialState: initial, parameters: parameters)
  for (b, length) in lengths.enumerated() {
    let alone = dynamicRNN(
      layer, inputs.sequence(b, length), initialState: initial.sequence(b), parameters: parameters)
    expectClose(
      batch.outputs.sequence(b, length), alone.outputs, within: 1e-14, "outputs \(b)",
      sourceLocation: sourceLocation)
    for t in length..<inputs.shape[1] {
      #expect(
        (0..<layer.outputSize).allSatisfy { batch.outputs[b, t, $0] == 0 }, sourceLocation: sourceLocation)
    }
    let (ours, expected) = (batch.state.sequence(b), alone.state)
    expectClose(
      ours.stackedH + ours.stackedC, expected.stackedH + expected.stackedC, within: 1e-14, "state \(b)",
      sourceLocation: sourceLocation)
    if length == 0 { #expect(ours == initial.sequence(b), sourceLocation: sourceLocation) }
  }
}

/// Expects outputs, states and gradients that don't depend on the content of the padding.
func expectPaddingHasNoInfluence(
  _ layer: any SequenceLayer<Double>, _ parameters: ParameterBuffer<Double>, _ inputs: Tensor<Double>,
  lengths: [Int], sourceLocation: SourceLocation = #_sourceLocation
) {
  let (steps, width) = (inputs.shape[1], inputs.shape[2])
  func run(padding: Double) -> ([Double], [Double], Tensor<Double>) {
    var inputs = inputs
    var outputGradient: Tensor<Double> = randomTensor([lengths.count, steps, layer.outputSize], stream: 2)
    for (b, length) in lengths.enumerated() {
      for t in length..<steps {
        for column in 0..<width { inputs[b, t, column] = padding }
        for column in 0..<layer.outputSize { outputGradient[b, t, column] = padding }
      }
    }
    let result = dynamicRNN(layer, inputs, sequenceLengths: lengths, parameters: parameters)
    let gradients = ParameterBuffer<Double>(parameters.layout)
    let (dInputs, dInitial) = result.backpropagate(outputGradient: outputGradient, into: gradients)
    return (
      result.outputs.values + result.state.stackedH + result.state.stackedC,
      Array(gradients.elements) + dInitial.stackedH + dInitial.stackedC, dInputs
    )
  }
  let (clean, garbage) = (run(padding: 0), run(padding: .nan))
  #expect(
    clean.0 == garbage.0 && clean.1 == garbage.1 && clean.2 == garbage.2, sourceLocation: sourceLocation)
  for (b, length) in lengths.enumerated() where length < steps {
    #expect(
      (length..<steps).allSatisfy { t in (0..<width).allSatisfy { clean.2[b, t, $0] == 0 } },
      sourceLocation: sourceLocation)
  }
}

extension Tensor {
  /// The first `length` steps of sequence b of [B, T, D]: [1, length, D].
  fileprivate func sequence(_ b: Int, _ length: Int) -> Tensor {
    let width = shape[2]
    return Tensor([1, length, width], (0..<length).flatMap { t in (0..<width).map { self[b, t, $0] } })
  }

  /// Row b of [B, D]: [1, D].
  fileprivate func row(_ b: Int) -> Tensor { Tensor([1, shape[1]], (0..<shape[1]).map { self[b, $0] }) }
}

extension CellState {
  /// The state of one sequence of a batch.
  fileprivate func sequence(_ b: Int) -> CellState {
    switch self {
    case .vector(let h): .vector(h.row(b))
    case .lstm(let c, let h): .lstm(c: c.row(b), h: h.row(b))
    case .stacked(let states): .stacked(states.map { $0.sequence(b) })
    }
  }
}
