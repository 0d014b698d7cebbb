import NumericKernels
import Optimizers
import Parameters
import RecurrentNN
import Testing

/// Ten steps of training against PyTorch: the model, the clipping and the update rules together.
@Suite struct GoldenTrajectoryTests {
  @Test(arguments: try GoldenFile.names("trajectory"))
  func tenStepsEqualPyTorch(name: String) throws {
    if name.hasSuffix("float32") {
      try check(GoldenFile(name), Float.self, tolerance: 1e-5)
    } else {
      try check(GoldenFile(name), Double.self, tolerance: 1e-10)
    }
  }

  private func check<Element: Scalar>(
    _ golden: GoldenFile, _ type: Element.Type, tolerance: Double
  ) throws {
    let model: LanguageModel<Element> = try golden.languageModel()
    let parameters: ParameterBuffer<Element> = try golden.parameters(model.layout)
    let run = LanguageModelRun(model, parameters, batchSize: try golden.size("batch"))
    let (tokens, targets) = (try golden.integers("tokens"), try golden.integers("targets"))
    let steps = try golden.size("training_steps")
    let optimizer = Optimizer<Element>(settings: try settings(golden), count: parameters.count)
    let (learningRate, clipNorm) = (try golden.number("lr"), try golden.number("clip_norm"))

    var (losses, norms): ([Double], [Double]) = ([], [])
    for step in 0..<steps {
      let chunk = tokens.count / steps * step..<tokens.count / steps * (step + 1)
      let gradients = ParameterBuffer<Element>(model.layout)
      let loss = run.evaluate(Array(tokens[chunk]), Array(targets[chunk]), into: gradients)
      losses.append(loss.mean)
      norms.append(gradientNorm(UnsafeBufferPointer(gradients.elements)) / Double(loss.tokens))
      optimizer.beginUpdate(
        parameters: parameters.elements, gradients: UnsafeBufferPointer(gradients.elements),
        gradientScale: clipFactor(norm: norms[step], maximum: clipNorm) / Double(loss.tokens),
        learningRate: learningRate
      ).apply(to: 0..<parameters.count)
      parameters.didChange()
    }
    expectClose(losses, try golden.doubles("loss"), within: tolerance, "loss")
    expectClose(norms, try golden.doubles("gradient_norm"), within: tolerance, "gradient_norm")
    try golden.expect(parameters, equals: "final.parameter.", within: tolerance)
    expectClose(run.hidden, try golden.doubles("final.h"), within: tolerance, "final.h")
    expectClose(run.cells, try golden.doubles("final.c"), within: tolerance, "final.c")
  }

  private func settings(_ golden: GoldenFile) throws -> OptimizerSettings {
    func number(_ key: String, or standard: Double) throws -> Double {
      golden.hasOption(key) ? try golden.number(key) : standard
    }
    return OptimizerSettings(
      kind: try #require(.init(rawValue: try golden.option("optimizer"))),
      momentum: try number("momentum", or: 0), decay: try number("alpha", or: 0),
      beta1: try number("beta1", or: 0), beta2: try number("beta2", or: 0),
      epsilon: golden.hasOption("eps") ? try golden.number("eps") : nil,
      weightDecay: try number("weight_decay", or: 0))
  }
}
