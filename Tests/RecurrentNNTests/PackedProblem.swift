import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// A weighted sum of a layer's outputs and final states, over packed rows and with a fixed dropout key.
final class PackedProblem {
  private let scratch = Scratch<Double>()
  private let layer: any SequenceLayer<Double>
  /// The inputs, unless they are rows of a table, [rowCount, inputSize].
  let vectors: MatrixView<Double>
  private let input: SequenceInput<Double>
  let layout: PackedLayout
  let context: LayerContext<Double>
  let outputWeight: MatrixView<Double>
  private let stateWeights: [MatrixView<Double>]
  let initial: [MatrixView<Double>]
  private let coordinates: Coordinates

  init(
    _ layer: any SequenceLayer<Double>, _ layout: PackedLayout, _ parameters: ParameterBuffer<Double>,
    table: Parameter? = nil, masked: Bool = true, zeroState: Bool = false
  ) {
    self.layer = layer
    let memory = scratch
    let dense = memory.matrix(randomTensor([layout.rowCount, layer.inputSize], stream: 1))
    vectors = dense
    input =
      table.map { table in
        let rows = (0..<layout.rowCount).map { $0 * 5 % table.shape[0] }
        return .indexed(memory.indices(rows), count: layout.rowCount, table: table)
      } ?? .dense(dense)
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

  /// The weighted sum of outputs and final states.
  func loss(_ output: MatrixView<Double>, _ states: [MatrixView<Double>]) -> Double {
    zip([output] + states, [outputWeight] + stateWeights).reduce(0) {
      $0 + dot(values($1.0), values($1.1))
    }
  }

  private func loss() -> Double {
    context.workspace.arena.scoped {
      let unrolled = unroll(context)
      return loss(unrolled.output, unrolled.finalState)
    }
  }

  /// The gradient of the final states, which a backward pass turns into that of the initial ones.
  func stateGradient() -> [MatrixView<Double>] {
    stateWeights.map { weight in
      let copy = scratch.matrix(rows: weight.rows, columns: weight.columns)
      copy.copy(from: weight)
      return copy
    }
  }

  /// Room for the gradient of a dense input.
  func inputGradient() -> MatrixView<Double> {
    scratch.matrix(rows: layout.rowCount, columns: layer.inputSize)
  }

  /// Outputs, states and all gradients.
  func results() -> [String: [Double]] {
    let unrolled = unroll(context)
    let (dStates, dInput) = (stateGradient(), inputGradient())
    let gradients = ParameterBuffer<Double>(context.parameters.layout)
    var results = ["output": values(unrolled.output), "state": unrolled.finalState.flatMap { values($0) }]
    let isDense = if case .dense = input { true } else { false }
    layer.backpropagate(
      unrolled, outputGradient: outputWeight, stateGradient: dStates, inputGradient: isDense ? dInput : nil,
      into: gradients, context)
    results["input"] = values(dInput)
    results["initial"] = dStates.flatMap { values($0) }
    results["parameters"] = Array(gradients.elements)
    return results
  }

  /// Expects the gradients of parameters, dense input and initial state to be slopes of the loss.
  func expectGradientsAreSlopes() throws { try expectGradientsAreSlopes(results()) { loss() } }

  /// Expects the gradients among some results to be slopes of a loss.
  func expectGradientsAreSlopes(_ results: [String: [Double]], loss: () -> Double) throws {
    let gradients = ParameterBuffer<Double>(context.parameters.layout)
    _ = gradients.elements.update(fromContentsOf: try #require(results["parameters"]))
    expectGradients(gradients, of: context.parameters) { loss() }
    let dInitial = try #require(results["initial"])
    var first = 0
    for part in initial {
      let own = Array(dInitial[first..<first + part.count])
      expectGradient(own, of: elements(part), "initial state", loss: loss)
      first += part.count
    }
    guard case .dense = input else { return }
    expectGradient(try #require(results["input"]), of: elements(vectors), "input", loss: loss)
  }

  private func elements(_ view: MatrixView<Double>) -> UnsafeMutableBufferPointer<Double> {
    UnsafeMutableBufferPointer(start: view.base, count: view.count)
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
