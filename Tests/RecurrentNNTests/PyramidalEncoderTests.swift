import NumericKernels
import Parameters
import RecurrentNN
import Testing

@Suite struct PyramidalEncoderTests {
  private static let lengths = [3, 0, 7, 2, 5]

  @Test func layoutsHalveAndKeepTheirOrder() {
    let layout = PackedLayout(lengths: [3, 0, 4, 2, 7])
    let half = layout.halved
    #expect(half.lengths == [4, 2, 2, 1, 0] && half.order == layout.order && half.batchSize == 5)
    #expect(half.activeCounts == [4, 3, 1, 1] && half.offsets == [0, 4, 7, 8, 9])
    #expect(half.halved.lengths == [2, 1, 1, 1, 0] && half.halved.halved.lengths == [1, 1, 1, 1, 0])
    #expect(PackedLayout(lengths: [0, 0]).halved == PackedLayout(lengths: [0, 0]))
    // Different lengths with equal halves: sorting again would change the order.
    #expect(PackedLayout(lengths: [3, 4]).halved.order == [1, 0])
  }

  private func make(_ cell: CellOptions, dropout: Double = 0) throws -> (
    PyramidalEncoder<Double>, ParameterBuffer<Double>
  ) {
    var builder = ParameterLayout.Builder()
    let encoder = try PyramidalEncoder<Double>(
      NetworkOptions(cell, hiddenSize: 3, layers: 3, bidirectional: true, dropout: dropout), inputSize: 2,
      in: &builder)
    return (encoder, ParameterBuffer(builder.build(), seed: 4))
  }

  private static var masked: CellOptions {
    var cell = CellOptions.gru()
    cell.zoneout = 0.3
    cell.variationalDropout = 0.3
    return cell
  }

  @Test(arguments: [CellOptions.lstm(), masked], [0, 0.4])
  func gradientsAreSlopes(cell: CellOptions, dropout: Double) throws {
    let (encoder, parameters) = try make(cell, dropout: dropout)
    #expect(encoder.outputSize == 6 && encoder.inputSize == 2)
    let coordinates = Coordinates(PackedLayout(lengths: Self.lengths))
    let run = PyramidRun(
      lengths: Self.lengths, parameters,
      dropout: DropoutContext(seed: 9, step: 4, rows: coordinates.rows))
    let outRows = run.layout.halved.halved.rowCount
    #expect(outRows == 2 + 1 + 1 + 2)  // lengths 7, 5, 3, 2, quartered: 2, 2, 1, 1
    let input = run.scratch.matrix(randomTensor([run.layout.rowCount, 2], stream: 1))
    let outputWeight = run.scratch.matrix(randomTensor([outRows, 6], stream: 2))
    func states(_ stream: Int) -> [MatrixView<Double>] {
      encoder.stateSize.parts.enumerated().map {
        run.scratch.matrix(randomTensor([5, $1], stream: stream + $0))
      }
    }
    let (initial, stateWeights, dStates) = (states(100), states(200), states(200))
    func loss() -> Double {
      run.context.workspace.arena.scoped {
        let trace = encoder.unroll(.dense(input), run.layout, from: initial, run.context)
        return zip([trace.output] + trace.finalState, [outputWeight] + stateWeights).reduce(0) {
          $0 + dot(values($1.0), values($1.1))
        }
      }
    }
    let trace = encoder.unroll(.dense(input), run.layout, from: initial, run.context)
    let gradients = ParameterBuffer<Double>(parameters.layout)
    let dInput = run.scratch.matrix(rows: run.layout.rowCount, columns: 2)
    encoder.backpropagate(
      trace, outputGradient: outputWeight, stateGradient: dStates, inputGradient: dInput, into: gradients,
      run.context)
    expectGradients(gradients, of: parameters, loss: loss)
    expectGradient(
      values(dInput), of: UnsafeMutableBufferPointer(start: input.base, count: input.count), "input",
      loss: loss)
    for (part, state) in initial.enumerated() {
      expectGradient(
        values(dStates[part]), of: UnsafeMutableBufferPointer(start: state.base, count: state.count),
        "initial state \(part)", loss: loss)
    }
  }

  @Test func aBatchEqualsOneSequenceAtATime() throws {
    let (encoder, parameters) = try make(CellOptions.lstm())
    let input: Tensor<Double> = randomTensor([7, 5, 2], stream: 1)
    let batch = PyramidRun(lengths: Self.lengths, parameters)
    func zeros(_ run: PyramidRun<Double>) -> [MatrixView<Double>] {
      encoder.stateSize.parts.map { run.scratch.matrix(rows: run.layout.batchSize, columns: $0) }
    }
    let all = encoder.unroll(
      .dense(batch.packed(input, batch.layout)), batch.layout, from: zeros(batch), batch.context)
    for (position, caller) in batch.layout.order.enumerated() where Self.lengths[caller] > 0 {
      let run = PyramidRun(lengths: [Self.lengths[caller]], parameters)
      let single = Tensor<Double>(
        [7, 1, 2], (0..<7).flatMap { t in [input[t, caller, 0], input[t, caller, 1]] })
      let alone = encoder.unroll(
        .dense(run.packed(single, run.layout)), run.layout, from: zeros(run), run.context)
      for t in 0..<alone.layout.steps {
        let row = all.layout.offsets[t] + position
        expectClose(
          values(alone.output.rows(t..<t + 1)), values(all.output.rows(row..<row + 1)), within: 1e-14,
          "sequence \(caller), step \(t)")
      }
      for (one, many) in zip(alone.finalState, all.finalState) {
        expectClose(values(one), values(many.rows(position..<position + 1)), within: 1e-14, "state")
      }
    }
  }

  @Test func theSameLayerTwiceIsRefused() throws {
    var builder = ParameterLayout.Builder()
    let cell = GRUCell<Double>(inputSize: 4, hiddenSize: 2, in: &builder)
    #expect(throws: RepeatedCellError.self) { try PyramidalEncoder<Double>([cell, cell]) }
  }

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
    let run = PyramidRun(lengths: lengths, parameters)
    func sorted(_ prefix: String) throws -> [MatrixView<Element>] {
      let state: CellState<Element>? = try golden.state(prefix, encoder.stateSize)
      return run.sorted(try #require(state).leaves.flatMap { [$0.h, $0.c ?? $0.h] })
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

/// The operands of a pyramid over one ragged batch.
struct PyramidRun<Element: Scalar> {
  let layout: PackedLayout
  let context: LayerContext<Element>
  let scratch = Scratch<Element>()

  init(lengths: [Int], _ parameters: ParameterBuffer<Element>, dropout: DropoutContext? = nil) {
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
