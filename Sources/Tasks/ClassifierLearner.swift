import Datasets
import NumericKernels
import Parameters
import RecurrentNN

extension TaskKind {
  /// A class or numbers for a whole sequence (N-1).
  public static let classifier = TaskKind(
    "classifier", "a class", data: .labeled, outputs: [.softmax, .linear, .quantile], comparisons: [.labels],
    groups: [.source, .pooling], lossUnit: "example")
}

/// The classifier (N-1) with its data: a class or numbers for a whole sequence.
package final class ClassifierLearner: LabelLearner {
  package static let kind = TaskKind.classifier

  package let model: SequenceClassifier<Float>
  package let parameters: ParameterBuffer<Float>
  private let configuration: RunConfiguration
  private let encoding: DataEncoding
  package let outputs: LabelOutputs

  package init(
    _ configuration: RunConfiguration, _ encoding: DataEncoding, _ values: ParameterSource
  ) throws {
    (self.configuration, self.encoding) = (configuration, encoding)
    outputs = try LabelOutputs(configuration, encoding)
    model = try SequenceClassifier(SequenceClassifierShape(configuration, encoding, outputs.output))
    parameters = try values.parameters(of: model.layout)
  }

  package var shape: ModelShape? { .classifier(model.shape) }

  package func check(_ split: ExampleSet) throws {
    try split.requireWidth(encoding.sourceWidth, of: .source)
    try split.requireWidth(encoding.targetWidth, of: .target)
  }

  package func loss(of shard: ExampleBatches.Batch, _ context: LossContext) throws -> LossSum {
    let (examples, split, arena) = (shard.examples, shard.set, context.workspace.arena)
    guard let targets = outputs.targets(of: examples, in: split, arena) else { return LossSum() }
    let batch = LabeledBatch(
      input: inputSequences(examples, of: split.source, forms: split.forms, arena), targets: targets,
      masks: context.masks(shard.places))
    let smoothing = context.inTraining(configuration.training.labelSmoothing)
    return model.evaluate(
      batch, labelSmoothing: smoothing, into: context.gradients, context.layers(parameters))
  }

  package func output(
    _ examples: [Int32], _ split: ExampleSet, _ workspace: Workspace<Float>
  ) -> ClassifierPrediction<Float>.Output {
    model.predict(
      inputSequences(examples, of: split.source, forms: split.forms, workspace.arena),
      LayerContext(parameters: parameters, workspace: workspace)
    ).output
  }
}
