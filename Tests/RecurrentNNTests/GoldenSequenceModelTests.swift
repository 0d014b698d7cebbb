import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Taggers and classifiers over one packed batch, against PyTorch, which ran each sequence alone.
@Suite struct GoldenSequenceModelTests {
  @Test(arguments: try GoldenFile.names("tagger"), Precision.allCases)
  func taggers(name: String, precision: Precision) throws {
    try checkTagger(GoldenFile(name), precision.type, precision.tolerance)
  }

  private func checkTagger<Element: Scalar>(
    _ golden: GoldenFile, _ type: Element.Type, _ tolerance: Double
  ) throws {
    let outputs = try golden.size("outputs")
    let kinds: [String: OutputShape] = [
      "softmax": .softmax(classes: outputs), "crf": .conditionalRandomField(classes: outputs),
      "bernoulli": .bernoulli(bits: outputs), "linear": .linear(size: outputs),
    ]
    let output = try #require(kinds[try golden.option("output")])
    let tagger = try SequenceTagger<Element>(
      SequenceTaggerShape(network: try golden.sequenceNetwork(), output: output))
    let context = try checkLoss(tagger, golden, tolerance)
    let scratch = Scratch<Element>()
    let data = try golden.sequenceData()
    switch withExtendedLifetime(scratch, { tagger.predict(data.input(scratch), context) }) {
    case .classes(let classes):
      #expect(classes.map { Int($0) } == (try golden.integers("prediction")))
    case .bits(let values), .numbers(let values):
      expectClose(values, try golden.doubles("prediction"), within: tolerance, "prediction")
    }
  }

  @Test(arguments: try GoldenFile.names("classifier"), Precision.allCases)
  func classifiers(name: String, precision: Precision) throws {
    try checkClassifier(GoldenFile(name), precision.type, precision.tolerance)
  }

  private func checkClassifier<Element: Scalar>(
    _ golden: GoldenFile, _ type: Element.Type, _ tolerance: Double
  ) throws {
    let poolings: [String: Pooling] = [
      "last": .last, "mean": .mean, "max": .max,
      "attention": .attention(size: try golden.size("attention_size")),
      "all": .all(steps: try golden.size("steps")),
    ]
    let outputs = try golden.size("outputs")
    let classifier = try SequenceClassifier<Element>(
      SequenceClassifierShape(
        network: try golden.sequenceNetwork(), pooling: try #require(poolings[try golden.option("pooling")]),
        output: try golden.option("output") == "linear" ? .linear(size: outputs) : .softmax(classes: outputs))
    )
    let context = try checkLoss(classifier, golden, tolerance)
    let scratch = Scratch<Element>()
    let data = try golden.sequenceData()
    let prediction = withExtendedLifetime(scratch) { classifier.predict(data.input(scratch), context) }
    let expected = try golden.doubles("prediction")
    switch prediction.output {
    case .classes(let classes, let probabilities):
      expectClose(probabilities, expected, within: tolerance, "probabilities")
      for (sequence, best) in classes.enumerated() {
        let row = expected[sequence * outputs..<(sequence + 1) * outputs]
        #expect(row[row.startIndex + Int(best)] == row.max())
      }
    case .numbers(let numbers):
      expectClose(numbers, expected, within: tolerance, "numbers")
    }
    #expect((prediction.attention != nil) == golden.has("attention_weights"))
    if let attention = prediction.attention {
      expectClose(attention, try golden.doubles("attention_weights"), within: tolerance, "attention")
    }
  }

  /// Names of the parameters, loss, and all gradients; returns a context with the file's parameters.
  private func checkLoss<Model: LabelingModel>(
    _ model: Model, _ golden: GoldenFile, _ tolerance: Double
  ) throws -> LayerContext<Model.Element> {
    #expect(Set(model.layout.parameters.map(\.name)) == Set(golden.parameterNames))
    let parameters: ParameterBuffer<Model.Element> = try golden.parameters(model.layout)
    let context = LayerContext(parameters: parameters, workspace: Workspace<Model.Element>())
    let gradients = ParameterBuffer<Model.Element>(model.layout)
    let loss = model.evaluate(
      try golden.sequenceData(), try golden.targetData(), Scratch(),
      smoothing: try golden.number("label_smoothing"), into: gradients, context)
    #expect([loss.tokens] == (try golden.integers("tokens_counted")))
    expectClose([loss.total], try golden.doubles("loss"), within: tolerance, "loss")
    try golden.expect(gradients, equals: "gradient.", within: tolerance)
    return context
  }
}

extension GoldenFile {
  fileprivate func sequenceNetwork() throws -> SequenceNetworkShape {
    let (vocabularySize, embeddingSize) = (try size("vocabulary_size"), try size("embedding_size"))
    let cells: [String: CellOptions] = ["lstm": .lstm(), "gru": .gru(), "rnn": .rnn()]
    let input: InputShape =
      switch try option("input") {
      case "vectors": .vectors(size: try size("vector_size"))
      case "tokens": .tokens(vocabularySize: vocabularySize, embeddingSize: embeddingSize)
      default:
        .words(
          vocabularySize: vocabularySize, embeddingSize: embeddingSize,
          characters: CharacterShape(
            vocabularySize: try size("letters"), embeddingSize: try size("letter_embedding_size"),
            hiddenSize: try size("letter_hidden_size"), cell: try #require(cells[try option("letter_cell")])))
      }
    return SequenceNetworkShape(
      encoder: EncoderShape(
        input, cell: try cellKind(), hiddenSize: try size("hidden_size"), layers: try size("layers"),
        bidirectional: flag("bidirectional")))
  }

  fileprivate func sequenceData() throws -> SequenceData {
    let content: SequenceData.Content =
      switch try option("input") {
      case "vectors": .vectors(try doubles("vectors"), width: try size("vector_size"))
      case "tokens": .tokens(try integers("tokens"))
      default:
        .words(
          try integers("tokens"), index: try integers("words.index"), lengths: try integers("words.lengths"),
          characters: try integers("words.characters"))
      }
    return SequenceData(lengths: try integers("lengths"), content: content)
  }

  fileprivate func targetData() throws -> TargetData {
    switch try option("output") {
    case "bernoulli": .bits(try doubles("targets"), width: try size("outputs"))
    case "linear": .numbers(try doubles("targets"), width: try size("outputs"))
    default: .classes(try integers("targets"))
    }
  }
}
