import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// The results of a cell have the same bits with any number of threads, whether threads compute sequences of their own (as
/// here, where each gets at least eight) or share every product. Other tests may run at the same time, because they get the
/// same bits, too.
@Suite(.serialized) struct CellThreadTests {
  @Test(arguments: NetworkCase.cells)
  func sequencesOfTheirOwn(network: NetworkCase) throws {
    defer { KernelThreads.count = 1 }
    KernelThreads.count = 1
    let alone = try results(network)
    #expect(alone.contains { $0 != 0 } && alone.allSatisfy { $0.isFinite })
    for count in [2, 3] {
      KernelThreads.count = count
      #expect(try results(network) == alone, "\(count) threads")
    }
  }

  /// All steps of a few sequences in one kernel give the same bits as one step after the other.
  @Test(arguments: [64, 192], ProductPrecision.ofTraining)
  func stepsOfFewSequences(units: Int, precision: ProductPrecision) throws {
    var builder = ParameterLayout.Builder()
    let cell = WatchedLSTM(LSTMCell<Float>(inputSize: 3, hiddenSize: units, in: &builder))
    let parameters = ParameterBuffer<Float>(builder.build(), seed: 5)
    let context = LayerContext(parameters: parameters, workspace: Workspace<Float>(precision: precision))
    let scratch = Scratch<Float>()
    defer { withExtendedLifetime(scratch) { KernelThreads.count = 1 } }
    for (threads, lengths) in [(1, [5]), (2, [5, 3]), (3, [4, 4, 4, 4, 4, 2]), (2, [6])] {
      KernelThreads.count = threads
      let layout = PackedLayout(lengths: lengths)
      let input = scratch.matrix(randomTensor([layout.rowCount, 3], stream: 1))
      let initial = cell.stateSize.parts.map {
        scratch.matrix(randomTensor([layout.batchSize, $0], stream: 2))
      }
      cell.record.stepsTogether = []
      let together = cell.unroll(.dense(input), layout, from: initial, context)
      // The BLAS, which computes products in fp32 without AVX2, has no such kernel.
      let hasKernel = context.workspace.mode.usesOnlyKernels
      #expect(cell.record.stepsTogether == (hasKernel ? [lengths[lengths.count - 1]] : []))
      let stepped = cell.begin(layout, from: initial, context)
      for t in 0..<layout.steps { cell.forward(step: t, input.rows(layout.rows(t)), stepped, context) }
      #expect(values(together.output) == values(stepped.output), "\(lengths), \(threads) threads")
      #expect(
        together.finalState.map { values($0) } == cell.finalState(stepped, context).map { values($0) },
        "\(lengths), \(threads) threads")
    }
  }

  /// With more sequences than the kernel has rows for, steps are computed one after the other.
  @Test func stepsOfManySequencesAreSeparate() {
    var builder = ParameterLayout.Builder()
    let cell = WatchedLSTM(LSTMCell<Float>(inputSize: 3, hiddenSize: 64, in: &builder))
    let parameters = ParameterBuffer<Float>(builder.build(), seed: 5)
    let context = LayerContext(parameters: parameters, workspace: Workspace<Float>())
    let scratch = Scratch<Float>()
    defer { withExtendedLifetime(scratch) {} }
    let layout = PackedLayout(lengths: Array(repeating: 4, count: 7))
    _ = cell.unroll(
      .dense(scratch.matrix(rows: layout.rowCount, columns: 3)), layout,
      from: cell.stateSize.parts.map { scratch.matrix(rows: layout.batchSize, columns: $0) }, context)
    #expect(cell.record.stepsTogether.isEmpty)
  }

  /// Outputs, states and all gradients of a ragged batch with random masks: all sequences run in the first four steps.
  private func results(_ network: NetworkCase) throws -> [Float] {
    let (inputSize, layout) = (5, PackedLayout(lengths: (0..<26).map { 4 + $0 % 4 }))
    let (stack, parameters): (LayerStack<Float>, _) = try network.make(inputSize: inputSize, hiddenSize: 20)
    let (scratch, coordinates) = (Scratch<Float>(), Coordinates(layout))
    let context = LayerContext(
      parameters: parameters, workspace: Workspace<Float>(),
      dropout: DropoutContext(seed: 9, step: 4, rows: coordinates.rows))
    let input = scratch.matrix(randomTensor([layout.rowCount, inputSize], stream: 1))
    let initial = stack.stateSize.parts.map {
      scratch.matrix(randomTensor([layout.batchSize, $0], stream: 2))
    }
    return withExtendedLifetime((scratch, coordinates)) {
      let unrolled = stack.unroll(.dense(input), layout, from: initial, context)
      let outputs = ([unrolled.output] + unrolled.finalState).flatMap { values($0) }
      let gradients = ParameterBuffer<Float>(parameters.layout)
      let dInput = scratch.matrix(rows: layout.rowCount, columns: inputSize)
      let dState = stack.stateSize.parts.map {
        scratch.matrix(randomTensor([layout.batchSize, $0], stream: 3))
      }
      let dOutput = scratch.matrix(randomTensor([layout.rowCount, stack.outputSize], stream: 4))
      stack.backpropagate(
        unrolled, outputGradient: dOutput, stateGradient: dState, inputGradient: dInput, into: gradients,
        context)
      return outputs + values(dInput) + dState.flatMap { values($0) } + Array(gradients.elements)
    }
  }
}

/// An LSTM that records how many steps its kernel for several steps has computed at once.
private struct WatchedLSTM: SteppedCell {
  /// Only the thread of the test writes to it.
  final class Record: @unchecked Sendable {
    /// The number of steps of each call that computed several at once.
    var stepsTogether: [Int] = []
  }

  typealias Element = Float
  let cell: LSTMCell<Float>
  let record = Record()

  init(_ cell: LSTMCell<Float>) { self.cell = cell }

  var inputSize: Int { cell.inputSize }
  var outputSize: Int { cell.outputSize }
  var stateSize: StateSize { cell.stateSize }
  var parameters: [Parameter] { cell.parameters }
  var weightIH: Parameter { cell.weightIH }

  func makeCache(_ pass: CellPass<Float>, _ context: LayerContext<Float>) -> RecurrentCache<Float> {
    cell.makeCache(pass, context)
  }

  func forward(_ step: CellStep<Float>, _ cache: RecurrentCache<Float>, _ context: LayerContext<Float>) {
    cell.forward(step, cache, context)
  }

  func forward(
    steps: Int, from first: CellStep<Float>, _ cache: RecurrentCache<Float>, _ context: LayerContext<Float>
  ) -> Bool {
    let isDone = cell.forward(steps: steps, from: first, cache, context)
    if isDone { record.stepsTogether.append(steps) }
    return isDone
  }

  func makeBackwardState(
    _ pass: CellPass<Float>, _ cache: RecurrentCache<Float>, _ context: LayerContext<Float>
  ) -> PackedMatrix<Float> {
    cell.makeBackwardState(pass, cache, context)
  }

  func backward(
    _ step: CellBackwardStep<Float>, _ cache: RecurrentCache<Float>, _ weight: PackedMatrix<Float>,
    _ context: LayerContext<Float>
  ) {
    cell.backward(step, cache, weight, context)
  }

  func addGradients(
    _ pass: CellPass<Float>, _ cache: RecurrentCache<Float>, _ weight: PackedMatrix<Float>,
    into gradients: ParameterBuffer<Float>, _ context: LayerContext<Float>
  ) {
    cell.addGradients(pass, cache, weight, into: gradients, context)
  }
}
