import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Cells and networks with options against the values of Tests/Golden/make_cell_options.py.
@Suite struct GoldenOptionTests {
  @Test(arguments: try GoldenFile.names("option").filter { $0 != "option-pyramid" }, Precision.allCases)
  func networkEqualsItsEquations(name: String, precision: Precision) throws {
    try check(GoldenFile(name), precision.type, precision.tolerance)
  }

  private func check<Element: Scalar>(
    _ golden: GoldenFile, _ type: Element.Type, _ tolerance: Double
  ) throws {
    var builder = ParameterLayout.Builder()
    let network = try LayerStack<Element>(
      golden.networkOptions(), inputSize: golden.size("input_size"), in: &builder)
    let layout = builder.build()
    #expect(Set(layout.parameters.map(\.name)) == Set(golden.parameterNames))
    let parameters: ParameterBuffer<Element> = try golden.parameters(layout)
    let result = dynamicRNN(
      network, try golden.batchMajor("input"), sequenceLengths: try golden.integers("lengths"),
      initialState: try state("initial", golden, network.stateSize), parameters: parameters)
    expectClose(result.outputs, try golden.batchMajor("output"), within: tolerance, "\(golden.name): output")
    expectClose(result.state.stackedH, try golden.doubles("final.h"), within: tolerance, "final.h")
    if golden.has("final.c") {
      expectClose(result.state.stackedC, try golden.doubles("final.c"), within: tolerance, "final.c")
    }
    let gradients = ParameterBuffer<Element>(layout)
    let (dInputs, dInitial) = result.backpropagate(
      outputGradient: try golden.batchMajor("weight.output"),
      stateGradient: try state("weight", golden, network.stateSize), into: gradients)
    try golden.expect(gradients, equals: "gradient.", within: tolerance)
    expectClose(dInputs, try golden.batchMajor("gradient.input"), within: tolerance, "gradient.input")
    expectClose(
      dInitial.stackedH, try golden.doubles("gradient.initial.h"), within: tolerance, "gradient.initial.h")
    if golden.has("gradient.initial.c") {
      expectClose(
        dInitial.stackedC, try golden.doubles("gradient.initial.c"), within: tolerance, "gradient.initial.c")
    }
  }

  private func state<Element: Scalar>(
    _ prefix: String, _ golden: GoldenFile, _ size: StateSize
  ) throws -> CellState<Element> {
    let c: Tensor<Element>? = golden.has(prefix + ".c") ? try golden.tensor(prefix + ".c") : nil
    return CellState(size, h: try golden.tensor(prefix + ".h"), c: c)
  }

  // MARK: Pyramid

  @Test(arguments: Precision.allCases)
  func pyramidEqualsPyTorch(precision: Precision) throws {
    try checkPyramid(precision.type, precision.tolerance)
  }

  private func checkPyramid<Element: Scalar>(_ type: Element.Type, _ tolerance: Double) throws {
    let golden = try GoldenFile("option-pyramid")
    var builder = ParameterLayout.Builder()
    let encoder = try PyramidalEncoder<Element>(golden.networkOptions(), inputSize: 3, in: &builder)
    let parameters: ParameterBuffer<Element> = try golden.parameters(builder.build())
    let lengths = try golden.integers("lengths")
    let run = PyramidRun(encoder, lengths: lengths, parameters)
    func sorted(_ prefix: String) throws -> [MatrixView<Element>] {
      let state: CellState<Element> = try state(prefix, golden, encoder.stateSize)
      return run.sorted(state.leaves.flatMap { [$0.h, $0.c ?? $0.h] })
    }
    let trace = encoder.unroll(
      .dense(run.packed(try golden.tensor("input"), run.layout)), run.layout, from: try sorted("initial"),
      run.context)
    #expect(trace.layout.lengths == [2, 2, 2, 1] && trace.layout.order == run.layout.order)
    let expected = run.packed(try golden.tensor("output"), trace.layout)
    expectClose(values(trace.output), values(expected), within: tolerance, "output")
    for (index, final) in try sorted("final").enumerated() {
      expectClose(values(trace.finalState[index]), values(final), within: tolerance, "state \(index)")
    }
    let gradients = ParameterBuffer<Element>(parameters.layout)
    let (dState, dInput) = (
      try sorted("weight"), run.scratch.matrix(rows: run.layout.rowCount, columns: encoder.inputSize)
    )
    encoder.backpropagate(
      trace, outputGradient: run.packed(try golden.tensor("weight.output"), trace.layout),
      stateGradient: dState, inputGradient: dInput, into: gradients, run.context)
    try golden.expect(gradients, equals: "gradient.", within: tolerance)
    expectClose(
      values(dInput), values(run.packed(try golden.tensor("gradient.input"), run.layout)), within: tolerance,
      "gradient.input")
    for (index, expected) in try sorted("gradient.initial").enumerated() {
      expectClose(values(dState[index]), values(expected), within: tolerance, "gradient.initial \(index)")
    }
  }
}

extension GoldenFile {
  /// The network with the options in the file's metadata.
  func networkOptions() throws -> NetworkOptions {
    var cell = try cellKind()
    func double(_ key: String) throws -> Double? { hasOption(key) ? try number(key) : nil }
    cell.peepholes = flag("peepholes")
    cell.coupledGates = flag("coupled_gates")
    cell.layerNorm = flag("layer_norm")
    cell.projectionSize = hasOption("projection_size") ? try size("projection_size") : nil
    cell.cellClip = try double("cell_clip")
    cell.projectionClip = try double("projection_clip")
    cell.zoneout = try double("zoneout_hidden") ?? 0
    cell.zoneoutCell = cell.kind == .lstm ? try double("zoneout_cell") ?? 0 : nil
    let connection = hasOption("connection") ? try option("connection") : "none"
    return NetworkOptions(
      cell, hiddenSize: try size("hidden_size"), layers: try size("layers"),
      bidirectional: flag("bidirectional"),
      connection: try #require(LayerConnectionKind(rawValue: connection)))
  }
}

/// The operands of a pyramid over one ragged batch.
struct PyramidRun<Element: Scalar> {
  let layout: PackedLayout
  let context: LayerContext<Element>
  let scratch = Scratch<Element>()

  init(
    _ encoder: PyramidalEncoder<Element>, lengths: [Int], _ parameters: ParameterBuffer<Element>,
    dropout: DropoutContext? = nil
  ) {
    layout = PackedLayout(lengths: lengths)
    context = LayerContext(parameters: parameters, workspace: Workspace(), dropout: dropout)
  }

  /// The packed rows of [T, B, D].
  func packed(_ tensor: Tensor<Element>, _ layout: PackedLayout) -> MatrixView<Element> {
    let packed = scratch.matrix(rows: layout.rowCount, columns: tensor.shape[2])
    for t in 0..<layout.steps {
      for (position, row) in layout.rows(t).enumerated() {
        for d in 0..<tensor.shape[2] { packed[row, d] = tensor[t, layout.order[position], d] }
      }
    }
    return packed
  }

  /// [B, H] with the rows in sorted order.
  func sorted(_ parts: [Tensor<Element>]) -> [MatrixView<Element>] {
    parts.map { part in
      let matrix = scratch.matrix(rows: part.shape[0], columns: part.shape[1])
      for (position, caller) in layout.order.enumerated() {
        for column in 0..<part.shape[1] { matrix[position, column] = part[caller, column] }
      }
      return matrix
    }
  }
}
