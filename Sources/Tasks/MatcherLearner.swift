import Datasets
import NumericKernels
import Parameters
import RecurrentNN

extension TaskKind {
  /// A class or numbers for two sequences that are read by the same network.
  public static let matcher = TaskKind(
    "matcher", "a class for two sequences", data: .matched, outputs: [.softmax, .linear],
    comparisons: [.labels], groups: [.source, .pooling], lossUnit: "pair")
}

/// The matcher with its data: a class or numbers for two texts, such as whether one follows from the other, or how similar
/// they are.
package final class MatcherLearner: LabelLearner {
  package static let kind = TaskKind.matcher

  package let model: SequenceMatcher<Float>
  package let parameters: ParameterBuffer<Float>
  private let configuration: RunConfiguration
  private let encoding: DataEncoding
  package let outputs: LabelOutputs

  package init(
    _ configuration: RunConfiguration, _ encoding: DataEncoding, _ values: ParameterSource
  ) throws {
    (self.configuration, self.encoding) = (configuration, encoding)
    outputs = try LabelOutputs(configuration, encoding)
    model = try SequenceMatcher(SequenceMatcherShape(configuration, encoding, outputs.output))
    parameters = try values.parameters(of: model.layout)
  }

  package var shape: ModelShape? { .matcher(model.shape) }

  package func check(_ split: ExampleSet) throws {
    try split.requireWidth(encoding.targetWidth, of: .target)
    guard split.secondSource == nil, split.count > 0 else { return }
    throw TrainingFailure.unfittingData(
      "\(split.name): 1 text, expected 2; write first<TAB>second")
  }

  /// Both texts of some examples.
  private func texts(
    _ examples: [Int32], _ split: ExampleSet, _ arena: Arena<Float>
  ) -> (first: InputSequences<Float>, second: InputSequences<Float>) {
    (
      inputSequences(examples, of: split.source, forms: split.forms, arena),
      inputSequences(examples, of: split.secondSource, forms: split.secondForms, arena)
    )
  }

  package func loss(of shard: ExampleBatches.Batch, _ context: LossContext) throws -> LossSum {
    let arena = context.workspace.arena
    guard let targets = outputs.targets(of: shard.examples, in: shard.set, arena) else { return LossSum() }
    let (first, second) = texts(shard.examples, shard.set, arena)
    let smoothing = context.inTraining(configuration.training.labelSmoothing)
    return model.evaluate(
      PairedBatch(first, second, targets: targets, masks: context.masks(shard.places)),
      labelSmoothing: smoothing, into: context.gradients, context.layers(parameters))
  }

  package func output(
    _ examples: [Int32], _ split: ExampleSet, _ workspace: Workspace<Float>
  ) -> ClassifierPrediction<Float>.Output {
    let (first, second) = texts(examples, split, workspace.arena)
    return model.predict(first, second, LayerContext(parameters: parameters, workspace: workspace))
  }
}
