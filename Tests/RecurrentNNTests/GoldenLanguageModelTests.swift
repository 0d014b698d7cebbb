import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// A language model over two chunks of text with a carried state, against the same model in PyTorch.
@Suite struct GoldenLanguageModelTests {
  @Test(arguments: try GoldenFile.names("language-model"), Precision.allCases)
  func twoChunksEqualPyTorch(name: String, precision: Precision) throws {
    try check(GoldenFile(name), precision.type, precision.tolerance)
  }

  private func check<Element: Scalar>(
    _ golden: GoldenFile, _ type: Element.Type, _ tolerance: Double
  ) throws {
    let model: LanguageModel<Element> = try golden.languageModel()
    #expect(Set(model.layout.parameters.map(\.name)) == Set(golden.parameterNames))
    #expect(
      (model.layout["output.weight"] == model.layout["embedding.weight"]) == golden.flag("tie_embeddings"))
    let parameters: ParameterBuffer<Element> = try golden.parameters(model.layout)
    let batchSize = try golden.size("batch")
    let run = LanguageModelRun(model, parameters, batchSize: batchSize)
    let stepwise = LanguageModelRun(model, parameters, batchSize: batchSize)

    for chunk in 0..<(try golden.size("chunks")) {
      let (tokens, targets) = (
        try golden.integers("chunk\(chunk).tokens"), try golden.integers("chunk\(chunk).targets")
      )
      var logits: [Element] = []
      for first in stride(from: 0, to: tokens.count, by: batchSize) {
        logits += stepwise.step(Array(tokens[first..<first + batchSize]))
      }
      expectClose(logits, try golden.doubles("chunk\(chunk).logits"), within: tolerance, "logits \(chunk)")

      let gradients = ParameterBuffer<Element>(model.layout)
      let loss = run.evaluate(tokens, targets, into: gradients)
      #expect(loss.tokens == tokens.count)
      expectClose([loss.total], try golden.doubles("chunk\(chunk).loss"), within: tolerance, "loss \(chunk)")
      try golden.expect(gradients, equals: "chunk\(chunk).gradient.", within: tolerance)
      for run in [run, stepwise] {
        expectClose(run.hidden, try golden.doubles("chunk\(chunk).final.h"), within: tolerance, "h \(chunk)")
        if golden.has("chunk\(chunk).final.c") {
          expectClose(run.cells, try golden.doubles("chunk\(chunk).final.c"), within: tolerance, "c \(chunk)")
        }
      }
    }
  }
}
