import NumericKernels
import Parameters
import RecurrentNN
import Testing

@Suite struct CellStateTests {
  @Test func stateSizePrintsAsTensorFlowDoes() throws {
    var builder = ParameterLayout.Builder()
    let cells = (0..<3).map { layer in
      GRUCell<Float>(inputSize: 128, hiddenSize: 128, suffix: "_l\(layer)", in: &builder)
    }
    #expect("\(cells[0].stateSize)" == "128")
    #expect("\(try StackedCell(cells).stateSize)" == "(128, 128, 128)")
    let lstm = LSTMCell<Float>(inputSize: 4, hiddenSize: 128, in: &builder)
    #expect("\(lstm.stateSize)" == "LSTMStateSize(c=128, h=128)")
    #expect(cells[0].stateSize == 128)
  }

  @Test func zeroStatesHaveTheShapeOfTheCell() throws {
    var builder = ParameterLayout.Builder()
    let lower = LSTMCell<Float>(inputSize: 2, hiddenSize: 5, suffix: "_l0", in: &builder)
    let upper = RNNCell<Float>(inputSize: 5, hiddenSize: 3, suffix: "_l1", in: &builder)
    #expect(upper.zeroState(batchSize: 4) == .vector(.zeros([4, 3])))
    #expect(lower.zeroState(batchSize: 4) == .lstm(c: .zeros([4, 5]), h: .zeros([4, 5])))
    let stack = try StackedCell<Float>([lower, upper])
    let state = stack.zeroState(batchSize: 4)
    #expect(state == .stacked([lower.zeroState(batchSize: 4), upper.zeroState(batchSize: 4)]))
    #expect(state[0].c?.shape == [4, 5] && state[1].c == nil && state.layers.count == 2)
    #expect(state.h.shape == [4, 3] && state.c == nil)
  }

  /// One unit with hand-set weights, compared with the equations calculated by hand.
  @Test func oneStepByHand() throws {
    var builder = ParameterLayout.Builder()
    let cell = RNNCell<Double>(inputSize: 2, hiddenSize: 1, activation: .relu, in: &builder)
    let parameters = ParameterBuffer<Double>(builder.build())
    for (index, value) in [2.0, -1, 0.5, 0.25, 0.125].enumerated() { parameters.elements[index] = value }
    let (output, state) = cell(Tensor([1, 2], [3, 4]), .vector(Tensor([1, 1], [10])), parameters)
    let expected: Double = 2 * 3 - 1 * 4 + 0.5 * 10 + (0.25 + 0.125)
    #expect(output.values == [expected])
    #expect(state == .vector(output))
  }
}
