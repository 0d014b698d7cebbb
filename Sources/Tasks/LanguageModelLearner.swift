import Datasets
import NumericKernels
import Parameters
import RecurrentNN

extension TaskKind {
  /// The next token of a text (N-N).
  public static let languageModel = TaskKind("language-model", "the next token", data: .stream)
}

/// The language model with its data: the next token of a stream, whose state is carried from batch to batch.
package final class LanguageModelLearner: Learner {
  package typealias Data = TokenStream
  package static let kind = TaskKind.languageModel

  package let model: LanguageModel<Float>
  package let parameters: ParameterBuffer<Float>
  package let vocabulary: Vocabulary
  private let configuration: RunConfiguration

  package init(
    _ configuration: RunConfiguration, _ encoding: DataEncoding, _ values: ParameterSource
  ) throws {
    guard let vocabulary = encoding.stream else {
      throw TrainingFailure.unfittingData("the data hold no text to learn from")
    }
    (self.configuration, self.vocabulary) = (configuration, vocabulary)
    let shape = LanguageModelShape(configuration.model, vocabularySize: vocabulary.count)
    try shape.requireFittingCutoffs()
    model = try LanguageModel(shape)
    parameters = try values.parameters(of: model.layout, carrying: model.stateParts.reduce(0, +))
  }

  package var stateParts: [Int] { model.stateParts }

  package var shape: ModelShape? { .languageModel(model.shape) }

  package var abilities: ModelAbilities {
    var abilities = ModelAbilities()
    abilities.writesAfter = .prompt
    return abilities
  }

  // MARK: Loss

  package func loss(of streams: StreamBatches.Batch, _ context: LossContext) throws -> LossSum {
    let arena = context.workspace.arena
    let layout = PackedLayout(lengths: streams.lengths)
    let tokens = arena.buffer(max(1, layout.rowCount), of: Int32.self)
    let targets = arena.buffer(max(1, layout.rowCount), of: Int32.self)
    streams.fill(inputs: tokens, targets: targets)
    let batch = LanguageModelBatch<Float>(
      layout: layout, tokens: UnsafePointer(tokens.baseAddress!), targets: UnsafePointer(targets.baseAddress!)
    )
    let training = configuration.training
    return model.evaluate(
      batch, state: context.state, labelSmoothing: context.inTraining(training.labelSmoothing),
      segment: context.gradients != nil && training.recompute > 0 ? training.recompute : nil,
      into: context.gradients, context.layers(parameters, dropout: masks(layout, streams, context)))
  }

  /// Coordinates of the dropout masks: global stream, step within the batch, and the number of the batch in the run.
  private func masks(
    _ layout: PackedLayout, _ batch: StreamBatches.Batch, _ context: LossContext
  ) -> DropoutContext? {
    guard let random = context.random, model.shape.isRandom else { return nil }
    return DropoutContext(
      seed: random.seed, step: random.step,
      rows: layout.coordinates(context.workspace.arena) { UInt32(batch.streams.lowerBound + $0) })
  }

  package func result(of sums: ScoreSums) -> EvaluationResult {
    EvaluationResult(loss: sums.loss, examples: sums.examples)
  }

  /// The token that precedes the first token of a text: the model starts as if a line had just ended.
  private var lineEnd: Int32 { vocabulary.endOfSentence ?? vocabulary.id(of: "\n") ?? 0 }

  package func scores(ofTexts texts: [[Int32]], _ workspace: Workspace<Float>) throws -> [TargetScore] {
    let decoder = LanguageModelDecoder(
      model, streams: texts.count, LayerContext(parameters: parameters, workspace: workspace))
    let begins = [Int32](repeating: lineEnd, count: texts.count)
    return zip(texts, forcedLogProbabilities(decoder, startTokens: begins, targets: texts, endToken: nil)).map
    {
      TargetScore(ScoredToken.list($0, $1, vocabulary))
    }
  }

  // MARK: Writing

  /// Continues a prompt. Without a prompt, the model starts as if a line had just ended.
  package func writer(of beginning: TextBeginning, _ workspace: Workspace<Float>) throws -> TextWriter {
    // All texts start with the same prompt, so it is read only once.
    let decoder = LanguageModelDecoder(model, LayerContext(parameters: parameters, workspace: workspace))
    decoder.read([beginning.prompt.dropLast()])
    let length = LengthBounds(maximum: beginning.maximumLength ?? configuration.decoding.maxLength)
    return TextWriter(
      decoder: decoder, startToken: beginning.prompt.last ?? lineEnd,
      constraints: TokenConstraints(
        endToken: nil, length: length, excludedTokens: vocabulary.unknown.map { [$0] } ?? []))
  }
}

extension LanguageModelShape {
  /// Throws ``TrainingFailure`` if a cluster of rare tokens starts beyond the end of the vocabulary.
  package func requireFittingCutoffs() throws {
    let cutoffs = options.adaptiveCutoffs
    guard cutoffs.isEmpty || AdaptiveSoftmaxOutput<Float>.areCutoffs(cutoffs, of: vocabularySize) else {
      throw TrainingFailure.unfittingData(
        "model.adaptive_cutoffs \(cutoffs) must all be below the size of the vocabulary, \(vocabularySize)")
    }
  }
}
