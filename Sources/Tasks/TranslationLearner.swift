import Datasets
import Metrics
import NumericKernels
import Parameters
import RecurrentNN

extension TaskKind {
  /// A sequence from one or two sequences (N-M).
  public static let seq2seq = TaskKind(
    "seq2seq", "a sequence from a sequence", data: .paired, comparisons: [.texts],
    groups: [.source, .writing, .encoderDecoder])
}

/// The encoder-decoder (N-M) with its data: a sequence from one or two sequences.
package final class TranslationLearner: Learner {
  package typealias Data = ExampleSet
  package static let kind = TaskKind.seq2seq

  package let model: EncoderDecoder<Float>
  package let parameters: ParameterBuffer<Float>
  package let comparesTexts = true
  package let configuration: RunConfiguration
  package let encoding: DataEncoding
  package let target: Vocabulary
  private let scorer: TextScorer
  /// The other members of the ensemble that this model belongs to.
  private(set) var otherMembers: [TranslationLearner] = []
  let ownWorkspace: Workspace<Float>

  package init(
    _ configuration: RunConfiguration, _ encoding: DataEncoding, _ values: ParameterSource
  ) throws {
    self.configuration = configuration
    self.encoding = encoding
    ownWorkspace = Workspace(
      precision: configuration.training.precision, hasOneOrder: configuration.training.reproducible)
    guard let target = encoding.target else {
      throw TrainingFailure.unfittingData("the data hold no sequences to write")
    }
    self.target = target
    scorer = TextScorer(target, bleuTokenizer: configuration.evaluation.bleuTokens)
    model = try EncoderDecoder(
      EncoderDecoderShape(configuration, encoding, sourceCount: encoding.sourceCount))
    parameters = try values.parameters(of: model.layout)
  }

  package var shape: ModelShape? { .encoderDecoder(model.shape) }

  package var abilities: ModelAbilities {
    var abilities = ModelAbilities()
    (abilities.ranksOutputs, abilities.scoresOutputs, abilities.samplesOutputs) = (true, true, true)
    abilities.attends = configuration.model.context == .attention
    return abilities
  }

  package var allParameters: [ParameterBuffer<Float>] { [parameters] + otherMembers.map(\.parameters) }

  /// Adds another model to the ensemble. Both must read and write the same data: vocabularies, widths, number of
  /// sources.
  package func join(
    _ other: RunConfiguration, _ encoding: DataEncoding, _ parameters: ParameterSource, path: String
  ) throws {
    guard other.task == Self.kind else { throw TrainingFailure.notInEnsemble(path) }
    let member = try TranslationLearner(other, encoding, parameters)
    if let difference = difference(from: member) {
      throw TrainingFailure.unusableRun(path: path, problem: "has \(difference): it can't be joined")
    }
    otherMembers.append(member)
  }

  private func difference(from other: TranslationLearner) -> String? {
    let (mine, theirs) = (model.shape.sources.count, other.model.shape.sources.count)
    guard mine == theirs else { return "\(theirs) sources, not \(mine)" }
    if encoding.sourceWidth != other.encoding.sourceWidth { return "vectors of another width as source" }
    if encoding.sourceScale != other.encoding.sourceScale { return "numbers on another scale as source" }
    guard encoding.digest == other.encoding.digest else { return "other vocabularies" }
    // A hypothesis is shown with attention weights averaged over all members.
    return configuration.data.reverseSource == other.configuration.data.reverseSource
      ? nil : "another data.reverse_source"
  }

  package func check(_ split: ExampleSet) throws {
    try split.requireWidth(encoding.sourceWidth, of: .source)
    guard (split.secondSource == nil) == (model.shape.sources.count == 1) else {
      throw TrainingFailure.unfittingData(
        split.secondSource == nil
          ? "\(split.name): no second source, which the model reads; give source<TAB>second source"
          : "\(split.name): a second source, which the model does not read; remove it"
      )
    }
  }

  // MARK: Loss

  package func loss(of shard: ExampleBatches.Batch, _ context: LossContext) throws -> LossSum {
    let (examples, split, workspace) = (shard.examples, shard.set, context.workspace)
    guard let targets = split.target?.tokenSequences else { return LossSum() }
    guard otherMembers.isEmpty || context.gradients != nil else {
      return jointLoss(examples, targets, split, workspace)
    }
    let (lengths, ids) = workspace.arena.ids(examples, of: targets)
    let batch = EncoderDecoderBatch<Float>(
      sources: sources(examples, split, workspace.arena),
      targets: RecurrentNN.TokenSequences(lengths: lengths, ids: UnsafePointer(ids.baseAddress!)),
      masks: context.masks(shard.places))
    let training = configuration.training
    var options = DecoderOptions()
    options.teacherForcing = context.teacherForcing
    options.labelSmoothing = context.inTraining(training.labelSmoothing)
    options.coverageLoss = context.inTraining(
      configuration.model.attention.coverage ? training.coverageWeight : 0)
    return model.evaluate(batch, options, into: context.gradients, context.layers(parameters))
  }

  /// The loss of the ensemble in nats: -log of the mean of the members' probabilities, token by token.
  private func jointLoss(
    _ examples: [Int32], _ targets: RaggedTokens, _ split: ExampleSet,
    _ workspace: Workspace<Float>
  ) -> LossSum {
    let end = Int32(model.shape.decoder.endToken)
    let texts = examples.map { Array(targets[Int($0)]) + [end] }
    var loss = LossSum()
    forcedDecoding(members(examples, split, workspace), startTokens: startTokens(texts.count), texts: texts) {
      step, rows, logProbabilities in
      for (row, text) in rows.enumerated() {
        loss.total -= Double(logProbabilities[row, Int(texts[text][step])])
      }
      loss.tokens += rows.count
    }
    return loss
  }

  /// The token before the first token of every text.
  private func startTokens(_ count: Int) -> [Int32] {
    Array(repeating: Int32(model.shape.decoder.beginToken), count: count)
  }

  package func sources(
    _ examples: [Int32], _ split: ExampleSet, _ arena: Arena<Float>
  ) -> [InputSequences<Float>] {
    let isReversed = configuration.data.reverseSource
    return [(split.source, split.forms), (split.secondSource, split.secondForms)].compactMap { field, forms in
      field.map { inputSequences(examples, of: $0, forms: forms, reversed: isReversed, arena) }
    }
  }

  // MARK: Outputs

  /// Returns the best hypotheses for some examples, or sampled ones if the options ask for sampling.
  private func search(
    _ examples: [Int32], _ split: ExampleSet, _ options: PredictionOptions, _ workspace: Workspace<Float>
  ) -> [[Hypothesis<Float>]] {
    let lengths = sources(examples, split, workspace.arena)[0].lengths
    let decoder = members(examples, split, workspace)
    let begins = startTokens(examples.count)
    let search = configuration.decoding.search(
      beginToken: target.beginOfSentence, endToken: target.endOfSentence, count: options.count,
      keepsAttention: options.keepsAttention && abilities.attends)
    guard let sampling = options.sampling else {
      return beamSearch(decoder, startTokens: begins, sourceLengths: lengths, search)
    }
    let texts = sampling.texts(
      decoder, startTokens: begins, sourceLengths: lengths, options, search.constraints)
    return search.keepsAttention ? withAttention(texts, examples, split, workspace) : texts
  }

  /// Returns sampled texts together with the attention weights that a search would have kept.
  private func withAttention(
    _ texts: [[Hypothesis<Float>]], _ examples: [Int32], _ split: ExampleSet, _ workspace: Workspace<Float>
  ) -> [[Hypothesis<Float>]] {
    var drawn = texts
    for place in 0..<(texts.first?.count ?? 0) {
      let weights = lookAgain(at: 0, while: drawn.map { written($0[place]) }, examples, split, workspace)
      for index in drawn.indices { drawn[index][place].attention = weights[index] }
    }
    return drawn
  }

  /// All predicted tokens, including the end token if there is one.
  private func written(_ hypothesis: Hypothesis<Float>) -> [Int32] {
    hypothesis.tokens + (hypothesis.endedByItself ? [Int32(model.shape.decoder.endToken)] : [])
  }

  /// The model, or all members of its ensemble.
  private func members(
    _ examples: [Int32], _ split: ExampleSet, _ workspace: Workspace<Float>
  ) -> any StepwiseDecoder<Float> {
    let own = decoder(examples, split, workspace)
    return otherMembers.isEmpty
      ? own : EnsembleDecoder([own] + otherMembers.map { $0.decoderOfItsOwn(examples, split) })
  }

  private func decoder(
    _ examples: [Int32], _ split: ExampleSet, _ workspace: Workspace<Float>
  ) -> any StepwiseDecoder<Float> {
    model.decoder(
      for: sources(examples, split, workspace.arena),
      LayerContext(parameters: parameters, workspace: workspace))
  }

  /// The decoder of another member of an ensemble. It has its own packed weights and memory.
  private func decoderOfItsOwn(_ examples: [Int32], _ split: ExampleSet) -> any StepwiseDecoder<Float> {
    ownWorkspace.arena.reset()
    return decoder(examples, split, ownWorkspace)
  }

  package func tally(
    _ groups: [ArraySlice<Int32>], of split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> ScoreSums {
    let examples = groups.compactMap(\.first)
    let outputs = zip(search(examples, split, PredictionOptions(), workspace), examples).map {
      hypotheses, example in
      hypotheses.first.map { text($0, example: example, of: split) }
    }
    return scorer.sums(of: outputs, groups, in: split)
  }

  package func result(of sums: ScoreSums) -> EvaluationResult { scorer.result(of: sums) }

  package func predict(
    _ examples: [Int32], of split: ExampleSet, _ options: PredictionOptions, _ workspace: Workspace<Float>
  ) throws -> [Prediction] {
    try check(split)
    let found = search(examples, split, options, workspace)
    let second =
      options.keepsAttention && split.secondSource != nil
      ? lookAgain(at: 1, while: found.map { $0.first.map(written) ?? [] }, examples, split, workspace) : []
    return examples.enumerated().map { index, example in
      let hypotheses = found[index]
      var prediction = Prediction(hypotheses, target) { text($0, example: example, of: split) }
      if options.keepsAttention, let best = hypotheses.first, let weights = best.attention {
        prediction.attention = [picture(best, weights, example, split.source, split.sourceTexts)]
        if let weights = second.isEmpty ? nil : second[index] {
          prediction.attention.append(
            picture(best, weights, example, split.secondSource, split.secondSourceTexts))
        }
      }
      return prediction
    }
  }
}

extension TranslationLearner {
  package func scores(
    of examples: [Int32], in split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [TargetScore] {
    try check(split)
    return scorer.scores(
      of: examples, in: split, members(examples, split, workspace),
      begin: Int32(model.shape.decoder.beginToken))
  }
}

// MARK: - Attention

/// The attention weights of outputs.
extension TranslationLearner {
  /// A hypothesis as text. If requested, unknown words are replaced by the source words that they attend to.
  package func text(_ hypothesis: Hypothesis<Float>, example: Int32, of split: ExampleSet) -> [UInt8] {
    guard configuration.decoding.replaceUnknown, let unknown = target.unknown,
      hypothesis.tokens.contains(unknown), let line = split.sourceTexts?[Int(example)],
      let source = encoding.source?.units(of: line)
    else { return target.decode(hypothesis.tokens) }
    let ordered = configuration.data.reverseSource ? Array(source.reversed()) : source
    var replacements: [Int: [UInt8]] = [:]
    for (place, position) in (hypothesis.attendedPositions ?? []).enumerated()
    where hypothesis.tokens[place] == unknown {
      // A truncated line has more words than positions, never fewer.
      if let position, position < ordered.count { replacements[place] = ordered[position] }
    }
    return target.decode(hypothesis.tokens, replacing: replacements)
  }

  /// The attention to a source while each example's text was generated, [example][token][step], for searches that did not
  /// keep it. All members of the ensemble read the texts once more.
  package func lookAgain(
    at source: Int, while texts: [[Int32]], _ examples: [Int32], _ split: ExampleSet,
    _ workspace: Workspace<Float>
  ) -> [[[Float]]] {
    var sum: [[[Float]]] = []
    for (number, learner) in ([self] + otherMembers).enumerated() {
      if number > 0 { learner.ownWorkspace.arena.reset() }
      let own = learner.attention(
        of: texts, toSource: source, examples, split, number == 0 ? workspace : learner.ownWorkspace)
      sum = number == 0 ? own : zip(sum, own).map { zip($0, $1).map { zip($0, $1).map(+) } }
    }
    let share = 1 / Float(1 + otherMembers.count)
    return sum.map { $0.map { $0.map { $0 * share } } }
  }

  /// The weights over the steps of a source for every token of a given text, [example][token][step].
  private func attention(
    of texts: [[Int32]], toSource source: Int, _ examples: [Int32], _ split: ExampleSet,
    _ workspace: Workspace<Float>
  ) -> [[[Float]]] {
    let decoder = model.decoder(
      for: sources(examples, split, workspace.arena),
      LayerContext(parameters: parameters, workspace: workspace))
    var result: [[[Float]]] = texts.map { _ in [] }
    forcedDecoding(decoder, startTokens: startTokens(texts.count), texts: texts) { _, rows, _ in
      for (row, text) in rows.enumerated() {
        result[text].append(decoder.attention(ofRow: row, source: source).map { Array($0) } ?? [])
      }
    }
    return result
  }

  /// The weights of a hypothesis over a source, with the names of rows and columns.
  package func picture(
    _ best: Hypothesis<Float>, _ weights: [[Float]], _ example: Int32, _ source: ExampleField?,
    _ texts: TextLines?
  ) -> AttentionMatrix {
    var labels = sourceLabels(example, source, texts)
    if configuration.data.reverseSource { labels.reverse() }
    // One state of a pyramid covers several steps.
    let steps = 1 << configuration.model.pyramid
    let columns = weights.first?.count ?? (labels.count + steps - 1) / steps
    if columns < labels.count {
      let isNumbered = source?.vectorSequences != nil
      labels = (0..<columns).map {
        let own = labels[$0 * steps..<min(($0 + 1) * steps, labels.count)]
        guard isNumbered, own.count > 1, let first = own.first, let last = own.last else {
          return own.joined(separator: " ")
        }
        return "\(first)–\(last)"
      }
    }
    return AttentionMatrix(
      sourceLabels: labels, outputLabels: written(best).map { target[$0] },
      weights: weights.map { row in row.prefix(labels.count).map { Double($0) } })
  }

  /// Labels for the steps of the source: the symbols in the file, or the step indices if the source consists of vectors.
  private func sourceLabels(_ example: Int32, _ source: ExampleField?, _ texts: TextLines?) -> [String] {
    if let vocabulary = encoding.source, let texts,
      let units = vocabulary.units(of: texts[Int(example)])
    {
      return units.map { String(decoding: $0, as: UTF8.self) }
    }
    if let vocabulary = encoding.source, let tokens = source?.tokenSequences {
      return tokens[Int(example)].map { vocabulary[$0] }
    }
    return (0..<(source?.length(Int(example)) ?? 0)).map { "\($0)" }
  }
}
