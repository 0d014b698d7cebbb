import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// One step of a cell against torch.nn.LSTMCell, GRUCell and RNNCell.
@Suite struct GoldenCellTests {
  @Test(arguments: try GoldenFile.names("cell"), Precision.allCases)
  func cellEqualsPyTorch(name: String, precision: Precision) throws {
    try check(GoldenFile(name), precision.type, precision.tolerance)
  }

  private func check<Element: Scalar>(
    _ golden: GoldenFile, _ type: Element.Type, _ tolerance: Double
  ) throws {
    var builder = ParameterLayout.Builder()
    let cell: any RecurrentCell<Element> = try makeCell(golden, in: &builder)
    let layout = builder.build()
    #expect(Set(layout.parameters.map(\.name)) == Set(golden.parameterNames))
    let parameters: ParameterBuffer<Element> = try golden.parameters(layout)
    let input: Tensor<Element> = try golden.tensor("input")
    let h: Tensor<Element> = try golden.tensor("initial.h")
    let initial: CellState<Element> =
      golden.has("initial.c") ? .lstm(c: try golden.tensor("initial.c"), h: h) : .vector(h)

    let (output, next) = cell(input, initial, parameters)
    expectClose(output, try golden.tensor("output"), within: tolerance, "output")
    #expect(next.h == output)
    if golden.has("final.c") {
      expectClose(try #require(next.c), try golden.tensor("final.c"), within: tolerance, "final.c")
    }

    // The gradients of one step come from the same call over sequences of one step.
    let (batchSize, width) = (input.shape[0], input.shape[1])
    let result = dynamicRNN(
      cell, Tensor([batchSize, 1, width], input.values), initialState: initial, parameters: parameters)
    let gradients = ParameterBuffer<Element>(layout)
    let dOutput: Tensor<Element> = try golden.tensor("weight.output")
    var dState = cell.zeroState(batchSize: batchSize)
    if golden.has("weight.c") { dState = .lstm(c: try golden.tensor("weight.c"), h: dState.h) }
    let (dInput, dInitial) = result.backpropagate(
      outputGradient: Tensor([batchSize, 1, cell.outputSize], dOutput.values), stateGradient: dState,
      into: gradients)
    try golden.expect(gradients, equals: "gradient.", within: tolerance)
    expectClose(dInput.values, try golden.doubles("gradient.input"), within: tolerance, "gradient.input")
    expectClose(dInitial.h, try golden.tensor("gradient.initial.h"), within: tolerance, "gradient.initial.h")
    if golden.has("gradient.initial.c") {
      expectClose(
        try #require(dInitial.c), try golden.tensor("gradient.initial.c"), within: tolerance,
        "gradient.initial.c")
    }
  }

  private func makeCell<Element: Scalar>(
    _ golden: GoldenFile, in builder: inout ParameterLayout.Builder
  ) throws -> any RecurrentCell<Element> {
    let (inputSize, hiddenSize) = (try golden.size("input_size"), try golden.size("hidden_size"))
    let options = try golden.cellKind()
    return switch options.kind {
    case .rnn:
      RNNCell(inputSize: inputSize, hiddenSize: hiddenSize, activation: options.activation, in: &builder)
    case .gru:
      GRUCell(inputSize: inputSize, hiddenSize: hiddenSize, reset: options.gruReset, in: &builder)
    case .lstm:
      LSTMCell(inputSize: inputSize, hiddenSize: hiddenSize, forgetBias: options.forgetBias, in: &builder)
    case .mingru: MinGRUCell(inputSize: inputSize, hiddenSize: hiddenSize, in: &builder)
    default: throw GoldenFile.UnknownCell(name: options.kind.rawValue)
    }
  }
}
