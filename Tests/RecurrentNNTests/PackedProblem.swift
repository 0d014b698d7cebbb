import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// A weighted sum of a layer's outputs and final states, over packed rows and with a fixed dropout key.
final class PackedProblem {
  let scratch = Scratch<Double>()
  private let layer: any SequenceLayer<Double>
  private let input: SequenceInput<Double>
  private let layout: PackedLayout
  private let context: LayerContext<Double>
  private let outputWeight: MatrixView<Double>
  private let stateWeights: [MatrixView<Double>]
  private let initial: [MatrixView<Double>]
  private let coordinates: Coordinates

  init(
    _ layer: any SequenceLayer<Double>, _ layout: PackedLayout, _ parameters: ParameterBuffer<Double>,
    table: Parameter? = nil, masked: Bool = true, zeroState: Bool = false
  ) {
    self.layer = layer
    let memory = scratch
    input =
      table.map { table in
        let rows = (0..<layout.rowCount).map { $0 * 5 % table.shape[0] }
        return .indexed(memory.indices(rows), count: layout.rowCount, table: table)
      } ?? .dense(memory.matrix(randomTensor([layout.rowCount, layer.inputSize], stream: 1)))
    self.layout = layout
    coordinates = Coordinates(layout)
    context = LayerContext(
      parameters: parameters, workspace: Workspace(),
      dropout: masked ? DropoutContext(seed: 9, step: 4, rows: coordinates.rows) : nil)
    outputWeight = memory.matrix(randomTensor([layout.rowCount, layer.outputSize], stream: 2))
    func states(_ stream: Int) -> [MatrixView<Double>] {
      layer.stateSize.parts.enumerated().map {
        memory.matrix(randomTensor([layout.batchSize, $0.element], stream: stream + $0.offset))
      }
    }
    stateWeights = states(100)
    initial = states(200)
    if zeroState { for state in initial { state.fill(0) } }
  }

  private func unroll(_ context: LayerContext<Double>) -> Unrolled<Double> {
    layer.unroll(input, layout, from: initial, context)
  }

  func loss() -> Double {
    context.workspace.arena.scoped {
      let unrolled = unroll(context)
      return zip([unrolled.output] + unrolled.finalState, [outputWeight] + stateWeights).reduce(0) {
        $0 + dot(values($1.0), values($1.1))
      }
    }
  }

  /// Expects the gradients of parameters, dense input and initial state to be slopes of the loss.
  func expectGradientsAreSlopes(sourceLocation: SourceLocation = #_sourceLocation) {
    let unrolled = unroll(context)
    let dStates = stateWeights.map { weight in
      let copy = scratch.matrix(rows: weight.rows, columns: weight.columns)
      copy.copy(from: weight)
      return copy
    }
    let dInput = scratch.matrix(rows: layout.rowCount, columns: layer.inputSize)
    var wanted: MatrixView<Double>?
    if case .dense = input { wanted = dInput }
    let gradients = ParameterBuffer<Double>(context.parameters.layout)
    layer.backpropagate(
      unrolled, outputGradient: outputWeight, stateGradient: dStates, inputGradient: wanted, into: gradients,
      context)
    let analyticInput = values(dInput)
    expectGradients(gradients, of: context.parameters, sourceLocation: sourceLocation) { loss() }
    for (part, state) in initial.enumerated() {
      expectGradient(
        values(dStates[part]), of: UnsafeMutableBufferPointer(start: state.base, count: state.count),
        "initial state \(part)", sourceLocation: sourceLocation
      ) { loss() }
    }
    if case .dense(let x) = input {
      expectGradient(
        analyticInput, of: UnsafeMutableBufferPointer(start: x.base, count: x.count), "input",
        sourceLocation: sourceLocation
      ) { loss() }
    }
  }

  /// True if the masks of this step change the output.
  func dropsSomething() -> Bool {
    let plain = LayerContext(parameters: context.parameters, workspace: context.workspace)
    return values(unroll(context).output) != values(unroll(plain).output)
  }
}

/// Samples and times of all rows of a layout, which dropout needs.
final class Coordinates {
  private let memory = Arena<Double>()
  let rows: RowCoordinates

  /// - Parameter numbers: the number of each of the caller's samples; 0, 1, … if nil.
  init(_ layout: PackedLayout, samples numbers: [Int]? = nil) {
    rows = layout.coordinates(memory) { position in
      UInt32(numbers?[layout.order[position]] ?? layout.order[position])
    }
  }
}
