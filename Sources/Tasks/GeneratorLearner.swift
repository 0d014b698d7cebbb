import Configuration
import Datasets
import NumericKernels
import Parameters
import RecurrentNN

/// The generator (1-N) with its data: a sequence from a class, from a vector, or from nothing.
package final class GeneratorLearner: SequenceLearner {
  package let model: Generator<Float>
  package let parameters: ParameterBuffer<Float>
  /// Texts for a vector, such as captions of a picture, can be compared with others for the same vector. A class has too
  /// many right texts.
  package var comparesTexts: Bool { if case .features = model.shape.condition { true } else { false } }
  /// Texts to be written for every entry.
  package var resultCount = 1
  /// Texts are drawn for the entries, instead of searched for.
  package var drawing: Drawing?
  private let configuration: RunConfiguration
  private let encoding: DataEncoding
  private let target: SequenceVocabulary
  private let scorer: TextScorer

  package init(
    _ configuration: RunConfiguration, _ encoding: DataEncoding, _ values: ParameterSource
  ) throws {
    self.configuration = configuration
    self.encoding = encoding
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

  package var multipliedWeights: Int { model.multipliedWeights }

  package func check(_ split: ExampleSet) throws {
    try split.requireWidth(encoding.sourceWidth, of: .source)
  }

  package func loss(
    _ entries: [Int32], of split: ExampleSet, masks: SampleMasks?, teacherForcing: Double,
    into gradients: ParameterBuffer<Float>?, _ workspace: Workspace<Float>
  ) throws -> LossSum {
    guard let targets = split.target?.tokenSequences else { return LossSum() }
    let (lengths, ids) = workspace.arena.ids(entries, of: targets)
    let batch = GeneratorBatch<Float>(
      conditions: conditions(entries, split, workspace.arena),
      targets: RecurrentNN.TokenSequences(lengths: lengths, ids: UnsafePointer(ids.baseAddress!)),
      masks: masks)
    var options = DecoderOptions()
    options.teacherForcing = teacherForcing
    if gradients != nil { options.labelSmoothing = configuration.training.labelSmoothing }
    return model.evaluate(
      batch, options, into: gradients, LayerContext(parameters: parameters, workspace: workspace))
  }

  package func conditions(
    _ entries: [Int32], _ split: ExampleSet, _ arena: Arena<Float>
  ) -> GeneratorConditions<Float> {
    switch (model.shape.condition, split.source) {
    case (.classes, .labels(let labels)):
      let ids = arena.words(max(1, entries.count), of: Int32.self)
      for (index, entry) in entries.enumerated() { ids[index] = labels[Int(entry)] }
      return .classes(UnsafePointer(ids.baseAddress!))
    case (.features, .vectors(let vectors)):
      return .features(UnsafePointer(arena.vectors(entries, of: vectors).values.base))
    default:
      return .none
    }
  }

  package func tally(
    _ groups: [ArraySlice<Int32>], of split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [Double] {
    guard comparesTexts else { return [] }
    let found = search(groups.compactMap(\.first), split, workspace, count: 1)
    return scorer.sums(of: found.map { $0.first.map { target.decode($0.tokens) } }, groups, in: split)
  }

  package func result(of sums: ScoreSums) -> EvaluationResult { scorer.result(of: sums) }

  // MARK: Writing

  /// The most probable texts for each entry, or those that are drawn for it.
  package func predict(
    _ entries: [Int32], of split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [Prediction] {
    search(entries, split, workspace, count: resultCount).map { hypotheses in
      Prediction(lines: hypotheses.map { target.decode($0.tokens) }, scores: hypotheses.map(\.score))
    }
  }

  private func search(
    _ entries: [Int32], _ split: ExampleSet, _ workspace: Workspace<Float>, count: Int
  ) -> [[Hypothesis<Float>]] {
    let decoder = decoder(conditions(entries, split, workspace.arena), count: entries.count, workspace)
    let begins = Array(repeating: Int32(model.shape.decoder.beginToken), count: entries.count)
    let options = SearchOptions(configuration.decoding, target, count: count)
    return drawing?.texts(
      decoder, startTokens: begins, count: count, options.constraints, without: target.unknown)
      ?? beamSearch(decoder, startTokens: begins, options)
  }

  package func decoder(
    _ conditions: GeneratorConditions<Float>, count: Int, _ workspace: Workspace<Float>
  ) -> any StepwiseDecoder<Float> {
    model.decoder(
      for: conditions, count: count, LayerContext(parameters: parameters, workspace: workspace))
  }
}
