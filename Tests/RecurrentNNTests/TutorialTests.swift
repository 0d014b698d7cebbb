import Foundation
import RecurrentNN
import Testing

/// The snippets of docs/TUTORIAL.md, line for line: the comments after their `print` calls are their output.
@Suite struct TutorialTests {
  private let page = "docs/TUTORIAL.md"

  @Test func aSingleLayer() throws {
    let print = SnippetPrinter()
    var builder = ParameterLayout.Builder()
    let layer = Linear<Float>(inputSize: 3, outputSize: 2, activation: .tanh, in: &builder)
    let parameters = ParameterBuffer<Float>(builder.build(), seed: 1)

    let x = Tensor<Float>([1, 3], [1, 2, 3])  // a batch of one input with three numbers
    let y = layer(x, parameters)
    print(y.shape)  // [1, 2]
    try SnippetPage(page).expect(print.lines, printedBy: 1)
  }

  @Test func manyToMany() throws {
    let print = SnippetPrinter()
    var builder = ParameterLayout.Builder()
    let cell = RNNCell<Float>(inputSize: 3, hiddenSize: 4, in: &builder)
    let output = Linear<Float>(inputSize: 4, outputSize: 2, activation: .softmax, in: &builder)
    let parameters = ParameterBuffer<Float>(builder.build(), seed: 1)

    let x = Tensor<Float>(shape: [1, 5, 3], seed: 1)  // batch, steps, width
    let x1 = Tensor<Float>([1, 3], Array(x.values[0..<3]))
    let x2 = Tensor<Float>([1, 3], Array(x.values[3..<6]))
    let h0 = cell.zeroState(batchSize: 1)
    let (output1, h1) = cell(x1, h0, parameters)
    let (output2, h2) = cell(x2, h1, parameters)
    let y1 = output(output1, parameters)
    print(h2.h.shape)  // [1, 4]
    print(y1.shape)  // [1, 2]

    let all = dynamicRNN(cell, x, parameters: parameters)  // h1, h2, …, h5 in one call
    let y = output(Tensor([5, 4], all.outputs.values), parameters)
    print(all.outputs.shape)  // [1, 5, 4]
    print(y.shape)  // [5, 2]
    print(all.outputs[0, 1, 3] == output2[0, 3])  // true
    try SnippetPage(page).expect(print.lines, printedBy: 2)
  }

  @Test func manyToOne() throws {
    let print = SnippetPrinter()
    var builder = ParameterLayout.Builder()
    let cell = RNNCell<Float>(inputSize: 3, hiddenSize: 4, in: &builder)
    let output = Linear<Float>(inputSize: 4, outputSize: 7, activation: .softmax, in: &builder)
    let parameters = ParameterBuffer<Float>(builder.build(), seed: 1)

    let x = Tensor<Float>(shape: [1, 5, 3], seed: 1)
    let read = dynamicRNN(cell, x, parameters: parameters)
    let y = output(read.state.h, parameters)  // h5
    print(y.shape)  // [1, 7]
    print(abs(y.values.reduce(0, +) - 1) < 1e-6)  // true
    try SnippetPage(page).expect(print.lines, printedBy: 3)
  }

  @Test func oneToMany() throws {
    let print = SnippetPrinter()
    var builder = ParameterLayout.Builder()
    let start = builder.scoped("start") {
      Linear<Float>(inputSize: 6, outputSize: 4, activation: .tanh, in: &$0)
    }
    let cell = RNNCell<Float>(inputSize: 2, hiddenSize: 4, in: &builder)
    let output = Linear<Float>(inputSize: 4, outputSize: 2, activation: .softmax, in: &builder)
    let parameters = ParameterBuffer<Float>(builder.build(), seed: 1)

    let vector = Tensor<Float>(shape: [1, 6], seed: 1)
    var h = CellState.vector(start(vector, parameters))
    var y = Tensor<Float>.zeros([1, 2])
    for _ in 0..<3 {
      let step = cell(y, h, parameters)
      (h, y) = (step.state, output(step.output, parameters))
    }
    print(h.h.shape)  // [1, 4]
    print(y.shape)  // [1, 2]
    try SnippetPage(page).expect(print.lines, printedBy: 4)
  }

  @Test func encoderAndDecoder() throws {
    let print = SnippetPrinter()
    var builder = ParameterLayout.Builder()
    let encoder = builder.scoped("encoder") { RNNCell<Float>(inputSize: 3, hiddenSize: 4, in: &$0) }
    let decoder = builder.scoped("decoder") { RNNCell<Float>(inputSize: 2, hiddenSize: 4, in: &$0) }
    let output = Linear<Float>(inputSize: 4, outputSize: 2, activation: .softmax, in: &builder)
    let parameters = ParameterBuffer<Float>(builder.build(), seed: 1)

    let source = Tensor<Float>(shape: [1, 5, 3], seed: 1)
    let c = dynamicRNN(encoder, source, parameters: parameters).state
    let target = Tensor<Float>(shape: [1, 8, 2], seed: 2)  // training: correct outputs, delayed by one step
    let written = dynamicRNN(decoder, target, initialState: c, parameters: parameters)
    let y = output(Tensor([8, 4], written.outputs.values), parameters)
    print(c.h.shape)  // [1, 4]
    print(y.shape)  // [8, 2]
    try SnippetPage(page).expect(print.lines, printedBy: 5)
  }

  @Test func attention() throws {
    let print = SnippetPrinter()
    var builder = ParameterLayout.Builder()
    let encoder = RNNCell<Float>(inputSize: 3, hiddenSize: 4, in: &builder)
    let parameters = ParameterBuffer<Float>(builder.build(), seed: 1)

    let source = Tensor<Float>(shape: [1, 5, 3], seed: 1)
    let h = dynamicRNN(encoder, source, parameters: parameters).outputs
    let decoderState = Tensor<Float>(shape: [1, 4], seed: 2)  // h'_(i-1)

    let scores = (0..<5).map { j in (0..<4).reduce(Float(0)) { $0 + decoderState[0, $1] * h[0, j, $1] } }
    let exponentials = scores.map { exp($0) }
    let a = exponentials.map { $0 / exponentials.reduce(0, +) }
    let context = (0..<4).map { k in (0..<5).reduce(Float(0)) { $0 + a[$1] * h[0, $1, k] } }
    print(a.count)  // 5
    print(abs(a.reduce(0, +) - 1) < 1e-6)  // true
    print(context.count)  // 4
    try SnippetPage(page).expect(print.lines, printedBy: 6)
  }

  @Test(arguments: ["docs/TUTORIAL.md", "docs/TUTORIAL.zh.md"], 0..<7)
  func thePagesHaveTheseLines(page: String, block: Int) throws {
    let page = try SnippetPage(page)
    #expect(page.blocks.count == 7)
    let here = SnippetPage.code(try String(contentsOfFile: #filePath, encoding: .utf8))
    #expect(here.contains(SnippetPage.code(page.blocks[block])), "block \(block)")
  }
}
