import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Programming errors that would otherwise produce wrong numbers end the process with a message.
@Suite struct MisuseTests {
  private static func network() throws -> (LayerStack<Double>, ParameterBuffer<Double>) {
    try NetworkCase(kind: .lstm()).make(inputSize: 2, hiddenSize: 3)
  }

  private static func languageModelRun() throws -> LanguageModelRun<Float> {
    let model = try LanguageModel<Float>(
      LanguageModelShape(
        vocabularySize: 5, embeddingSize: 2, network: NetworkOptions(.lstm(), hiddenSize: 3)))
    return LanguageModelRun(model, ParameterBuffer(model.layout, seed: 1), batchSize: 1)
  }

  @Test func backpropagatingTwice() async {
    await #expect(processExitsWith: .failure) {
      let (stack, parameters) = try Self.network()
      let result = dynamicRNN(stack, .zeros([1, 2, 2]), parameters: parameters)
      let gradients = ParameterBuffer<Double>(parameters.layout)
      for _ in 0..<2 { _ = result.backpropagate(outputGradient: .zeros([1, 2, 3]), into: gradients) }
    }
  }

  @Test func aStateOfALargerStack() async {
    await #expect(processExitsWith: .failure) {
      let (stack, parameters) = try Self.network()
      let fitting = CellState<Double>.zero(stack.stateSize, batchSize: 1)
      let state = CellState<Double>.stacked([fitting, .vector(.zeros([1, 3]))])
      _ = dynamicRNN(stack, .zeros([1, 2, 2]), initialState: state, parameters: parameters)
    }
  }

  @Test func aLengthBeyondTheSteps() async {
    await #expect(processExitsWith: .failure) {
      let (stack, parameters) = try Self.network()
      _ = dynamicRNN(stack, .zeros([1, 2, 2]), sequenceLengths: [3], parameters: parameters)
    }
  }

  @Test func aTokenOutsideOfTheVocabulary() async {
    await #expect(processExitsWith: .failure) { _ = try Self.languageModelRun().evaluate([5], [0]) }
    await #expect(processExitsWith: .failure) { _ = try Self.languageModelRun().evaluate([-1], [0]) }
    await #expect(processExitsWith: .failure) { _ = try Self.languageModelRun().evaluate([0], [5]) }
    await #expect(processExitsWith: .failure) { _ = try Self.languageModelRun().step([5]) }
    // The same calls with existing ids return.
    await #expect(processExitsWith: .success) { _ = try Self.languageModelRun().evaluate([4], [4]) }
  }
}
