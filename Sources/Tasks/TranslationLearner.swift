import Configuration
import Datasets
import Metrics
import NumericKernels
import Parameters
import RecurrentNN

/// The encoder-decoder (N-M) with its data: a sequence from one or two sequences.
package final class TranslationLearner: SequenceLearner {
  package let model: EncoderDecoder<Float>
  package let parameters: ParameterBuffer<Float>
  package let comparesTexts = true
  package let configuration: RunConfiguration
  package let encoding: DataEncoding
  package let target: SequenceVocabulary
  private let scorer: TextScorer
  /// Models that decide together with this one.
  package var partners: [TranslationLearner] = []
  package let ownWorkspace: Workspace<Float>
  /// Hypotheses to be written for every source, and whether to keep their attention.
  package var resultCount = 1
  package var keepsAttention = false
  /// Texts are drawn for the entries, instead of searched for.
  package var drawing: Drawing?

  package init(
    _ configuration: RunConfiguration, _ encoding: DataEncoding, sourceCount: Int,
    _ values: ParameterSource
  ) throws {
    self.configuration = configuration
    self.encoding = encoding
    ownWorkspace = Workspace(precision: configuration.training.precision)
    guard let target = encoding.target else {
      throw TrainingFailure.unfittingData("the data hold no sequences to write")
    }
    self.target = target
    scorer = TextScorer(target, bleuTokenizer: configuration.evaluation.bleuTokens)
    model = try EncoderDecoder(
      EncoderDecoderShape(configuration, encoding, sourceCount: sourceCount))
    parameters = try values.parameters(of: model.layout)
  }

  package var multipliedWeights: Int { model.multipliedWeights.target }

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

  package func loss(
    _ entries: [Int32], of split: ExampleSet, masks: SampleMasks?, teacherForcing: Double,
    into gradients: ParameterBuffer<Float>?, _ workspace: Workspace<Float>
  ) throws -> LossSum {
    guard let targets = split.target?.tokenSequences else { return LossSum() }
    guard partners.isEmpty || gradients != nil else { return jointLoss(entries, targets, split, workspace) }
    let (lengths, ids) = workspace.arena.ids(entries, of: targets)
    let batch = EncoderDecoderBatch<Float>(
      sources: sources(entries, split, workspace.arena),
      targets: RecurrentNN.TokenSequences(lengths: lengths, ids: UnsafePointer(ids.baseAddress!)),
      masks: masks)
    var options = DecoderOptions()
    options.teacherForcing = teacherForcing
    if gradients != nil {
      options.labelSmoothing = configuration.training.labelSmoothing
      options.coverageLoss =
        configuration.model.attention.coverage ? configuration.training.coverageWeight : 0
    }
    return model.evaluate(
      batch, options, into: gradients, LayerContext(parameters: parameters, workspace: workspace))
  }

  /// The loss of all models together, nats: -log of the mean of their probabilities, token by token.
  private func jointLoss(
    _ entries: [Int32], _ targets: RaggedTokens, _ split: ExampleSet,
    _ workspace: Workspace<Float>
  ) -> LossSum {
    let end = Int32(model.shape.decoder.endToken)
    let texts = entries.map { Array(targets[Int($0)]) + [end] }
    var loss = LossSum()
    follow(texts, members(entries, split, workspace), workspace.arena) { step, rows, logProbabilities in
      for (row, text) in rows.enumerated() {
        loss.total -= Double(logProbabilities[row, Int(texts[text][step])])
      }
      loss.tokens += rows.count
    }
    return loss
  }

  package func sources(
    _ entries: [Int32], _ split: ExampleSet, _ arena: Arena<Float>
  ) -> [InputSequences<Float>] {
    let isReversed = configuration.data.reverseSource
    return [(split.source, split.forms), (split.secondSource, split.secondForms)].compactMap { field, forms in
      field.map { inputSequences(entries, of: $0, forms: forms, reversed: isReversed, arena) }
    }
  }

  // MARK: Outputs

  /// The best hypotheses for some entries.
  private func search(
    _ entries: [Int32], _ split: ExampleSet, _ workspace: Workspace<Float>
  ) -> [[Hypothesis<Float>]] {
    let lengths = sources(entries, split, workspace.arena)[0].lengths
    let decoder = members(entries, split, workspace)
    let begins = Array(repeating: Int32(model.shape.decoder.beginToken), count: entries.count)
    let options = SearchOptions(
      configuration.decoding, target, count: resultCount,
      keepsAttention: keepsAttention && configuration.model.context == .attention)
    guard let drawing else {
      return beamSearch(decoder, startTokens: begins, sourceLengths: lengths, options)
    }
    let drawn = drawing.texts(
      decoder, startTokens: begins, count: resultCount, sourceLengths: lengths, options.constraints)
    return options.keepsAttention ? withAttention(drawn, entries, split, workspace) : drawn
  }

  /// Texts that were drawn with the attention that a search would have kept.
  private func withAttention(
    _ drawn: [[Hypothesis<Float>]], _ entries: [Int32], _ split: ExampleSet, _ workspace: Workspace<Float>
  ) -> [[Hypothesis<Float>]] {
    var drawn = drawn
    for place in 0..<resultCount {
      let weights = lookAgain(at: 0, while: drawn.map { $0[place].tokens }, entries, split, workspace)
      for index in drawn.indices { drawn[index][place].attention = weights[index] }
    }
    return drawn
  }

  /// The model, or the ensemble of it and its partners.
  private func members(
    _ entries: [Int32], _ split: ExampleSet, _ workspace: Workspace<Float>
  ) -> any StepwiseDecoder<Float> {
    let own = decoder(entries, split, workspace)
    return partners.isEmpty
      ? own : EnsembleDecoder([own] + partners.map { $0.decoderOfItsOwn(entries, split) })
  }

  private func decoder(
    _ entries: [Int32], _ split: ExampleSet, _ workspace: Workspace<Float>
  ) -> any StepwiseDecoder<Float> {
    model.decoder(
      for: sources(entries, split, workspace.arena),
      LayerContext(parameters: parameters, workspace: workspace))
  }

  /// The decoder of a partner in an ensemble, with packed weights and memory of its own.
  private func decoderOfItsOwn(_ entries: [Int32], _ split: ExampleSet) -> any StepwiseDecoder<Float> {
    ownWorkspace.arena.reset()
    return decoder(entries, split, ownWorkspace)
  }

  package func tally(
    _ groups: [ArraySlice<Int32>], of split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [Double] {
    let entries = groups.compactMap(\.first)
    let outputs = zip(search(entries, split, workspace), entries).map { hypotheses, entry in
      hypotheses.first.map { text($0, entry: entry, of: split) }
    }
    return scorer.sums(of: outputs, groups, in: split)
  }

  package func result(of sums: ScoreSums) -> EvaluationResult { scorer.result(of: sums) }

  package func predict(
    _ entries: [Int32], of split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> [Prediction] {
    let found = search(entries, split, workspace)
    let second =
      keepsAttention && split.secondSource != nil
      ? lookAgain(at: 1, while: found.map { $0.first?.tokens ?? [] }, entries, split, workspace) : []
    return entries.enumerated().map { index, entry in
      let hypotheses = found[index]
      var prediction = Prediction(
        lines: hypotheses.map { text($0, entry: entry, of: split) }, scores: hypotheses.map(\.score))
      if keepsAttention, let best = hypotheses.first, let weights = best.attention {
        prediction.attention = [picture(best, weights, entry, split.source, split.sourceTexts)]
        if let weights = second.isEmpty ? nil : second[index] {
          prediction.attention.append(
            picture(best, weights, entry, split.secondSource, split.secondSourceTexts))
        }
      }
      return prediction
    }
  }

  /// Lets a decoder write given texts, a token of each a step.
  ///
  /// - Parameter look: called with the step, the texts that still run, and for each a row of what the decoder said of its
  ///   next token.
  package func follow(
    _ texts: [[Int32]], _ decoder: any StepwiseDecoder<Float>, _ arena: Arena<Float>,
    _ look: (_ step: Int, _ rows: [Int], _ logits: MatrixView<Float>) -> Void
  ) {
    var rows = texts.indices.filter { !texts[$0].isEmpty }
    var parents = rows.map { Int32($0) }
    var step = 0
    while !rows.isEmpty {
      let tokens = rows.map { step == 0 ? Int32(model.shape.decoder.beginToken) : texts[$0][step - 1] }
      arena.scoped {
        let logits = arena.matrix(rows.count, decoder.vocabularySize)
        tokens.withUnsafeBufferPointer { tokens in
          parents.withUnsafeBufferPointer { decoder.advance(tokens: tokens, parents: $0, logits: logits) }
        }
        look(step, rows, logits)
      }
      step += 1
      parents = rows.indices.filter { texts[rows[$0]].count > step }.map { Int32($0) }
      rows = parents.map { rows[Int($0)] }
    }
  }

}
