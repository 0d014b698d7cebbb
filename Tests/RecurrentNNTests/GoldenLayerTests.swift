import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Layers over padded batches against torch.nn.LSTM, GRU and RNN: outputs, final states, all gradients.
@Suite struct GoldenLayerTests {
  @Test(arguments: try GoldenFile.names("layer"), Precision.allCases)
  func layerEqualsPyTorch(name: String, precision: Precision) throws {
    try check(GoldenFile(name), precision.type, precision.tolerance)
  }

  private func check<Element: Scalar>(
    _ golden: GoldenFile, _ type: Element.Type, _ tolerance: Double
  ) throws {
    var builder = ParameterLayout.Builder()
    let layer = try LayerStack<Element>(
      NetworkOptions(
        golden.cellKind(), hiddenSize: golden.size("hidden_size"), layers: golden.size("layers"),
        bidirectional: golden.flag("bidirectional")), inputSize: golden.size("input_size"), in: &builder)
    let layout = builder.build()
    #expect(Set(layout.parameters.map(\.name)) == Set(golden.parameterNames))
    let parameters: ParameterBuffer<Element> = try golden.parameters(layout)

    let result = dynamicRNN(
      layer, try golden.batchMajor("input"), sequenceLengths: try golden.integers("lengths"),
      initialState: try state("initial", golden, layer), parameters: parameters)
    expectClose(result.outputs, try golden.batchMajor("output"), within: tolerance, "\(golden.name): output")
    expectClose(
      result.state.stackedH, try golden.doubles("final.h"), within: tolerance, "\(golden.name): final.h")
    if golden.has("final.c") {
      expectClose(
        result.state.stackedC, try golden.doubles("final.c"), within: tolerance, "\(golden.name): final.c")
    }

    let gradients = ParameterBuffer<Element>(layout)
    let (dInputs, dInitial) = result.backpropagate(
      outputGradient: try golden.batchMajor("weight.output"),
      stateGradient: try state("weight", golden, layer), into: gradients)
    try golden.expect(gradients, equals: "gradient.", within: tolerance)
    expectClose(
      dInputs, try golden.batchMajor("gradient.input"), within: tolerance, "\(golden.name): gradient.input")
    if golden.has("gradient.initial.h") {
      expectClose(
        dInitial.stackedH, try golden.doubles("gradient.initial.h"), within: tolerance,
        "\(golden.name): gradient.initial.h")
    }
    if golden.has("gradient.initial.c") {
      expectClose(
        dInitial.stackedC, try golden.doubles("gradient.initial.c"), within: tolerance,
        "\(golden.name): gradient.initial.c")
    }
  }

  /// The state under `prefix`.h and `prefix`.c in the file; nil if there is none.
  private func state<Element: Scalar>(
    _ prefix: String, _ golden: GoldenFile, _ layer: LayerStack<Element>
  ) throws -> CellState<Element>? {
    guard golden.has(prefix + ".h") else { return nil }
    let c: Tensor<Element>? = golden.has(prefix + ".c") ? try golden.tensor(prefix + ".c") : nil
    return CellState(layer.stateSize, h: try golden.tensor(prefix + ".h"), c: c)
  }
}
