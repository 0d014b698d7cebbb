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
      encoder, lengths: Self.lengths, parameters,
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
    let batch = PyramidRun(encoder, lengths: Self.lengths, parameters)
    func zeros(_ run: PyramidRun<Double>) -> [MatrixView<Double>] {
      encoder.stateSize.parts.map { run.scratch.matrix(rows: run.layout.batchSize, columns: $0) }
    }
    let all = encoder.unroll(
      .dense(batch.packed(input, batch.layout)), batch.layout, from: zeros(batch), batch.context)
    for (position, caller) in batch.layout.order.enumerated() where Self.lengths[caller] > 0 {
      let run = PyramidRun(encoder, lengths: [Self.lengths[caller]], parameters)
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
}
