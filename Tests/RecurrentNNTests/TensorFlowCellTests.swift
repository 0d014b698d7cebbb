import NumericKernels
import RecurrentNN
import Testing

/// TensorFlow's basic cells compared with values computed by their `call` methods (make_tensorflow_cells.py).
@Suite struct TensorFlowCellTests {
  private static let tolerance = 2e-6

  @Test func basicRNNCell() throws {
    let golden = try GoldenFile("tensorflow-basic-rnn")
    let cell = BasicRNNCell(numUnits: 5)
    let (kernel, bias): (Tensor<Float>, Tensor<Float>) = (
      try golden.tensor("kernel"), try golden.tensor("bias")
    )
    cell.setWeights(kernel: kernel, bias: bias)
    #expect(cell.kernel == kernel && cell.bias == bias)
    let initial: Tensor<Float> = try golden.tensor("initial.h")
    let (outputs, state) = dynamicRNN(cell, try golden.tensor("inputs"), initialState: initial)
    expectClose(outputs.values, try golden.doubles("outputs"), within: Self.tolerance, "outputs")
    expectClose(state.values, try golden.doubles("final.h"), within: Self.tolerance, "final h")
    try expectSteps(cell, golden, initial, outputs)
  }

  @Test(arguments: [("", Float(1)), ("-forget-bias-0", 0)])
  func basicLSTMCell(suffix: String, forgetBias: Float) throws {
    let golden = try GoldenFile("tensorflow-basic-lstm" + suffix)
    let cell =
      suffix.isEmpty ? BasicLSTMCell(numUnits: 5) : BasicLSTMCell(numUnits: 5, forgetBias: forgetBias)
    #expect(cell.forgetBias == forgetBias)
    let (kernel, bias): (Tensor<Float>, Tensor<Float>) = (
      try golden.tensor("kernel"), try golden.tensor("bias")
    )
    cell.setWeights(kernel: kernel, bias: bias)
    #expect(cell.kernel == kernel && cell.bias == bias)
    let initial = LSTMStateTuple(c: try golden.tensor("initial.c"), h: try golden.tensor("initial.h"))
    let (outputs, state) = dynamicRNN(cell, try golden.tensor("inputs"), initialState: initial)
    expectClose(outputs.values, try golden.doubles("outputs"), within: Self.tolerance, "outputs")
    expectClose(state.c.values, try golden.doubles("final.c"), within: Self.tolerance, "final c")
    expectClose(state.h.values, try golden.doubles("final.h"), within: Self.tolerance, "final h")
    try expectSteps(cell, golden, initial, outputs)
  }

  /// dynamicRNN equals calling the cell once per time step.
  private func expectSteps<Cell: TensorFlowCell>(
    _ cell: Cell, _ golden: GoldenFile, _ initial: Cell.State, _ outputs: Tensor<Float>
  ) throws {
    let inputs: Tensor<Float> = try golden.tensor("inputs")
    var state = initial
    for t in 0..<4 {
      let input = Tensor<Float>([3, 3], (0..<9).map { inputs[$0 / 3, t, $0 % 3] })
      let (output, next) = cell.call(input, state)
      for b in 0..<3 {
        for unit in 0..<5 { #expect(abs(output[b, unit] - outputs[b, t, unit]) < 1e-6) }
      }
      state = next
    }
  }

  @Test func weightsBeginAsTensorFlowsDo() throws {
    let cell = BasicLSTMCell(numUnits: 16, seed: 3)
    #expect(cell.kernel == nil && cell.bias == nil)
    _ = cell.call(.zeros([1, 8]), cell.zeroState(batchSize: 1))
    let kernel = try #require(cell.kernel)
    #expect(kernel.shape == [24, 64] && cell.bias == .zeros([64]))
    let bound = Float((6.0 / (24 + 64)).squareRoot())
    let largest = kernel.values.map { abs($0) }.max() ?? 0
    #expect(largest <= bound && largest > 0.95 * bound)
    // The same seed leads to the same weights, another seed to different ones.
    for (seed, isEqual) in [(UInt64(3), true), (4, false)] {
      let other = BasicLSTMCell(numUnits: 16, seed: seed)
      _ = other.call(.zeros([1, 8]), other.zeroState(batchSize: 1))
      #expect((other.kernel == kernel) == isEqual)
    }
  }

  @Test func aStackIsItsCellsOneAfterTheOther() throws {
    let stack = try MultiRNNCell((0..<3).map { _ in BasicLSTMCell(numUnits: 4) })
    let inputs = Tensor<Float>(shape: [2, 5, 4], seed: 1)
    let (outputs, state) = dynamicRNN(stack, inputs, sequenceLengths: [5, 3])
    var below = inputs
    for (layer, cell) in stack.cells.enumerated() {
      let (above, final) = dynamicRNN(cell, below, sequenceLengths: [5, 3])
      #expect(final == state[layer])
      below = above
    }
    #expect(below == outputs && (3..<5).allSatisfy { t in (0..<4).allSatisfy { outputs[1, t, $0] == 0 } })
    // Cells created with the same arguments are not the same layer three times.
    let kernels = stack.cells.map(\.kernel)
    #expect(kernels[0] != kernels[1] && kernels[1] != kernels[2] && kernels[0] != kernels[2])
  }

  @Test func aCellIsRefusedWhereverItIsRepeated() throws {
    let (one, other) = (BasicRNNCell(numUnits: 4), BasicRNNCell(numUnits: 4))
    #expect(throws: RepeatedCellError.self) { try MultiRNNCell([one, other, one]) }
    let (lower, upper) = (
      try MultiRNNCell([one, other]), try MultiRNNCell([BasicRNNCell(numUnits: 4), one])
    )
    #expect(throws: RepeatedCellError.self) { try MultiRNNCell([lower, upper]) }
    let nested = try MultiRNNCell([lower, try MultiRNNCell([BasicRNNCell(numUnits: 4)])])
    #expect("\(nested.stateSize)" == "((4, 4), (4))")
    #expect(nested.cells.flatMap(\.cells).map(\.layer) == [0, 1, 2])
  }

  @Test func anInputOfAnotherWidthEndsTheProcess() async {
    await #expect(processExitsWith: .failure) {
      let cell = BasicRNNCell(numUnits: 4)
      _ = cell.call(.zeros([1, 3]), cell.zeroState(batchSize: 1))
      _ = cell.call(.zeros([1, 2]), cell.zeroState(batchSize: 1))
    }
  }
}
