import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Central differences where `dynamicRNN` does not reach: dropout between layers, and inputs that are rows of
/// a table.
@Suite struct MaskedGradientTests {
  private static let lengths = [4, 3, 1, 0]
  private static let (inputSize, hiddenSize) = (2, 3)

  @Test(
    arguments: NetworkCase.kinds.flatMap { kind in
      [false, true].map { NetworkCase(kind: kind, layers: 3, bidirectional: $0, dropout: 0.4) }
    })
  func dropoutBetweenLayers(network: NetworkCase) throws {
    try check(network, tableRows: nil)
  }

  /// With fewer entries than rows the table is projected, with more the rows are.
  @Test(arguments: NetworkCase.all, [3, 8, 11])
  func tableEntriesAsInput(network: NetworkCase, tableRows: Int) throws {
    try check(network, tableRows: tableRows)
  }

  private func check(_ network: NetworkCase, tableRows: Int?) throws {
    var builder = ParameterLayout.Builder()
    let table = tableRows.map { builder.add("table", [$0, Self.inputSize], .uniform(1)) }
    let stack = try LayerStack<Double>(
      network.kind, inputSize: Self.inputSize, hiddenSize: Self.hiddenSize, layers: network.layers,
      bidirectional: network.bidirectional, dropout: network.dropout, in: &builder)
    let parameters = ParameterBuffer<Double>(builder.build(), seed: 3)
    let layout = PackedLayout(lengths: Self.lengths)
    let problem = PackedProblem(stack, layout, parameters)
    let input: SequenceInput<Double> =
      if let table, let tableRows {
        .indexed(
          problem.scratch.indices((0..<layout.rowCount).map { $0 * 5 % tableRows }), count: layout.rowCount,
          table: table)
      } else {
        .dense(problem.scratch.matrix(randomTensor([layout.rowCount, Self.inputSize], stream: 1)))
      }
    let gradients = ParameterBuffer<Double>(parameters.layout)
    let dInput = problem.gradients(input, into: gradients)
    expectGradients(gradients, of: parameters) { problem.loss(input) }
    if case .dense(let x) = input {
      expectGradient(dInput, of: UnsafeMutableBufferPointer(start: x.base, count: x.count), "input") {
        problem.loss(input)
      }
    }
    #expect(problem.dropsSomething(input) == (network.dropout > 0))
  }
}

/// A weighted sum of a layer's outputs and final states, over packed rows and with a fixed dropout key.
private final class PackedProblem {
  let scratch = Scratch<Double>()
  private let layer: LayerStack<Double>
  private let layout: PackedLayout
  private let context: LayerContext<Double>
  private let outputWeight: MatrixView<Double>
  private let stateWeights: [MatrixView<Double>]
  private let initial: [MatrixView<Double>]
  private let coordinates: Coordinates

  init(_ layer: LayerStack<Double>, _ layout: PackedLayout, _ parameters: ParameterBuffer<Double>) {
    self.layer = layer
    self.layout = layout
    coordinates = Coordinates(layout)
    context = LayerContext(
      parameters: parameters, workspace: Workspace(),
      dropout: DropoutContext(seed: 9, step: 4, rows: coordinates.rows))
    let memory = scratch
    outputWeight = memory.matrix(randomTensor([layout.rowCount, layer.outputSize], stream: 2))
    func states(_ stream: Int) -> [MatrixView<Double>] {
      layer.stateSize.parts.enumerated().map {
        memory.matrix(randomTensor([layout.batchSize, $0.element], stream: stream + $0.offset))
      }
    }
    stateWeights = states(100)
    initial = states(200)
  }

  private func unroll(_ input: SequenceInput<Double>, _ context: LayerContext<Double>) -> Unrolled<Double> {
    layer.unroll(input, layout, from: initial, context)
  }

  func loss(_ input: SequenceInput<Double>) -> Double {
    context.workspace.arena.scoped {
      let unrolled = unroll(input, context)
      return zip([unrolled.output] + unrolled.finalState, [outputWeight] + stateWeights).reduce(0) {
        $0 + dot(values($1.0), values($1.1))
      }
    }
  }

  func gradients(_ input: SequenceInput<Double>, into gradients: ParameterBuffer<Double>) -> [Double] {
    let unrolled = unroll(input, context)
    let dStates = stateWeights.map { weight in
      let copy = scratch.matrix(rows: weight.rows, columns: weight.columns)
      copy.copy(from: weight)
      return copy
    }
    let dInput = scratch.matrix(rows: layout.rowCount, columns: layer.inputSize)
    var wanted: MatrixView<Double>?
    if case .dense = input { wanted = dInput }
    layer.backpropagate(
      unrolled, outputGradient: outputWeight, stateGradient: dStates, inputGradient: wanted, into: gradients,
      context)
    return values(dInput)
  }

  /// True if the masks of this step change the output.
  func dropsSomething(_ input: SequenceInput<Double>) -> Bool {
    let plain = LayerContext(parameters: context.parameters, workspace: context.workspace)
    return values(unroll(input, context).output) != values(unroll(input, plain).output)
  }
}

/// Samples and times of all rows of a layout, as dropout wants them.
final class Coordinates {
  private let samples: UnsafeMutableBufferPointer<UInt32>
  private let times: UnsafeMutableBufferPointer<UInt32>

  init(_ layout: PackedLayout) {
    samples = .allocate(capacity: max(1, layout.rowCount))
    times = .allocate(capacity: max(1, layout.rowCount))
    for step in 0..<layout.steps {
      for position in 0..<layout.activeCounts[step] {
        samples[layout.offsets[step] + position] = UInt32(layout.order[position])
        times[layout.offsets[step] + position] = UInt32(step)
      }
    }
  }

  deinit {
    samples.deallocate()
    times.deallocate()
  }

  var rows: RowCoordinates {
    RowCoordinates(samples: UnsafePointer(samples.baseAddress!), times: UnsafePointer(times.baseAddress!))
  }
}
