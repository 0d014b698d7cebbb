import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Central differences through `dynamicRNN` over a ragged batch with an empty sequence.
@Suite struct LayerGradientTests {
  private static let lengths = [3, 0, 5, 2]
  private static let (steps, inputSize, hiddenSize) = (5, 2, 3)

  @Test(arguments: NetworkCase.networks, [true, false])
  func gradientsAreSlopes(network: NetworkCase, explicitState: Bool) throws {
    let (stack, parameters): (LayerStack<Double>, _) = try network.make(
      inputSize: Self.inputSize, hiddenSize: Self.hiddenSize)
    let batchSize = Self.lengths.count
    var inputs: Tensor<Double> = randomTensor([batchSize, Self.steps, Self.inputSize], stream: 1)
    let initial: CellState<Double>? =
      explicitState ? randomState(stack.stateSize, batchSize: batchSize, stream: 2) : nil
    let outputWeight: Tensor<Double> = randomTensor([batchSize, Self.steps, stack.outputSize], stream: 3)
    let stateWeight: CellState<Double> = randomState(stack.stateSize, batchSize: batchSize, stream: 4000)

    func run(_ inputs: Tensor<Double>, _ initial: CellState<Double>?) -> DynamicRNNResult<Double> {
      dynamicRNN(stack, inputs, sequenceLengths: Self.lengths, initialState: initial, parameters: parameters)
    }
    func loss(_ inputs: Tensor<Double>, _ initial: CellState<Double>?) -> Double {
      let result = run(inputs, initial)
      return dot(result.outputs.values, outputWeight.values) + dot(result.state, stateWeight)
    }

    let gradients = ParameterBuffer<Double>(parameters.layout)
    let (dInputs, dInitial) = run(inputs, initial).backpropagate(
      outputGradient: outputWeight, stateGradient: stateWeight, into: gradients)
    expectGradients(gradients, of: parameters) { loss(inputs, initial) }
    expectGradient(dInputs, of: &inputs, "inputs") { loss($0, initial) }
    guard let initial else { return }
    // All tensors of the state as one, in PyTorch's shape.
    let shape = [stack.stateSize.leafCount, batchSize, Self.hiddenSize]
    var h = Tensor(shape, initial.stackedH)
    let c = initial.stackedC.isEmpty ? nil : Tensor(shape, initial.stackedC)
    expectGradient(Tensor(shape, dInitial.stackedH), of: &h, "initial h") {
      loss(inputs, CellState(stack.stateSize, h: $0, c: c))
    }
    if var c {
      expectGradient(Tensor(shape, dInitial.stackedC), of: &c, "initial c") {
        loss(inputs, CellState(stack.stateSize, h: h, c: $0))
      }
    }
  }

  @Test func gradientsAreAddedToWhatIsThere() throws {
    let (stack, parameters): (LayerStack<Double>, _) = try NetworkCase(
      kind: .gru(reset: .before), layers: 2, bidirectional: true
    ).make(inputSize: 2, hiddenSize: 3)
    let inputs: Tensor<Double> = randomTensor([2, 4, 2], stream: 1)
    let weight: Tensor<Double> = randomTensor([2, 4, stack.outputSize], stream: 2)
    func add(to gradients: ParameterBuffer<Double>) {
      _ = dynamicRNN(stack, inputs, sequenceLengths: [4, 2], parameters: parameters).backpropagate(
        outputGradient: weight, into: gradients)
    }
    let (once, twice) = (
      ParameterBuffer<Double>(parameters.layout), ParameterBuffer<Double>(parameters.layout)
    )
    add(to: once)
    add(to: twice)
    add(to: twice)
    #expect(once.elements.contains { $0 != 0 })
    expectClose(Array(twice.elements), once.elements.map { 2 * $0 }, within: 1e-12, "sum of two gradients")
  }
}

extension StateSize {
  /// Number of single cells.
  fileprivate var leafCount: Int {
    if case .stacked(let sizes) = self { sizes.reduce(0) { $0 + $1.leafCount } } else { 1 }
  }
}
