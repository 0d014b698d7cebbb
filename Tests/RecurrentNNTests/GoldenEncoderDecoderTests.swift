import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Encoder-decoders and generators against the same models in PyTorch: losses, attention, all gradients.
@Suite struct GoldenEncoderDecoderTests {
  @Test(arguments: try GoldenFile.names("seq2seq"), Precision.allCases)
  func encoderDecodersEqualPyTorch(name: String, precision: Precision) throws {
    try checkPairs(GoldenFile(name), precision.type, precision.tolerance)
  }

  @Test(arguments: try GoldenFile.names("generator"), Precision.allCases)
  func generatorsEqualPyTorch(name: String, precision: Precision) throws {
    try checkGenerator(GoldenFile(name), precision.type, precision.tolerance)
  }

  private func checkPairs<Element: Scalar>(
    _ golden: GoldenFile, _ type: Element.Type, _ tolerance: Double
  ) throws {
    let model = try EncoderDecoder<Element>(golden.encoderDecoderShape())
    #expect(Set(model.layout.parameters.map(\.name)) == Set(golden.parameterNames))
    let run = EncoderDecoderRun(model, try golden.parameters(model.layout))
    let pairs: PairBatch<Element> = try golden.pairs(sources: model.shape.sources.count)
    let options = DecoderOptions(
      labelSmoothing: try golden.number("label_smoothing"), coverageLoss: try golden.number("coverage_loss"))

    let gradients = ParameterBuffer<Element>(model.layout)
    let loss = run.loss(pairs.batch(), options, into: gradients)
    // The attention weights of the benchmark's batch would make the golden file too large.
    let attention = golden.name == "seq2seq-benchmark" ? [] : run.attention(pairs)
    for (source, weights) in attention.enumerated() {
      expectClose(
        weights.flatMap { $0.flatMap { $0 } }, try golden.doubles("attention\(source)"), within: tolerance,
        "attention \(source)")
    }
    expectClose([loss.total], try golden.doubles("loss"), within: tolerance, "loss")
    #expect(loss.tokens == pairs.targets.reduce(0) { $0 + $1.count + 1 })
    try golden.expect(gradients, equals: "gradient.", within: tolerance)
    guard golden.has("losses") else { return }
    for (sentence, expected) in try golden.doubles("losses").enumerated() {
      expectClose(
        [run.loss(pairs.batch([sentence]), options).total], [expected], within: tolerance,
        "loss of \(sentence)")
    }
  }

  private func checkGenerator<Element: Scalar>(
    _ golden: GoldenFile, _ type: Element.Type, _ tolerance: Double
  ) throws {
    let model = try Generator<Element>(golden.generatorShape())
    #expect(Set(model.layout.parameters.map(\.name)) == Set(golden.parameterNames))
    let context = LayerContext(
      parameters: try golden.parameters(model.layout), workspace: Workspace<Element>())
    let scratch = Scratch<Element>()
    let conditions: GeneratorConditions<Element> =
      if golden.has("classes") {
        .classes(scratch.indices(try golden.integers("classes")))
      } else if golden.has("features") {
        .features(scratch.matrix(try golden.tensor("features")).base)
      } else { .none }
    let gradients = ParameterBuffer<Element>(model.layout)
    let batch = GeneratorBatch(
      conditions: conditions,
      targets: TokenSequences(
        lengths: try golden.integers("target.lengths"),
        ids: scratch.indices(try golden.integers("target.tokens"))))
    let loss = model.evaluate(batch, into: gradients, context)
    expectClose([loss.total], try golden.doubles("loss"), within: tolerance, "loss")
    try golden.expect(gradients, equals: "gradient.", within: tolerance)
  }
}
