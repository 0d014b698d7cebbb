import Datasets
import Metrics
import NumericKernels
import Parameters
import RecurrentNN

extension TaskKind {
  /// A class or numbers for a whole sequence (N-1).
  public static let classifier = TaskKind(
    "classifier", "a class", data: .labeled, outputs: [.softmax, .linear], comparisons: [.labels],
    groups: [.source, .pooling], lossUnit: "example")
}

/// The classifier (N-1) with its data: a class or numbers for a whole sequence.
package final class ClassifierLearner: Learner {
  package typealias Data = ExampleSet
  package static let kind = TaskKind.classifier

  package let model: SequenceClassifier<Float>
  package let parameters: ParameterBuffer<Float>
  private let configuration: RunConfiguration
  private let encoding: DataEncoding
  private let metrics = MetricGroup.labels(markSpans: false)

  package init(
    _ configuration: RunConfiguration, _ encoding: DataEncoding, _ values: ParameterSource
  ) throws {
    self.configuration = configuration
    self.encoding = encoding
    let output: OutputShape
    if configuration.model.output == .linear {
      output = .linear(size: encoding.targetWidth ?? 1)
    } else if let labels = encoding.labels {
      output = .softmax(classes: labels.count)
    } else {
      throw TrainingFailure.unfittingData("the data hold no classes: model.output must be linear for numbers")
    }
    let network = try configuration.network(encoding)
    model = try SequenceClassifier(
      SequenceClassifierShape(
        network: network, pooling: try Self.pooling(configuration.model, encoding.sourceSteps),
        output: output))
    parameters = try values.parameters(of: model.layout)
  }

  private static func pooling(_ model: ModelOptions, _ steps: Int?) throws -> Pooling {
    switch model.pooling {
    case .last, .mean, .max: return Pooling(model.pooling)
    case .attention: return .attention(size: model.attention.size ?? model.network.hiddenSize)
    case .all:
      guard let steps else { throw TrainingFailure.unfittingData("pooling all needs data of one length") }
      return .all(steps: steps)
    }
  }

  package var abilities: ModelAbilities {
    var abilities = ModelAbilities()
    abilities.ranksOutputs = configuration.model.output == .softmax
    abilities.scoresOutputs = configuration.model.output.hasPerplexity
    return abilities
  }

  package func check(_ split: ExampleSet) throws {
    try split.requireWidth(encoding.sourceWidth, of: .source)
    try split.requireWidth(encoding.targetWidth, of: .target)
  }

  package func loss(of shard: ExampleBatches.Batch, _ context: LossContext) throws -> LossSum {
    let (examples, split, arena) = (shard.examples, shard.set, context.workspace.arena)
    let targets: OutputTargets<Float>
    switch split.target {
    case .labels(let labels):
      let chosen = arena.words(examples.count, of: Int32.self)
      for (index, example) in examples.enumerated() { chosen[index] = labels[Int(example)] }
      targets = .classes(UnsafePointer(chosen.baseAddress!))
    case .vectors(let numbers):
      targets = .numbers(arena.vectors(examples, of: numbers).values.base, width: numbers.width)
    case .tokens, .none:
      return LossSum()
    }
    let input = inputSequences(examples, of: split.source, forms: split.forms, arena)
    let batch = LabeledBatch(input: input, targets: targets, masks: context.masks(shard.places))
    let smoothing = context.inTraining(configuration.training.labelSmoothing)
    return model.evaluate(
      batch, labelSmoothing: smoothing, into: context.gradients, context.layers(parameters))
  }

  package func tally(
    _ groups: [ArraySlice<Int32>], of split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [Double] {
    let examples = groups.compactMap(\.first)
    guard let labels = split.target?.classLabels,
      case .classes(let predicted, _) = output(examples, split, workspace).output
    else { return [] }
    return metrics.sums(
      of: [LabelExample(predicted: predicted, reference: examples.map { labels[Int($0)] })])
  }

  package func result(of sums: ScoreSums) -> EvaluationResult {
    EvaluationResult(
      loss: sums.loss, examples: sums.examples, hasPerplexity: configuration.model.output.hasPerplexity,
      numberWidth: configuration.model.output == .linear ? encoding.targetWidth ?? 1 : nil,
      compared: sums.tallies.isEmpty ? [] : metrics.values(of: sums.tallies))
  }

  private func output(
    _ examples: [Int32], _ split: ExampleSet, _ workspace: Workspace<Float>
  ) -> ClassifierPrediction<Float> {
    model.predict(
      inputSequences(examples, of: split.source, forms: split.forms, workspace.arena),
      LayerContext(parameters: parameters, workspace: workspace))
  }

  package func predict(
    _ examples: [Int32], of split: ExampleSet, _ options: PredictionOptions, _ workspace: Workspace<Float>
  ) throws -> [Prediction] {
    try check(split)
    switch output(examples, split, workspace).output {
    case .classes(let ids, let probabilities):
      let classes = probabilities.count / max(1, ids.count)
      return ids.indices.map {
        ranked(Array(probabilities[$0 * classes..<($0 + 1) * classes]), options.count)
      }
    case .numbers(let values):
      let width = values.count / max(1, examples.count)
      return examples.indices.map { index in
        let own = values[index * width..<(index + 1) * width]
        return Prediction(lines: [Array(own.map { "\($0)" }.joined(separator: ",").utf8)])
      }
    }
  }

  /// The most probable classes of an example with their probabilities. Of equal ones the first comes first.
  private func ranked(_ probabilities: [Float], _ count: Int) -> Prediction {
    let order = probabilities.indices.sorted { (probabilities[$0], $1) > (probabilities[$1], $0) }
      .prefix(count)
    return Prediction(
      lines: order.map { Array((encoding.labels?.names[$0] ?? "\($0)").utf8) },
      scores: order.map { Double(probabilities[$0]) })
  }
}
