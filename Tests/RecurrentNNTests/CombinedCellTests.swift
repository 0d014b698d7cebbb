import NumericKernels
import Parameters
import RecurrentNN
import Testing

@Suite struct CombinedCellTests {
  private static let lengths = [3, 5, 0, 2]

  private func makeCells(
    _ kinds: [CellOptions], sizes: [Int], in builder: inout ParameterLayout.Builder
  ) throws -> [any RecurrentCell<Double>] {
    try zip(kinds, zip(sizes, sizes.dropFirst())).enumerated().map { layer, entry in
      let (kind, (inputSize, hiddenSize)) = entry
      return try builder.scoped("cell\(layer)") { builder in
        let single = try LayerStack<Double>(
          NetworkOptions(kind, hiddenSize: hiddenSize), inputSize: inputSize, in: &builder)
        return try #require(single.layers[0] as? any RecurrentCell<Double>)
      }
    }
  }

  @Test func aStackEqualsItsCellsOneAfterTheOther() throws {
    var builder = ParameterLayout.Builder()
    let cells = try makeCells(
      [.lstm(forgetBias: 1), .rnn(), .gru(reset: .before)], sizes: [2, 5, 3, 4], in: &builder)
    let parameters = ParameterBuffer<Double>(builder.build(), seed: 1)
    let stack = try StackedCell(cells)
    #expect(stack.inputSize == 2 && stack.outputSize == 4)
    #expect(stack.parameters == cells.flatMap(\.parameters))

    let inputs: Tensor<Double> = randomTensor([4, 5, 2], stream: 1)
    let initial: CellState<Double> = randomState(stack.stateSize, batchSize: 4, stream: 2)
    let result = dynamicRNN(
      stack, inputs, sequenceLengths: Self.lengths, initialState: initial, parameters: parameters)
    var below = inputs
    for (layer, cell) in cells.enumerated() {
      let alone = dynamicRNN(
        cell, below, sequenceLengths: Self.lengths, initialState: initial[layer], parameters: parameters)
      #expect(alone.state == result.state[layer])
      below = alone.outputs
    }
    #expect(below == result.outputs)
  }

  @Test func theBackwardCellReadsEachSequenceFromItsOwnEnd() throws {
    var builder = ParameterLayout.Builder()
    let cells = try makeCells([.gru(), .lstm()], sizes: [3, 3, 3], in: &builder)
    let parameters = ParameterBuffer<Double>(builder.build(), seed: 1)
    let layer = try Bidirectional(forward: cells[0], backward: cells[1])
    #expect(layer.inputSize == 3 && layer.outputSize == 6)
    #expect(layer.stateSize == .stacked([3, .lstm(c: 3, h: 3)]))

    let inputs: Tensor<Double> = randomTensor([4, 5, 3], stream: 1)
    let both = dynamicRNN(layer, inputs, sequenceLengths: Self.lengths, parameters: parameters)
    let ahead = dynamicRNN(cells[0], inputs, sequenceLengths: Self.lengths, parameters: parameters)
    let back = dynamicRNN(cells[1], turned(inputs), sequenceLengths: Self.lengths, parameters: parameters)
    #expect(both.state == .stacked([ahead.state, back.state]))
    let backOutputs = turned(back.outputs)
    for b in 0..<4 {
      for t in 0..<5 {
        for unit in 0..<3 {
          #expect(both.outputs[b, t, unit] == ahead.outputs[b, t, unit])
          #expect(both.outputs[b, t, 3 + unit] == backOutputs[b, t, unit])
        }
      }
    }
  }

  /// Every sequence reversed within its length.
  private func turned(_ tensor: Tensor<Double>) -> Tensor<Double> {
    var result = tensor
    for (b, length) in Self.lengths.enumerated() {
      for t in 0..<length {
        for d in 0..<tensor.shape[2] { result[b, t, d] = tensor[b, length - 1 - t, d] }
      }
    }
    return result
  }

  @Test func theSameCellTwiceIsRefused() throws {
    var builder = ParameterLayout.Builder()
    let cell = GRUCell<Float>(inputSize: 4, hiddenSize: 4, in: &builder)
    let other = GRUCell<Float>(inputSize: 4, hiddenSize: 4, suffix: "_l1", in: &builder)
    expectRepeated(0, 2, "weight_ih") { () throws(RepeatedCellError) in
      _ = try StackedCell<Float>([cell, other, cell])
    }
    expectRepeated(0, 2, "weight_ih") { () throws(RepeatedCellError) in
      _ = try LayerStack<Float>([cell, other, cell])
    }
    expectRepeated(0, 1, "weight_ih_l1") { () throws(RepeatedCellError) in
      _ = try Bidirectional<Float>(forward: other, backward: other)
    }
    // A stack within a stack does not hide a repeated cell.
    let inner = try StackedCell<Float>([cell])
    expectRepeated(0, 1, "weight_ih") { () throws(RepeatedCellError) in
      _ = try StackedCell<Float>([inner, cell])
    }
    #expect(throws: Never.self) { try StackedCell<Float>([cell, other]) }
  }

  private func expectRepeated(
    _ first: Int, _ second: Int, _ parameter: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ build: () throws(RepeatedCellError) -> Void
  ) {
    do {
      try build()
      Issue.record("nothing was refused", sourceLocation: sourceLocation)
    } catch {
      #expect(
        error.first == first && error.second == second && error.parameter == parameter, "\(error)",
        sourceLocation: sourceLocation)
      // The text says why and what to do.
      for part in [
        "cells \(first) and \(second)", parameter, "one set of weights", "new cell for every layer",
      ] {
        #expect(error.description.contains(part), "\(error)", sourceLocation: sourceLocation)
      }
    }
  }
}
