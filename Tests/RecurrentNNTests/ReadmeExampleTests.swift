// Separate file: it imports what the example imports, and nothing else.

import RecurrentNN
import Testing

/// The example of the README, line for line, with the results in its comments.
@Suite struct ReadmeExampleTests {
  @Test func exampleRunsAsPrinted() throws {
    var builder = ParameterLayout.Builder()
    let cell = LSTMCell<Float>(inputSize: 100, hiddenSize: 128, in: &builder)
    let parameters = ParameterBuffer<Float>(builder.build(), seed: 1)
    #expect("\(cell.stateSize)" == "LSTMStateSize(c=128, h=128)")
    let h0 = cell.zeroState(batchSize: 32)
    let (output, h1) = cell(.zeros([32, 100]), h0, parameters)
    #expect(output.shape == [32, 128] && h1.h.shape == [32, 128])
    let unrolled = dynamicRNN(cell, .zeros([32, 10, 100]), sequenceLengths: nil, parameters: parameters)
    #expect(unrolled.outputs.shape == [32, 10, 128])
    #expect(throws: RepeatedCellError.self) { try StackedCell([cell, cell]) }
  }
}
