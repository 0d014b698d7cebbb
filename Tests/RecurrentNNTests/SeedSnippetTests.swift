import Foundation
import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// The snippets of docs/CELLS.md, line for line: the comments after their `print` calls are their output.
@Suite struct SeedSnippetTests {
  private let page = "docs/CELLS.md"

  @Test func oneStepOfABasicRNNCell() throws {
    let print = SnippetPrinter()
    let cell = BasicRNNCell(numUnits: 128)
    print(cell.stateSize)
    print(cell.outputSize)

    let inputs = Tensor<Float>.zeros([32, 100])  // 32 is the batch size
    let h0 = cell.zeroState(batchSize: 32)
    let (output, h1) = cell.call(inputs, h0)

    print(output.shape)
    print(h1.shape)
    try SnippetPage(page).expect(print.lines, printedBy: 1)
  }

  @Test func oneStepOfABasicLSTMCell() throws {
    let print = SnippetPrinter()
    let lstmCell = BasicLSTMCell(numUnits: 128)
    let inputs = Tensor<Float>.zeros([32, 100])  // 32 is the batch size
    let h0 = lstmCell.zeroState(batchSize: 32)
    let (output, h1) = lstmCell.call(inputs, h0)

    print(lstmCell.stateSize)
    print(h1.h.shape)
    print(h1.c.shape)
    print(output == h1.h)
    try SnippetPage(page).expect(print.lines, printedBy: 2)
  }

  @Test func manySteps() throws {
    let print = SnippetPrinter()
    let cell = BasicRNNCell(numUnits: 128)
    let inputs = Tensor<Float>(shape: [32, 10, 100], seed: 1)  // batch, time, width
    let initialState = cell.zeroState(batchSize: 32)
    let (outputs, state) = dynamicRNN(cell, inputs, initialState: initialState)

    print(outputs.shape)
    print(state.shape)
    print(outputs[5, 9, 77] == state[5, 77])
    try SnippetPage(page).expect(print.lines, printedBy: 3)
  }

  @Test func stackedCells() throws {
    let print = SnippetPrinter()
    func getACell() -> BasicRNNCell {
      BasicRNNCell(numUnits: 128)
    }
    let cell = try MultiRNNCell((0..<3).map { _ in getACell() })  // 3 layers
    print(cell.stateSize)
    let inputs = Tensor<Float>.zeros([32, 100])  // 32 is the batch size
    let h0 = cell.zeroState(batchSize: 32)
    let (output, h1) = cell.call(inputs, h0)
    print(h1.map(\.shape))
    print(output == h1[2])
    try SnippetPage(page).expect(print.lines, printedBy: 4)
  }

  @Test func theOutputIsNotY() throws {
    let print = SnippetPrinter()
    let cell = BasicRNNCell(numUnits: 128)
    let inputs = Tensor<Float>(shape: [32, 100], seed: 1)
    let (output, h1) = cell.call(inputs, cell.zeroState(batchSize: 32))
    print(output == h1)
    print(cell.outputSize == 128 && cell.stateSize == 128)

    var builder = ParameterLayout.Builder()
    let outputLayer = Linear<Float>(inputSize: 128, outputSize: 10, activation: .softmax, in: &builder)
    let parameters = ParameterBuffer<Float>(builder.build(), seed: 1)
    let y = outputLayer(output, parameters)
    print(y.shape)
    try SnippetPage(page).expect(print.lines, printedBy: 5)
  }

  @Test func theOutputOfAnLSTM() throws {
    let print = SnippetPrinter()
    func sigmoid(_ x: Float) -> Float { 1 / (1 + exp(-x)) }
    let lstmCell = BasicLSTMCell(numUnits: 1)
    lstmCell.setWeights(
      kernel: Tensor([2, 4], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]), bias: Tensor([4], [0, 0.1, 0, -0.1]))
    let (x, h, c): (Float, Float, Float) = (2, -1, 3)
    let state = LSTMStateTuple(c: Tensor([1, 1], [c]), h: Tensor([1, 1], [h]))
    let (output, newState) = lstmCell.call(Tensor([1, 1], [x]), state)

    let i: Float = 0.1 * x + 0.5 * h
    let j: Float = 0.2 * x + 0.6 * h + 0.1
    let f: Float = 0.3 * x + 0.7 * h
    let o: Float = 0.4 * x + 0.8 * h - 0.1
    let newC = c * sigmoid(f + lstmCell.forgetBias) + sigmoid(i) * tanh(j)
    let newH = tanh(newC) * sigmoid(o)
    print(lstmCell.forgetBias)
    print(abs(newState.c[0, 0] - newC) < 1e-6 && abs(newState.h[0, 0] - newH) < 1e-6)
    print(output == newState.h)
    try SnippetPage(page).expect(print.lines, printedBy: 6)
  }

  @Test func theSameCellThreeTimes() throws {
    let print = SnippetPrinter()
    let oneCell = BasicRNNCell(numUnits: 128)
    do {
      _ = try MultiRNNCell(Array(repeating: oneCell, count: 3))
    } catch {
      print(error.first, error.second)
      print(error)
    }
    try SnippetPage(page).expect(print.lines, printedBy: 7)
  }

  @Test func cellsThatTrain() throws {
    let print = SnippetPrinter()
    var builder = ParameterLayout.Builder()
    let network = NetworkOptions(.lstm(forgetBias: 1), hiddenSize: 128, layers: 3, dropout: 0.2)
    let cell = try StackedCell<Float>(network, inputSize: 100, in: &builder)
    let parameters = ParameterBuffer<Float>(builder.build(), seed: 1)

    let inputs = Tensor<Float>(shape: [32, 10, 100], seed: 1)
    let result = dynamicRNN(cell, inputs, parameters: parameters)
    print(result.outputs.shape)

    let gradients = ParameterBuffer<Float>(parameters.layout)
    let (inputGradient, _) = result.backpropagate(outputGradient: result.outputs, into: gradients)
    print(inputGradient.shape)
    print(parameters.layout.parameters[0].name)
    try SnippetPage(page).expect(print.lines, printedBy: 8)
  }

  @Test(arguments: 0..<9)
  func thePageHasTheseLines(block: Int) throws {
    let page = try SnippetPage(page)
    #expect(page.blocks.count == 9)
    let here = SnippetPage.code(try String(contentsOfFile: #filePath, encoding: .utf8))
    #expect(here.contains(SnippetPage.code(page.blocks[block])), "block \(block) of docs/CELLS.md")
  }
}
