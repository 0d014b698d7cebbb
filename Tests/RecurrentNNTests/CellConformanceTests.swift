import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// The requirements of every cell, regardless of its equations. A cell is tested if it is listed in `CellKind`; its own
/// options are listed in `NetworkCase`.
@Suite struct CellConformanceTests {
  @Test(arguments: NetworkCase.cells)
  func everyListedCell(network: NetworkCase) throws { try checkCell(network) }
}

/// Checks a single cell with its options:
///
/// - the gradients of all parameters, inputs and states are slopes: over a ragged batch with an empty sequence, from a zero
///   and from another initial state, with random masks and without, with vectors and with rows of a table as inputs
/// - it does the same step by step as with all steps at once, with and without precomputed columns of the inputs
/// - a padded batch equals one sequence at a time, and the content of the padding has no influence
/// - an empty sequence keeps its state, and a NaN reaches every gradient
/// - single and double precision agree at sizes with and without remainders of vector loops.
func checkCell(_ network: NetworkCase) throws {
  precondition(network.layers == 1 && !network.bidirectional)
  let check = CellCheck(network: network)
  try check.gradientsAreSlopes()
  try check.stepsEqualAllStepsAtOnce()
  try check.gradientsOfStatesReadBetweenTheSteps()
  try check.equalsCallingTheCell()
  try check.aPaddedBatchEqualsOneSequenceAtATime()
  try check.thePaddingHasNoInfluence()
  try check.emptySequencesKeepTheirState()
  try check.aNaNReachesTheGradients()
  for hiddenSize in [network.name.isEmpty ? 1 : 3, 16, 37] {
    try check.floatAgreesWithDouble(hiddenSize: hiddenSize)
  }
}

private struct CellCheck {
  let network: NetworkCase

  private static let lengths = [3, 0, 5, 2]
  private static let (batchSize, steps, inputSize) = (4, 5, 3)
  /// Differs from the size of the input. With layer normalization, the variance of four cell states may be so small that
  /// finite differences don't approximate the gradient.
  private var hiddenSize: Int { network.cell.layerNorm ? 5 : 4 }

  private func makeCell() throws -> (any RecurrentCell<Double>, ParameterBuffer<Double>) {
    let (stack, parameters): (LayerStack<Double>, _) = try network.make(
      inputSize: Self.inputSize, hiddenSize: hiddenSize)
    return (try #require(stack.layers[0] as? any RecurrentCell<Double>), parameters)
  }

  private func inputs() -> Tensor<Double> {
    randomTensor([Self.batchSize, Self.steps, Self.inputSize], stream: 1)
  }

  // MARK: Gradients

  func gradientsAreSlopes() throws {
    for masked in network.isRandom ? [true, false] : [false] {
      // Layer normalization of a zero state has such a large slope that differences are too inexact.
      for zeroState in network.cell.layerNorm ? [false] : [true, false] {
        // With fewer entries than rows the table is projected, with more the rows are.
        for tableRows in [nil, 3, 11] {
          try gradientsAreSlopes(tableRows: tableRows, masked: masked, zeroState: zeroState)
        }
      }
    }
  }

  private func gradientsAreSlopes(tableRows: Int?, masked: Bool, zeroState: Bool) throws {
    let problem = try network.packedProblem(
      lengths: [4, 3, 1, 0], hiddenSize: hiddenSize, tableRows: tableRows, masked: masked,
      zeroState: zeroState)
    try problem.expectGradientsAreSlopes()
    #expect(problem.dropsSomething() == masked)
  }

  // MARK: Step by step

  private func drive(readsStates: Bool = false) throws -> SteppedDrive {
    try SteppedDrive(
      network, lengths: Self.lengths, inputSize: Self.inputSize, hiddenSize: hiddenSize,
      readsStates: readsStates)
  }

  func stepsEqualAllStepsAtOnce() throws {
    try drive().expectStepsEqualAllStepsAtOnce(masksInputs: network.masksInputs)
  }

  func gradientsOfStatesReadBetweenTheSteps() throws {
    try drive(readsStates: true).expectGradientsAreSlopes()
  }

  func equalsCallingTheCell() throws {
    let (cell, parameters) = try makeCell()
    let inputs = inputs()
    var state: CellState<Double> = randomState(cell.stateSize, batchSize: Self.batchSize, stream: 3)
    let result = dynamicRNN(cell, inputs, initialState: state, parameters: parameters)
    for t in 0..<Self.steps {
      let (output, next) = cell(inputs.step(t), state, parameters)
      expectClose(result.outputs.step(t), output, within: 1e-14, "output \(t)")
      state = next
    }
    expectClose(
      result.state.stackedH + result.state.stackedC, state.stackedH + state.stackedC, within: 1e-14, "state")
  }

  // MARK: Ragged batches

  func aPaddedBatchEqualsOneSequenceAtATime() throws {
    let (cell, parameters) = try makeCell()
    expectPaddedBatchEqualsSingleSequences(cell, parameters, inputs(), lengths: Self.lengths)
  }

  func thePaddingHasNoInfluence() throws {
    let (cell, parameters) = try makeCell()
    expectPaddingHasNoInfluence(cell, parameters, inputs(), lengths: Self.lengths)
  }

  func emptySequencesKeepTheirState() throws {
    let (cell, parameters) = try makeCell()
    let initial: CellState<Double> = randomState(cell.stateSize, batchSize: Self.batchSize, stream: 3)
    let result = dynamicRNN(
      cell, inputs(), sequenceLengths: [0, 0, 0, 0], initialState: initial, parameters: parameters)
    #expect(result.outputs == .zeros([Self.batchSize, Self.steps, cell.outputSize]))
    #expect(result.state == initial)
    let gradients = ParameterBuffer<Double>(parameters.layout)
    let (dInputs, dInitial) = result.backpropagate(
      outputGradient: result.outputs, stateGradient: initial, into: gradients)
    #expect(dInputs == .zeros([Self.batchSize, Self.steps, Self.inputSize]) && dInitial == initial)
    #expect(gradients.elements.allSatisfy { $0 == 0 })
  }

  /// Every NaN in the inputs must reach every gradient that depends on it.
  func aNaNReachesTheGradients() throws {
    let (cell, parameters) = try makeCell()
    var inputs = inputs()
    inputs[0, 1, 1] = .nan
    let result = dynamicRNN(cell, inputs, parameters: parameters)
    let gradients = ParameterBuffer<Double>(parameters.layout)
    _ = result.backpropagate(
      outputGradient: Tensor([Self.batchSize, Self.steps, cell.outputSize], repeating: 1), into: gradients)
    for parameter in cell.parameters {
      #expect(gradients.elements(parameter).contains { $0.isNaN }, "\(parameter.name)")
    }
  }

  // MARK: Precision

  func floatAgreesWithDouble(hiddenSize: Int) throws {
    try expectFloatAgreesWithDouble(network, hiddenSize: hiddenSize)
  }
}

extension Tensor {
  /// The part of [B, T, D] for step t: [B, D].
  fileprivate func step(_ t: Int) -> Tensor {
    let (batchSize, width) = (shape[0], shape[2])
    return Tensor([batchSize, width], (0..<batchSize).flatMap { b in (0..<width).map { self[b, t, $0] } })
  }
}
