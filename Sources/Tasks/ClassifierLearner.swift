import Configuration
import Datasets
import Metrics
import NumericKernels
import Parameters
import RecurrentNN

/// The classifier (N-1) with its data: a class or numbers for a whole sequence.
package final class ClassifierLearner: SequenceLearner {
  package let model: SequenceClassifier<Float>
  package let parameters: ParameterBuffer<Float>
  package let comparesTexts = false
  /// Classes to be named for every entry, the most probable first.
  package var resultCount = 1
  private let configuration: RunConfiguration
  private let encoding: DataEncoding
  private let metrics = MetricGroup.labels(markSpans: false)

  /// - Parameter steps: the number of steps that `pooling: all` is made for.
  package init(
    _ configuration: RunConfiguration, _ encoding: DataEncoding, steps: Int?, _ values: ParameterSource
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
        network: network, pooling: try Self.pooling(configuration.model, steps), output: output))
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

  package var multipliedWeights: Int { model.multipliedWeights }

  package func check(_ split: ExampleSet) throws {
    try split.requireWidth(encoding.sourceWidth, of: .source)
    try split.requireWidth(encoding.targetWidth, of: .target)
  }

  package func loss(
    _ entries: [Int32], of split: ExampleSet, masks: SampleMasks?, teacherForcing: Double,
    into gradients: ParameterBuffer<Float>?, _ workspace: Workspace<Float>
  ) throws -> LossSum {
    let arena = workspace.arena
    let targets: OutputTargets<Float>
    switch split.target {
    case .labels(let labels):
      let chosen = arena.words(entries.count, of: Int32.self)
      for (index, entry) in entries.enumerated() { chosen[index] = labels[Int(entry)] }
      targets = .classes(UnsafePointer(chosen.baseAddress!))
    case .vectors(let numbers):
      targets = .numbers(arena.vectors(entries, of: numbers).values.base, width: numbers.width)
    case .tokens, .none:
      return LossSum()
    }
    let input = inputSequences(entries, of: split.source, forms: split.forms, arena)
    let smoothing = gradients == nil ? 0 : configuration.training.labelSmoothing
    return model.evaluate(
      LabeledBatch(input: input, targets: targets, masks: masks), LossOptions(labelSmoothing: smoothing),
      into: gradients, LayerContext(parameters: parameters, workspace: workspace))
  }

  package func tally(
    _ groups: [ArraySlice<Int32>], of split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [Double] {
    let entries = groups.compactMap(\.first)
    guard let labels = split.target?.classLabels,
      case .classes(let predicted, _) = output(entries, split, workspace).output
    else { return [] }
    return metrics.sums(
      of: [LabelExample(predicted: predicted, reference: entries.map { labels[Int($0)] })])
  }

  package func result(of sums: ScoreSums) -> EvaluationResult {
    EvaluationResult(
      loss: sums.loss, examples: sums.examples, hasPerplexity: configuration.model.output.hasPerplexity,
      numberWidth: configuration.model.output == .linear ? encoding.targetWidth ?? 1 : nil,
      compared: sums.tallies.isEmpty ? [] : metrics.values(of: sums.tallies))
  }

  private func output(
    _ entries: [Int32], _ split: ExampleSet, _ workspace: Workspace<Float>
  ) -> ClassifierPrediction<Float> {
    model.predict(
      inputSequences(entries, of: split.source, forms: split.forms, workspace.arena),
      LayerContext(parameters: parameters, workspace: workspace))
  }

  package func predict(
    _ entries: [Int32], of split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [Prediction] {
    try check(split)
    switch output(entries, split, workspace).output {
    case .classes(let ids, let probabilities):
      let classes = probabilities.count / max(1, ids.count)
      return ids.indices.map { ranked(Array(probabilities[$0 * classes..<($0 + 1) * classes])) }
    case .numbers(let values):
      let width = values.count / max(1, entries.count)
      return entries.indices.map { index in
        let own = values[index * width..<(index + 1) * width]
        return Prediction(lines: [Array(own.map { "\($0)" }.joined(separator: ",").utf8)])
      }
    }
  }

  /// The most probable classes of an entry with their probabilities; of equal ones the first.
  private func ranked(_ probabilities: [Float]) -> Prediction {
    let order = probabilities.indices.sorted { (probabilities[$0], $1) > (probabilities[$1], $0) }
      .prefix(resultCount)
    return Prediction(
      lines: order.map { Array((encoding.labels?.names[$0] ?? "\($0)").utf8) },
      scores: order.map { Double(probabilities[$0]) })
  }
}
