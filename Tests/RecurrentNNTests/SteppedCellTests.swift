import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// A cell that is driven step by step computes the same as with all steps at once.
@Suite struct SteppedCellTests {
  private static let lengths = [3, 0, 5, 2]
  private static let (inputSize, hiddenSize) = (3, 4)

  /// Stacks of two and three cells with dropout in between; single cells are checked by `checkCell`.
  static let cases: [NetworkCase] =
    NetworkCase.kinds.flatMap { kind in
      [NetworkCase(kind: kind, layers: 2), NetworkCase(kind: kind, layers: 3, dropout: 0.4)]
    } + NetworkCase.options.filter { !$0.bidirectional } + [everything]

  private static let everything = NetworkCase("everything", .lstm(), layers: 3, connection: .highway) {
    ($0.peepholes, $0.coupledGates, $0.layerNorm) = (true, true, true)
    ($0.cellClip, $0.projectionSize, $0.projectionClip) = (0.9, 2, 0.3)
    ($0.zoneoutCell, $0.zoneout) = (0.3, 0.2)
    ($0.variationalInputDropout, $0.variationalDropout) = (0.3, 0.4)
  }

  @Test(arguments: cases)
  func equalsAllStepsAtOnce(network: NetworkCase) throws {
    let drive = try SteppedDrive(
      network, lengths: Self.lengths, inputSize: Self.inputSize, hiddenSize: Self.hiddenSize)
    try drive.expectStepsEqualAllStepsAtOnce(masksInputs: network.masksInputs)
  }

  /// The steps of a decoder with attention: it reads the top hidden state before every step, and adds its gradient
  /// between two steps of the backward pass.
  @Test(arguments: cases)
  func gradientsOfStatesReadBetweenTheSteps(network: NetworkCase) throws {
    let drive = try SteppedDrive(
      network, lengths: Self.lengths, inputSize: Self.inputSize, hiddenSize: Self.hiddenSize,
      readsStates: true)
    try drive.expectGradientsAreSlopes()
  }

  @Test func theTraceShowsTheStatesOfTheSteps() throws {
    let drive = try SteppedDrive(
      NetworkCase(kind: .lstm(), layers: 2), lengths: Self.lengths, inputSize: 3, hiddenSize: 4)
    let (layout, context) = (drive.layout, drive.context)
    let trace = drive.cell.begin(layout, from: drive.initial, context)
    for t in 0..<layout.steps {
      // Parts are h and c of the lower cell, then h and c of the upper one.
      for part in 0..<4 where t == 0 {
        #expect(
          values(trace.state(part: part, before: 0))
            == values(drive.initial[part].rows(0..<layout.activeCounts[0])))
      }
      let before = values(trace.state(before: t))
      #expect(before == values(trace.state(part: 2, before: t)))
      drive.cell.forward(step: t, drive.input.rows(layout.rows(t)), trace, context)
      #expect(values(trace.state(before: t)) == before)
      #expect(values(trace.state(after: t)) == values(trace.output.rows(layout.rows(t))))
      #expect(values(trace.state(part: 0, after: t)) != values(trace.state(part: 2, after: t)))
      if t + 1 < layout.steps {
        let running = 0..<layout.activeCounts[t + 1]
        for part in 0..<4 {
          #expect(
            values(trace.state(part: part, after: t).rows(running))
              == values(trace.state(part: part, before: t + 1)))
        }
      }
    }
  }

  /// Encoder and decoder of one model draw from different streams.
  @Test func masksOfAnotherFirstStreamDiffer() throws {
    let network = NetworkCase(kind: .gru(), layers: 2, dropout: 0.5)
    let drive = try SteppedDrive(network, lengths: [4, 4, 4], inputSize: 3, hiddenSize: 8)
    let masks = try #require(drive.context.dropout)
    func output(_ dropout: DropoutContext) -> [Double] {
      let context = LayerContext(
        parameters: drive.parameters, workspace: drive.context.workspace, dropout: dropout)
      return values(drive.cell.unroll(.dense(drive.input), drive.layout, from: drive.initial, context).output)
    }
    let moved = masks.at(rows: masks.rows, firstStream: 10)
    #expect(moved.seed == masks.seed && moved.step == masks.step && moved.firstStream == 10)
    #expect(output(masks) == output(masks.at(rows: masks.rows, firstStream: 0)))
    #expect(output(masks) != output(moved))
  }
}

/// One cell over one ragged batch with a loss over outputs, final states and, if requested, the states between the steps.
final class SteppedDrive {
  let cell: StackedCell<Double>
  private let problem: PackedProblem
  private let readsStates: Bool

  var input: MatrixView<Double> { problem.vectors }
  var layout: PackedLayout { problem.layout }
  var context: LayerContext<Double> { problem.context }
  var parameters: ParameterBuffer<Double> { context.parameters }
  var initial: [MatrixView<Double>] { problem.initial }

  convenience init(
    _ network: NetworkCase, lengths: [Int], inputSize: Int, hiddenSize: Int, readsStates: Bool = false
  ) throws {
    var builder = ParameterLayout.Builder()
    let cell = try StackedCell<Double>(
      network.options(hiddenSize: hiddenSize), inputSize: inputSize, in: &builder)
    let parameters = ParameterBuffer<Double>(builder.build(), seed: 5)
    if !network.name.isEmpty { parameters.roughen() }
    self.init(cell, parameters, lengths: lengths, isRandom: network.isRandom, readsStates: readsStates)
  }

  init(
    _ cell: StackedCell<Double>, _ parameters: ParameterBuffer<Double>, lengths: [Int], isRandom: Bool,
    readsStates: Bool = false
  ) {
    (self.cell, self.readsStates) = (cell, readsStates)
    problem = PackedProblem(cell, PackedLayout(lengths: lengths), parameters, masked: isRandom)
  }

  /// Expects the same outputs, states and gradients from both ways to run a cell. Columns of the inputs can be multiplied
  /// before the first step; only masks of variational dropout, which are for whole inputs, prevent that.
  func expectStepsEqualAllStepsAtOnce(masksInputs: Bool) throws {
    let whole = problem.results()
    for precomputed in 0..<cell.inputSize {
      guard let stepped = steppedRun(precomputed: precomputed) else {
        #expect(masksInputs && precomputed > 0)
        continue
      }
      #expect(!masksInputs || precomputed == 0)
      #expect(Set(whole.keys) == Set(stepped.keys))
      for (name, expected) in whole {
        expectClose(
          try #require(stepped[name]), expected, within: precomputed == 0 ? 1e-14 : 1e-13,
          "\(precomputed) precomputed: \(name)")
      }
    }
  }

  /// Expects the gradients of a run by steps to be slopes of the loss.
  func expectGradientsAreSlopes() throws {
    try problem.expectGradientsAreSlopes(try #require(steppedRun())) { loss() }
  }

  private func forward(precomputed: Int = 0) -> Unrolled<Double>? {
    guard precomputed == 0 || !cell.needsWholeInputs(context) else { return nil }
    let trace = cell.begin(
      layout, from: initial,
      precomputing: precomputed == 0 ? nil : .dense(input.columns(0..<precomputed)), context)
    let rest = input.columns(precomputed..<input.columns)
    for t in 0..<layout.steps { cell.forward(step: t, rest.rows(layout.rows(t)), trace, context) }
    return trace
  }

  /// Outputs, states and all gradients, computed step by step; nil if the cell does not take precomputed columns.
  func steppedRun(precomputed: Int = 0) -> [String: [Double]]? {
    guard let trace = forward(precomputed: precomputed) else { return nil }
    let rest = precomputed..<input.columns
    let (dStates, dInput) = (problem.stateGradient(), problem.inputGradient())
    var results = [
      "output": values(trace.output), "state": cell.finalState(trace, context).flatMap { values($0) },
    ]
    let gradients = ParameterBuffer<Double>(parameters.layout)
    let back = cell.beginBackward(trace, stateGradient: dStates, context)
    for t in (0..<layout.steps).reversed() {
      let rows = layout.rows(t)
      cell.backward(
        step: t, back, outputGradient: problem.outputWeight.rows(rows),
        inputGradient: dInput.rows(rows).columns(rest), context)
      if readsStates {
        // dL/dh of Σ h²/2 over the top states before the steps.
        let top = back.stateGradient[topPart]
        top.rows(0..<rows.count).add(trace.state(before: t))
      }
    }
    cell.finishBackward(
      back, inputs: input.columns(rest), precomputedGradient: dInput.columns(0..<precomputed),
      into: gradients, context)
    results["input"] = values(dInput)
    results["initial"] = dStates.flatMap { values($0) }
    results["parameters"] = Array(gradients.elements)
    return results
  }

  private var topPart: Int {
    cell.cells.dropLast().reduce(0) { $0 + $1.stateSize.parts.count }
  }

  func loss() -> Double {
    context.workspace.arena.scoped {
      guard let trace = forward() else { return .nan }
      var sum = problem.loss(trace.output, cell.finalState(trace, context))
      guard readsStates else { return sum }
      for t in 0..<layout.steps {
        let h = values(trace.state(before: t))
        sum += dot(h, h) / 2
      }
      return sum
    }
  }
}
