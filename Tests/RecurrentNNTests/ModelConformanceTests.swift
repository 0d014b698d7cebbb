import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Every model that is listed here passes `checkModel` with every option.
@Suite struct ModelConformanceTests {
  @Test(arguments: LanguageModelCase.all)
  func languageModel(test: LanguageModelCase) throws { try checkModel(test) }

  @Test(arguments: TaggerCase.all)
  func tagger(test: TaggerCase) throws { try checkModel(test) }

  @Test(arguments: ClassifierCase.all)
  func classifier(test: ClassifierCase) throws { try checkModel(test) }

  @Test(arguments: MatcherCase.all)
  func matcher(test: MatcherCase) throws { try checkModel(test) }

  @Test(arguments: GeneratorCase.all)
  func generator(test: GeneratorCase) throws { try checkModel(test) }

  @Test(arguments: EncoderDecoderCase.all)
  func encoderDecoder(test: EncoderDecoderCase) throws { try checkModel(test) }
}

// MARK: - Language models

/// Cases with dropout in every place, tied weights, clusters of rare tokens, and states that are computed twice.
struct LanguageModelCase: ModelCase {
  var cell = CellOptions.lstm(forgetBias: 1)
  var tied = false
  var dropout = 0.0
  var embeddingDropout = 0.0
  var cutoffs: [Int] = []
  /// Steps between kept states.
  var segment: Int?
  var variational = 0.0

  static let all: [LanguageModelCase] = [CellOptions.lstm(forgetBias: 1), .gru(reset: .before)].flatMap {
    cell in
    [
      LanguageModelCase(cell: cell), LanguageModelCase(cell: cell, tied: true),
      LanguageModelCase(cell: cell, dropout: 0.4), LanguageModelCase(cell: cell, embeddingDropout: 0.4),
      LanguageModelCase(cell: cell, dropout: 0.3, embeddingDropout: 0.3),
      LanguageModelCase(cell: cell, tied: true, dropout: 0.3, embeddingDropout: 0.3),
      LanguageModelCase(cell: cell, cutoffs: [2]),
      LanguageModelCase(cell: cell, dropout: 0.3, cutoffs: [1, 3, 5]),
      LanguageModelCase(cell: cell, segment: 1),
      LanguageModelCase(cell: cell, dropout: 0.3, embeddingDropout: 0.3, segment: 3),
      LanguageModelCase(cell: cell, cutoffs: [3], segment: 2, variational: 0.4),
    ]
  }

  var testDescription: String {
    "\(cell.kind)" + (tied ? " tied" : "") + (dropout > 0 ? " dropout" : "")
      + (embeddingDropout > 0 ? " embedding dropout" : "") + (variational > 0 ? " variational" : "")
      + (cutoffs.isEmpty ? "" : " cutoffs \(cutoffs)") + (segment.map { " segments of \($0)" } ?? "")
  }

  func problem<Element: Scalar>(_ type: Element.Type) throws -> ModelProblem<Element> {
    var options = cell
    options.variationalDropout = variational
    let model = try LanguageModel<Element>(
      LanguageModelShape(
        vocabularySize: 7, embeddingSize: tied ? 4 : 3,
        network: NetworkOptions(options, hiddenSize: 4, layers: 2, dropout: dropout),
        embeddingDropout: embeddingDropout, tieEmbeddings: tied, cutoffs: cutoffs, clusterFactor: 2))
    let lengths = [4, 3, 1]
    let tokens = lengths.enumerated().map { stream, length in (0..<length).map { (3 * $0 + stream) % 7 } }
    let targets = lengths.enumerated().map { stream, length in (0..<length).map { (5 * $0 + 3 * stream) % 7 }
    }
    let scratch = Scratch<Element>()
    let segment = segment
    return ModelProblem(
      layout: model.layout, count: lengths.count, isRandom: dropout + embeddingDropout + variational > 0
    ) { examples, isMasked, gradients, context in
      let layout = PackedLayout(lengths: examples.map { lengths[$0] })
      let coordinates = Coordinates(layout, samples: examples)
      let state = model.stateParts.enumerated().map { part, width in
        let initial: Tensor<Element> = exactTensor([lengths.count, width], stream: part)
        return scratch.matrix(
          Tensor(
            [examples.count, width],
            layout.order.flatMap { stream in (0..<width).map { initial[examples[stream], $0] } }))
      }
      let batch = LanguageModelBatch<Element>(
        layout: layout, tokens: scratch.indices(layout.pack(examples.map { tokens[$0] })),
        targets: scratch.indices(layout.pack(examples.map { targets[$0] })))
      return withExtendedLifetime(coordinates) {
        model.evaluate(
          batch, state: state, segment: segment, into: gradients,
          LayerContext(
            parameters: context.parameters, workspace: context.workspace,
            dropout: isMasked ? DropoutContext(seed: 4, step: 6, rows: coordinates.rows) : nil))
      }
    }
  }
}

// MARK: - Taggers and classifiers

/// Cases with every output, every input and dropout in every place.
struct TaggerCase: ModelCase {
  let option: SequenceCase
  let output: OutputShape
  let targets: TargetData

  var testDescription: String { "\(option.name), \(output), smoothing \(option.smoothing)" }

  private static let inputs: [SequenceCase] = [
    SequenceCase(name: "tokens", input: .tokens),
    SequenceCase(
      name: "words", input: .words(.lstm()), cell: .lstm(), layers: 2, bidirectional: true, dropout: 0.3,
      inputDropout: 0.3, wordDropout: 0.4),
    SequenceCase(name: "words, nothing dropped", input: .words(.gru()), bidirectional: true),
    SequenceCase(name: "words dropped", input: .tokens, cell: .rnn(), wordDropout: 0.4),
    SequenceCase(name: "vectors", input: .vectors, layers: 2, dropout: 0.3, inputDropout: 0.3),
  ]

  static let all: [TaggerCase] =
    inputs.flatMap { option -> [TaggerCase] in
      var smoothed = option
      smoothed.smoothing = 0.1
      let (softmax, field) = (OutputShape.softmax(classes: 3), OutputShape.conditionalRandomField(classes: 3))
      func classes(_ unknown: Set<Int>) -> TargetData {
        SequenceCase.classes(option.steps, of: 3, unknown: unknown)
      }
      return [
        TaggerCase(option: option, output: softmax, targets: classes([2])),
        TaggerCase(option: smoothed, output: softmax, targets: classes([2])),
        // All targets known; one unknown in the middle; a whole sequence unknown.
        TaggerCase(option: option, output: field, targets: classes([])),
        TaggerCase(option: option, output: field, targets: classes([1])),
        TaggerCase(option: option, output: field, targets: classes([4, 7])),
        TaggerCase(
          option: option, output: .bernoulli(bits: 3),
          targets: SequenceCase.bits(option.steps, width: 3, unknown: [3])),
        TaggerCase(
          option: option, output: .linear(size: 2), targets: SequenceCase.numbers(option.steps, width: 2)),
        TaggerCase(
          option: option, output: .quantiles(size: 2, levels: [0.2, 0.5, 0.9]),
          targets: SequenceCase.numbers(option.steps, width: 2)),
      ]
    } + [optionsOfCells]

  /// Options of cells reach the network, with their masks: projection, variational dropout, zoneout, connections.
  private static let optionsOfCells: TaggerCase = {
    var option = SequenceCase(
      name: "options", input: .words(.gru()), cell: .lstm(), layers: 2, bidirectional: true)
    option.extendsCells = true
    return TaggerCase(
      option: option, output: .conditionalRandomField(classes: 3),
      targets: SequenceCase.classes(option.steps, of: 3))
  }()

  func problem<Element: Scalar>(_ type: Element.Type) throws -> ModelProblem<Element> {
    let model = try SequenceTagger<Element>(SequenceTaggerShape(network: option.network, output: output))
    return option.problem(model) { targets[rows: $0.map(option.data.steps)] }
  }
}

/// Every way to pool with every output.
struct ClassifierCase: ModelCase {
  let option: SequenceCase
  let pooling: Pooling
  let output: OutputShape

  var testDescription: String { "\(option.name), \(pooling), \(output), smoothing \(option.smoothing)" }

  fileprivate static let inputs: [SequenceCase] = [
    SequenceCase(name: "tokens", input: .tokens, cell: .lstm()),
    SequenceCase(
      name: "words", input: .words(.rnn()), layers: 2, bidirectional: true, dropout: 0.3, inputDropout: 0.3,
      wordDropout: 0.4),
    SequenceCase(name: "vectors", input: .vectors, bidirectional: true, dropout: 0.3),
  ]

  static let all: [ClassifierCase] = inputs.flatMap { option -> [ClassifierCase] in
    var smoothed = option
    smoothed.smoothing = option.bidirectional ? 0.1 : 0
    var equalLengths = option
    equalLengths.lengths = [3, 3]
    let poolings: [Pooling] = [.last, .mean, .max, .attention(size: 5)]
    return poolings.flatMap { pooling in
      [
        ClassifierCase(option: smoothed, pooling: pooling, output: .softmax(classes: 3)),
        ClassifierCase(option: option, pooling: pooling, output: .linear(size: 2)),
        ClassifierCase(option: option, pooling: pooling, output: .quantiles(size: 2, levels: [0.3, 0.8])),
      ]
    } + [
      ClassifierCase(option: equalLengths, pooling: .all(steps: 3), output: .softmax(classes: 3)),
      ClassifierCase(option: equalLengths, pooling: .all(steps: 3), output: .linear(size: 2)),
    ]
  }

  func problem<Element: Scalar>(_ type: Element.Type) throws -> ModelProblem<Element> {
    let model = try SequenceClassifier<Element>(
      SequenceClassifierShape(network: option.network, pooling: pooling, output: output))
    let count = option.lengths.count
    let targets =
      output.kind != .softmax
      ? SequenceCase.numbers(count, width: 2) : SequenceCase.classes(count, of: 3, unknown: [3])
    return option.problem(model) { targets[rows: $0.map { $0..<$0 + 1 }] }
  }
}

extension SequenceCase {
  /// - Parameter targets: those of some sequences.
  fileprivate func problem<Element: Scalar>(
    _ model: some LabelingModel<Element>, targets: @escaping ([Int]) -> TargetData
  ) -> ModelProblem<Element> {
    let scratch = Scratch<Element>()
    return ModelProblem(layout: model.layout, count: lengths.count, isRandom: dropsSomething) {
      examples, isMasked, gradients, context in
      let samples = examples.map { masks.samples[$0] }
      let batch = LabeledBatch(
        input: data[examples].input(scratch), targets: targets(examples).rows(scratch),
        masks: isMasked ? SampleMasks(seed: masks.seed, step: masks.step, samples: samples) : nil)
      return model.evaluate(batch, labelSmoothing: smoothing, into: gradients, context)
    }
  }
}

/// Every input with two poolings and both outputs; the second sequences are the first ones in another order.
struct MatcherCase: ModelCase {
  let option: SequenceCase
  let pooling: Pooling
  let output: OutputShape

  var testDescription: String { "\(option.name), \(pooling), \(output), smoothing \(option.smoothing)" }

  static let all: [MatcherCase] = ClassifierCase.inputs.flatMap { option -> [MatcherCase] in
    var smoothed = option
    smoothed.smoothing = option.bidirectional ? 0.1 : 0
    return [
      MatcherCase(option: smoothed, pooling: .max, output: .softmax(classes: 3)),
      MatcherCase(option: option, pooling: .attention(size: 5), output: .linear(size: 2)),
    ]
  }

  func problem<Element: Scalar>(_ type: Element.Type) throws -> ModelProblem<Element> {
    let model = try SequenceMatcher<Element>(
      SequenceMatcherShape(network: option.network, pooling: pooling, output: output))
    let (count, data, masks) = (option.lengths.count, option.data, option.masks)
    let targets =
      output == .linear(size: 2)
      ? SequenceCase.numbers(count, width: 2) : SequenceCase.classes(count, of: 3, unknown: [3])
    let scratch = Scratch<Element>()
    return ModelProblem(layout: model.layout, count: count, isRandom: option.dropsSomething) {
      examples, isMasked, gradients, context in
      let samples = examples.map { masks.samples[$0] }
      let batch = PairedBatch<Element>(
        data[examples].input(scratch), data[examples.map { ($0 + 2) % count }].input(scratch),
        targets: targets[rows: examples.map { $0..<$0 + 1 }].rows(scratch),
        masks: isMasked ? SampleMasks(seed: masks.seed, step: masks.step, samples: samples) : nil)
      return model.evaluate(batch, labelSmoothing: option.smoothing, into: gradients, context)
    }
  }
}

// MARK: - Generators and encoder-decoders

extension GeneratorCase: ModelCase {
  func problem<Element: Scalar>(_ type: Element.Type) throws -> ModelProblem<Element> {
    let model = try Generator<Element>(shape)
    let data = GeneratorData<Element>()
    return ModelProblem(layout: model.layout, count: data.targets.count, isRandom: isMasked) {
      examples, isMasked, gradients, context in
      model.evaluate(data.batch(self, examples, isMasked: isMasked), into: gradients, context)
    }
  }
}

extension EncoderDecoderCase: ModelCase {
  func problem<Element: Scalar>(_ type: Element.Type) throws -> ModelProblem<Element> {
    let model = try EncoderDecoder<Element>(shape)
    let pairs: PairBatch<Element> = pairs()
    var evaluation = options
    // Without masks, there are no random numbers that could decide whether the model reads its own tokens.
    evaluation.teacherForcing = 1
    return ModelProblem(layout: model.layout, count: pairs.targets.count, isRandom: isMasked) {
      examples, isMasked, gradients, context in
      model.evaluate(
        pairs.batch(examples, masks: isMasked ? masks : nil), isMasked ? options : evaluation,
        into: gradients, context)
    }
  }
}
