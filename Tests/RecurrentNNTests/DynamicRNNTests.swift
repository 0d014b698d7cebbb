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

  private func cell(_ kind: CellOptions) throws -> (any RecurrentCell<Double>, ParameterBuffer<Double>) {
    let (stack, parameters): (LayerStack<Double>, _) = try NetworkCase(kind: kind).make(
      inputSize: Self.inputSize, hiddenSize: Self.hiddenSize)
    return (try #require(stack.layers[0] as? any RecurrentCell<Double>), parameters)
  }

  @Test(arguments: NetworkCase.kinds)
  func equalsCallingTheCellStepByStep(kind: CellOptions) throws {
    let (cell, parameters) = try cell(kind)
    let inputs = inputs()
    var state: CellState<Double> = randomState(cell.stateSize, batchSize: Self.batchSize, stream: 3)
    let result = dynamicRNN(cell, inputs, initialState: state, parameters: parameters)
    for t in 0..<Self.steps {
      let (output, next) = cell(inputs.step(t), state, parameters)
      expectClose(result.outputs.step(t), output, within: 1e-14, "output \(t)")
      state = next
    }
    expectClose(result.state.stackedH, state.stackedH, within: 1e-14, "h")
    expectClose(result.state.stackedC, state.stackedC, within: 1e-14, "c")
  }

  @Test(arguments: NetworkCase.all)
  func defaultStateIsZero(network: NetworkCase) throws {
    let (stack, parameters): (LayerStack<Double>, _) = try network.make(inputSize: 3, hiddenSize: 4)
    let zero = CellState<Double>.zero(stack.stateSize, batchSize: Self.batchSize)
    let (implied, explicit) = (
      dynamicRNN(stack, inputs(), parameters: parameters),
      dynamicRNN(stack, inputs(), initialState: zero, parameters: parameters)
    )
    #expect(implied.outputs == explicit.outputs && implied.state == explicit.state)
  }

  @Test(arguments: NetworkCase.all + NetworkCase.options)
  func aPaddedBatchEqualsOneSequenceAtATime(network: NetworkCase) throws {
    let (stack, parameters): (LayerStack<Double>, _) = try network.make(inputSize: 3, hiddenSize: 4)
    let inputs = inputs()
    let initial: CellState<Double> = randomState(stack.stateSize, batchSize: Self.batchSize, stream: 3)
    let batch = dynamicRNN(
      stack, inputs, sequenceLengths: Self.lengths, initialState: initial, parameters: parameters)
    for (b, length) in Self.lengths.enumerated() {
      let alone = dynamicRNN(
        stack, inputs.sequence(b, length), initialState: initial.sequence(b), parameters: parameters)
      expectClose(batch.outputs.sequence(b, length), alone.outputs, within: 1e-14, "outputs \(b)")
      // Past the length: output zero, state carried.
      for t in length..<Self.steps {
        for unit in 0..<stack.outputSize { #expect(batch.outputs[b, t, unit] == 0) }
      }
      expectClose(batch.state.sequence(b).stackedH, alone.state.stackedH, within: 1e-14, "h \(b)")
      expectClose(batch.state.sequence(b).stackedC, alone.state.stackedC, within: 1e-14, "c \(b)")
      if length == 0 { #expect(batch.state.sequence(b) == initial.sequence(b)) }
    }
  }

  @Test(arguments: NetworkCase.all + NetworkCase.options)
  func whatStandsInThePaddingHasNoInfluence(network: NetworkCase) throws {
    let (stack, parameters): (LayerStack<Double>, _) = try network.make(inputSize: 3, hiddenSize: 4)
    func run(padding: Double) -> ([Double], [Double], Tensor<Double>) {
      var inputs = inputs()
      var outputGradient: Tensor<Double> = randomTensor([4, Self.steps, stack.outputSize], stream: 2)
      for (b, length) in Self.lengths.enumerated() {
        for t in length..<Self.steps {
          for column in 0..<3 { inputs[b, t, column] = padding }
          for column in 0..<stack.outputSize { outputGradient[b, t, column] = padding }
        }
      }
      let result = dynamicRNN(stack, inputs, sequenceLengths: Self.lengths, parameters: parameters)
      let gradients = ParameterBuffer<Double>(parameters.layout)
      let (dInputs, dInitial) = result.backpropagate(outputGradient: outputGradient, into: gradients)
      return (
        result.outputs.values + result.state.stackedH + result.state.stackedC,
        Array(gradients.elements) + dInitial.stackedH + dInitial.stackedC, dInputs
      )
    }
    let (clean, garbage) = (run(padding: 0), run(padding: .nan))
    #expect(clean.0 == garbage.0 && clean.1 == garbage.1 && clean.2 == garbage.2)
    for (b, length) in Self.lengths.enumerated() where length < Self.steps {
      #expect((length..<Self.steps).allSatisfy { t in (0..<3).allSatisfy { clean.2[b, t, $0] == 0 } })
    }
  }

  @Test(arguments: NetworkCase.kinds)
  func allSequencesEmpty(kind: CellOptions) throws {
    let (cell, parameters) = try cell(kind)
    let initial: CellState<Double> = randomState(cell.stateSize, batchSize: Self.batchSize, stream: 3)
    let result = dynamicRNN(
      cell, inputs(), sequenceLengths: [0, 0, 0, 0], initialState: initial, parameters: parameters)
    #expect(result.outputs == .zeros([Self.batchSize, Self.steps, Self.hiddenSize]))
    #expect(result.state == initial)
    let gradients = ParameterBuffer<Double>(parameters.layout)
    let (dInputs, dInitial) = result.backpropagate(
      outputGradient: result.outputs, stateGradient: initial, into: gradients)
    #expect(dInputs == .zeros([Self.batchSize, Self.steps, Self.inputSize]) && dInitial == initial)
    #expect(gradients.elements.allSatisfy { $0 == 0 })
  }

  /// Every NaN that goes in must be seen in every gradient it passes.
  @Test(arguments: NetworkCase.kinds)
  func aNaNReachesTheGradients(kind: CellOptions) throws {
    let (cell, parameters) = try cell(kind)
    var inputs = inputs()
    inputs[0, 1, 1] = .nan
    let result = dynamicRNN(cell, inputs, parameters: parameters)
    let gradients = ParameterBuffer<Double>(parameters.layout)
    _ = result.backpropagate(
      outputGradient: Tensor([Self.batchSize, Self.steps, Self.hiddenSize], repeating: 1), into: gradients)
    for parameter in cell.parameters {
      #expect(gradients.elements(parameter).contains { $0.isNaN }, "\(parameter.name)")
    }
  }
}

extension Tensor {
  /// What [B, T, D] holds for step t: [B, D].
  fileprivate func step(_ t: Int) -> Tensor {
    let (batchSize, width) = (shape[0], shape[2])
    return Tensor([batchSize, width], (0..<batchSize).flatMap { b in (0..<width).map { self[b, t, $0] } })
  }

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
