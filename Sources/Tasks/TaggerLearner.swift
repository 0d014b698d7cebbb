import Datasets
import Metrics
import NumericKernels
import Parameters
import RecurrentNN

extension TaskKind {
  /// A label, bits or numbers for every step of a sequence (N-N).
  public static let tagger = TaskKind(
    "tagger", "a label per step", data: .tagged, outputs: [.softmax, .crf, .bernoulli, .linear],
    comparisons: [.labels, .spans], groups: [.source], lossUnit: "step")
}

/// The tagger (N-N) with its data: a label, bits or numbers for every step.
package final class TaggerLearner: Learner {
  package typealias Data = ExampleSet
  package static let kind = TaskKind.tagger

  package let model: SequenceTagger<Float>
  package let parameters: ParameterBuffer<Float>
  private let configuration: RunConfiguration
  private let encoding: DataEncoding
  private let spans: SpanLabels?
  private let metrics: MetricGroup<LabelExample>
  /// The name of gold tags that are not in the tag set, after the names of all tags. It begins a span that no output
  /// can match.
  private static let unknownTag = "B-\(ClassReport.neverLearned)"

  package init(
    _ configuration: RunConfiguration, _ encoding: DataEncoding, _ values: ParameterSource
  ) throws {
    self.configuration = configuration
    self.encoding = encoding
    let shape = SequenceTaggerShape(
      network: try configuration.network(encoding), output: try Self.output(configuration, encoding))
    model = try SequenceTagger(shape)
    parameters = try values.parameters(of: model.layout)
    let names = encoding.labels?.names ?? []
    spans = names.contains(where: SpanLabels.marksSpan) ? SpanLabels(names + [Self.unknownTag]) : nil
    metrics = .labels(markSpans: spans != nil)
    let metric = configuration.evaluation.metric
    guard spans != nil || !metric.comparesSpans else {
      throw TrainingFailure.metricMissing(
        metric,
        available: Metric.all.filter {
          !$0.comparesSpans && $0.belongs(to: Self.kind, configuration.model.output)
        })
    }
  }

  private static func output(
    _ configuration: RunConfiguration, _ encoding: DataEncoding
  ) throws -> OutputShape {
    let output = configuration.model.output
    switch output {
    case .softmax, .crf:
      guard let labels = encoding.labels else {
        throw TrainingFailure.unfittingData(
          "the data hold no labels: model.output must be bernoulli or linear for targets that are numbers")
      }
      return OutputShape(output, size: labels.count)
    case .bernoulli, .linear: return OutputShape(output, size: try targetWidth(encoding))
    case .quantile:
      var shape = OutputShape(output, size: try targetWidth(encoding))
      shape.levels = configuration.model.quantiles
      return shape
    }
  }

  private static func targetWidth(_ encoding: DataEncoding) throws -> Int {
    guard let width = encoding.targetWidth else {
      throw TrainingFailure.unfittingData("the data hold no numbers to learn")
    }
    return width
  }

  package var shape: ModelShape? { .tagger(model.shape) }

  package var abilities: ModelAbilities {
    var abilities = ModelAbilities()
    abilities.scoresOutputs = configuration.model.output.hasPerplexity
    return abilities
  }

  package func check(_ split: ExampleSet) throws {
    try split.requireWidth(encoding.sourceWidth, of: .source)
    try split.requireWidth(encoding.targetWidth, of: .target)
  }

  // MARK: Loss

  package func loss(of shard: ExampleBatches.Batch, _ context: LossContext) throws -> LossSum {
    let masks = context.masks(shard.places)
    guard let batch = batch(shard.examples, shard.set, masks: masks, context.workspace.arena) else {
      return LossSum()
    }
    let smoothing = context.inTraining(configuration.training.labelSmoothing)
    return model.evaluate(
      batch, labelSmoothing: smoothing, into: context.gradients, context.layers(parameters))
  }

  private func batch(
    _ examples: [Int32], _ split: ExampleSet, masks: SampleMasks?, _ arena: Arena<Float>
  ) -> LabeledBatch<Float>? {
    guard split.source != nil else { return nextSteps(examples, split, masks: masks, arena) }
    switch split.target {
    case .tokens(let tags):
      let input = inputSequences(examples, of: split.source, forms: split.forms, arena)
      let (_, ids) = arena.ids(examples, of: tags)
      return LabeledBatch(
        input: input, targets: .classes(UnsafePointer(ids.baseAddress!)), masks: masks)
    case .vectors(let numbers):
      let input = inputSequences(examples, of: split.source, forms: split.forms, arena)
      let targets = arena.vectors(examples, of: numbers).values
      return LabeledBatch(input: input, targets: vectorTargets(targets), masks: masks)
    case .labels, .none:
      return nil
    }
  }

  private func vectorTargets(_ targets: MatrixView<Float>) -> OutputTargets<Float> {
    configuration.model.output == .bernoulli
      ? .bits(targets.base, width: targets.columns) : .numbers(targets.base, width: targets.columns)
  }

  /// For sequences without a source, every step predicts the next one.
  private func nextSteps(
    _ examples: [Int32], _ split: ExampleSet, masks: SampleMasks?, _ arena: Arena<Float>
  ) -> LabeledBatch<Float>? {
    guard let vectors = split.target?.vectorSequences else { return nil }
    let (lengths, values) = arena.vectors(examples, of: vectors)
    let steps = lengths.map { max(0, $0 - 1) }
    let rows = max(1, steps.reduce(0, +))
    let (inputs, targets) = (arena.matrix(rows, vectors.width), arena.matrix(rows, vectors.width))
    var (from, to) = (0, 0)
    for (length, count) in zip(lengths, steps) {
      inputs.rows(to..<to + count).copy(from: values.rows(from..<from + count))
      if count > 0 { targets.rows(to..<to + count).copy(from: values.rows(from + 1..<from + 1 + count)) }
      (from, to) = (from + length, to + count)
    }
    return LabeledBatch(
      input: InputSequences(lengths: steps, content: .vectors(inputs.base, width: vectors.width)),
      targets: vectorTargets(targets), masks: masks)
  }

  // MARK: Scoring

  package func tally(
    _ groups: [ArraySlice<Int32>], of split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> ScoreSums {
    let examples = groups.compactMap(\.first)
    let context = LayerContext(parameters: parameters, workspace: workspace)
    if configuration.model.output == .linear {
      return ScoreSums(tallies: numberSums(examples, split, context))
    }
    guard let tags = split.target?.tokenSequences else { return ScoreSums() }
    let input = inputSequences(examples, of: split.source, forms: split.forms, workspace.arena)
    guard case .classes(let predicted) = model.predict(input, context) else { return ScoreSums() }
    let unknown = Int32(encoding.labels?.count ?? 0)
    var (first, confusion, counts) = (0, ConfusionMatrix(), SpanCounts())
    let compared = examples.map { example in
      let reference = Array(tags[Int(example)])
      let own = Array(predicted[first..<first + reference.count])
      first += reference.count
      confusion.add(predicted: own, reference: reference)
      let known = reference.map { $0 < 0 ? unknown : $0 }
      if let spans { counts.add(predicted: own, reference: known, spans) }
      return LabelExample(predicted: own, reference: known, spans: spans)
    }
    var sums = ScoreSums(tallies: metrics.sums(of: compared))
    (sums.confusion, sums.spans) = (confusion, counts)
    return sums
  }

  private func numberSums(
    _ examples: [Int32], _ split: ExampleSet, _ context: LayerContext<Float>
  ) -> [Double] {
    guard let batch = batch(examples, split, masks: nil, context.workspace.arena),
      case .numbers(let targets, let width) = batch.targets,
      case .numbers(let predicted) = model.predict(batch.input, context)
    else { return [] }
    let reference = Array(UnsafeBufferPointer(start: targets, count: batch.input.tokenCount * width))
    return MetricGroup.numbers.sums(of: [
      NumberExample(predicted: inUnits(predicted), reference: inUnits(reference))
    ])
  }

  /// Numbers of the model in the units of the data.
  private func inUnits(_ numbers: [Float]) -> [Float] { encoding.targetScale?.undo(numbers) ?? numbers }

  package func result(of sums: ScoreSums) -> EvaluationResult {
    var result = EvaluationResult(
      loss: sums.loss, examples: sums.examples, hasPerplexity: configuration.model.output.hasPerplexity,
      compared: sums.tallies.isEmpty
        ? []
        : configuration.model.output == .linear
          ? MetricGroup.numbers.values(of: sums.tallies) : metrics.values(of: sums.tallies))
    result.classes = encoding.labels.flatMap { ClassReport($0, sums, spans: spans) }
    return result
  }

  // MARK: Prediction

  package func predict(
    _ examples: [Int32], of split: ExampleSet, _ options: PredictionOptions, _ workspace: Workspace<Float>
  ) throws -> [Prediction] {
    try check(split)
    let input = inputSequences(
      examples, of: split.source ?? split.target, forms: split.forms, workspace.arena)
    let context = LayerContext(parameters: parameters, workspace: workspace)
    let prediction = model.predict(input, context)
    var first = 0
    return zip(examples, input.lengths).map { example, length in
      defer { first += length }
      let steps = first..<first + length
      var result = Prediction(lines: [Array(text(of: prediction, steps, input.tokenCount).utf8)])
      if options.keepsScores, case .classes(let ids) = prediction {
        result.scores = [logProbability(of: Array(ids[steps]), example, split, workspace)]
        result.logProbabilities = result.scores
      }
      return result
    }
  }

  /// log p(tags | line): the log-probability of the path for a CRF, the sum over the steps for a softmax.
  private func logProbability(
    of tags: [Int32], _ example: Int32, _ split: ExampleSet, _ workspace: Workspace<Float>
  ) -> Double {
    let arena = workspace.arena
    return arena.scoped {
      let targets = arena.buffer(max(1, tags.count), of: Int32.self)
      for (step, tag) in tags.enumerated() { targets[step] = tag }
      let batch = LabeledBatch(
        input: inputSequences([example], of: split.source, forms: split.forms, arena),
        targets: .classes(UnsafePointer(targets.baseAddress!)))
      let context = LayerContext(parameters: parameters, workspace: workspace)
      return -model.evaluate(batch, into: nil, context).total
    }
  }

  /// The outputs of some steps as one line of text: tags, active bits, or numbers.
  private func text(of prediction: TaggerPrediction<Float>, _ steps: Range<Int>, _ count: Int) -> String {
    func row(_ values: [Float], _ step: Int) -> ArraySlice<Float> {
      let width = values.count / max(1, count)
      return values[step * width..<(step + 1) * width]
    }
    return switch prediction {
    case .classes(let ids): steps.map { name(ids[$0]) }.joined(separator: " ")
    case .bits(let values): steps.map { keys(row(values, $0)) }.joined(separator: "|")
    case .numbers(let values):
      steps.map { step in inUnits(Array(row(values, step))).map { "\($0)" }.joined(separator: ",") }
        .joined(separator: " ")
    }
  }

  private func name(_ id: Int32) -> String { encoding.labels?.names[Int(id)] ?? "\(id)" }

  /// The bits with a probability above 0.5, in the format `multihot`.
  private func keys(_ probabilities: ArraySlice<Float>) -> String {
    probabilities.enumerated().filter { $0.element > 0.5 }.map { "\($0.offset)" }.joined(separator: " ")
  }
}
