import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Layers over padded batches against torch.nn.LSTM, GRU and RNN, and against the equations of what these do not have
/// (make_cell_options.py): outputs, final states, all gradients.
@Suite struct GoldenLayerTests {
  @Test(
    arguments: try GoldenFile.names("layer", "option").filter { $0 != "option-pyramid" }, Precision.allCases)
  func layerEqualsPyTorch(name: String, precision: Precision) throws {
    try check(GoldenFile(name), precision.type, precision.tolerance)
  }

  private func check<Element: Scalar>(
    _ golden: GoldenFile, _ type: Element.Type, _ tolerance: Double
  ) throws {
    var builder = ParameterLayout.Builder()
    let layer = try LayerStack<Element>(
      golden.networkOptions(), inputSize: golden.size("input_size"), in: &builder)
    let layout = builder.build()
    #expect(Set(layout.parameters.map(\.name)) == Set(golden.parameterNames))
    let parameters: ParameterBuffer<Element> = try golden.parameters(layout)

    let result = dynamicRNN(
      layer, try golden.batchMajor("input"), sequenceLengths: try golden.integers("lengths"),
      initialState: try golden.state("initial", layer.stateSize), parameters: parameters)
    let gradients = ParameterBuffer<Element>(layout)
    let (dInputs, dInitial) = result.backpropagate(
      outputGradient: try golden.batchMajor("weight.output"),
      stateGradient: try golden.state("weight", layer.stateSize), into: gradients)
    expectClose(result.outputs, try golden.batchMajor("output"), within: tolerance, "\(golden.name): output")
    try golden.expect(gradients, equals: "gradient.", within: tolerance)
    expectClose(
      dInputs, try golden.batchMajor("gradient.input"), within: tolerance, "\(golden.name): gradient.input")
    for (part, values) in [
      ("final.h", result.state.stackedH), ("final.c", result.state.stackedC),
      ("gradient.initial.h", dInitial.stackedH), ("gradient.initial.c", dInitial.stackedC),
    ] where golden.has(part) {
      expectClose(values, try golden.doubles(part), within: tolerance, "\(golden.name): \(part)")
    }
  }
}
