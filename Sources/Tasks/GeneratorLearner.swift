import Datasets
import NumericKernels
import Parameters
import RecurrentNN

extension TaskKind {
  /// A sequence from a class or a vector (1-N).
  public static let generator = TaskKind(
    "generator", "a sequence from a class or vector", data: .generated, comparisons: [.texts],
    groups: [.writing, .condition])
}

/// The generator (1-N) with its data: a sequence from a class, from a vector, or from nothing.
package final class GeneratorLearner: Learner {
  package typealias Data = ExampleSet
  package static let kind = TaskKind.generator

  package let model: Generator<Float>
  package let parameters: ParameterBuffer<Float>
  /// Texts for a vector, such as captions of a picture, can be compared with other texts for the same vector. A class
  /// has too many correct texts.
  package var comparesTexts: Bool { if case .features = model.shape.condition { true } else { false } }
  private let configuration: RunConfiguration
  private let encoding: DataEncoding
  private let target: Vocabulary
  private let scorer: TextScorer

  package init(
    _ configuration: RunConfiguration, _ encoding: DataEncoding, _ values: ParameterSource
  ) throws {
    (self.configuration, self.encoding) = (configuration, encoding)
    let decoder = try DecoderShape(configuration, encoding)
    guard let target = encoding.target else {
      throw TrainingFailure.unfittingData("the data hold no sequences to write")
    }
    self.target = target
    scorer = TextScorer(target, bleuTokenizer: configuration.evaluation.bleuTokens)
    model = try Generator(
      GeneratorShape(
        condition: Self.condition(configuration, encoding), form: configuration.model.condition,
        decoder: decoder,
        tieOutput: configuration.model.tieEmbeddings,
        uniformInitialization: configuration.model.initUniform))
    parameters = try values.parameters(of: model.layout)
  }

  private static func condition(
    _ configuration: RunConfiguration, _ encoding: DataEncoding
  ) -> GeneratorCondition {
    guard configuration.model.condition != .none else { return .none }
    if let labels = encoding.labels {
      return .classes(count: labels.count, size: configuration.model.embeddingSize)
    }
    return encoding.sourceWidth.map { .features(size: $0) } ?? .none
  }

  package var shape: ModelShape? { .generator(model.shape) }

  package var abilities: ModelAbilities {
    var abilities = ModelAbilities()
    (abilities.ranksOutputs, abilities.scoresOutputs, abilities.samplesOutputs) = (true, true, true)
    abilities.writesAfter = model.shape.condition == .none ? .nothing : .condition
    return abilities
  }

  package func check(_ split: ExampleSet) throws {
    try split.requireWidth(encoding.sourceWidth, of: .source)
  }

  package func loss(of shard: ExampleBatches.Batch, _ context: LossContext) throws -> LossSum {
    guard let targets = shard.set.target?.tokenSequences else { return LossSum() }
    let arena = context.workspace.arena
    let (lengths, ids) = arena.ids(shard.examples, of: targets)
    let batch = GeneratorBatch<Float>(
      conditions: conditions(shard.examples, shard.set, arena),
      targets: RecurrentNN.TokenSequences(lengths: lengths, ids: UnsafePointer(ids.baseAddress!)),
      masks: context.masks(shard.places))
    var options = DecoderOptions()
    options.teacherForcing = context.teacherForcing
    options.labelSmoothing = context.inTraining(configuration.training.labelSmoothing)
    return model.evaluate(batch, options, into: context.gradients, context.layers(parameters))
  }

  private func conditions(
    _ examples: [Int32], _ split: ExampleSet, _ arena: Arena<Float>
  ) -> GeneratorConditions<Float> {
    switch (model.shape.condition, split.source) {
    case (.classes, .labels(let labels)):
      let ids = arena.buffer(max(1, examples.count), of: Int32.self)
      for (index, example) in examples.enumerated() { ids[index] = labels[Int(example)] }
      return .classes(UnsafePointer(ids.baseAddress!))
    case (.features, .vectors(let vectors)):
      return .features(UnsafePointer(arena.vectors(examples, of: vectors).values.base))
    default:
      return .none
    }
  }

  package func tally(
    _ groups: [ArraySlice<Int32>], of split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> ScoreSums {
    guard comparesTexts else { return ScoreSums() }
    let found = search(groups.compactMap(\.first), split, PredictionOptions(), workspace)
    return scorer.sums(of: found.map { $0.first.map { target.decode($0.tokens) } }, groups, in: split)
  }

  package func result(of sums: ScoreSums) -> EvaluationResult { scorer.result(of: sums) }

  // MARK: Writing

  /// Returns the most probable texts for each example, or sampled ones if the options ask for sampling.
  package func predict(
    _ examples: [Int32], of split: ExampleSet, _ options: PredictionOptions, _ workspace: Workspace<Float>
  ) throws -> [Prediction] {
    try check(split)
    return search(examples, split, options, workspace).map { hypotheses in
      Prediction(hypotheses, target) { target.decode($0.tokens) }
    }
  }

  package func scores(
    of examples: [Int32], in split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [TargetScore] {
    try check(split)
    let decoder = decoder(conditions(examples, split, workspace.arena), count: examples.count, workspace)
    return scorer.scores(of: examples, in: split, decoder, begin: Int32(model.shape.decoder.beginToken))
  }

  private func search(
    _ examples: [Int32], _ split: ExampleSet, _ options: PredictionOptions, _ workspace: Workspace<Float>
  ) -> [[Hypothesis<Float>]] {
    let decoder = decoder(conditions(examples, split, workspace.arena), count: examples.count, workspace)
    let begins = Array(repeating: Int32(model.shape.decoder.beginToken), count: examples.count)
    let search = searchOptions(count: options.count)
    return options.sampling?.texts(decoder, startTokens: begins, options, withoutUnknown(search.constraints))
      ?? beamSearch(decoder, startTokens: begins, search)
  }

  private func searchOptions(count: Int) -> SearchOptions {
    configuration.decoding.search(
      beginToken: target.beginOfSentence, endToken: target.endOfSentence, count: count)
  }

  /// The token for unknown words is never sampled.
  private func withoutUnknown(_ constraints: TokenConstraints) -> TokenConstraints {
    var constraints = constraints
    constraints.excludedTokens += target.unknown.map { [$0] } ?? []
    return constraints
  }

  package func writer(of beginning: TextBeginning, _ workspace: Workspace<Float>) throws -> TextWriter {
    guard (beginning.condition != nil) == (model.shape.condition != .none) else {
      throw TrainingFailure.unfittingData(
        beginning.condition == nil
          ? "this generator needs a class (--class) or a vector (--features)"
          : "this generator was trained without a condition")
    }
    var constraints = withoutUnknown(searchOptions(count: 1).constraints)
    if let maximum = beginning.maximumLength {
      constraints.length.maximum = maximum
      constraints.length.minimum = min(constraints.length.minimum, maximum)
    }
    let given = try beginning.condition.map { set in
      try check(set)
      return conditions([0], set, workspace.arena)
    }
    return TextWriter(
      decoder: decoder(given ?? .none, count: 1, workspace),
      startToken: Int32(model.shape.decoder.beginToken), constraints: constraints)
  }

  private func decoder(
    _ conditions: GeneratorConditions<Float>, count: Int, _ workspace: Workspace<Float>
  ) -> any StepwiseDecoder<Float> {
    model.decoder(
      for: conditions, count: count, LayerContext(parameters: parameters, workspace: workspace))
  }
}
