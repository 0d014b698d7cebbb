import Configuration
import Datasets
import Metrics
import NumericKernels
import Parameters
import RecurrentNN

/// The encoder-decoder (N-M) with its data: a sequence from one or two sequences.
final class TranslationLearner: SequenceLearner {
  let model: EncoderDecoder<Float>
  let parameters: ParameterBuffer<Float>
  let judgesGroups = true
  private let configuration: RunConfiguration
  private let encoding: SequenceEncoding
  private let target: SequenceVocabulary
  private let judge: OutputJudge
  /// Models that decide together with this one.
  var partners: [TranslationLearner] = []
  private let ownWorkspace: Workspace<Float>
  /// Hypotheses to be written for every source, and whether to keep their attention.
  var resultCount = 1
  var keepsAttention = false

  init(
    _ configuration: RunConfiguration, _ encoding: SequenceEncoding, sourceCount: Int,
    _ values: ParameterSource
  ) throws {
    self.configuration = configuration
    self.encoding = encoding
    ownWorkspace = Workspace(precision: ProductPrecision(configuration.training.precision))
    guard let target = encoding.target else {
      throw TrainingFailure.unfittingData("the data hold no sequences to write")
    }
    self.target = target
    judge = OutputJudge(target, bleuTokens: configuration.evaluation.bleuTokens)
    model = try EncoderDecoder(
      EncoderDecoderShape(configuration, encoding, sourceCount: sourceCount))
    parameters = try values.parameters(of: model.layout)
  }

  var multipliedWeights: Int { model.multipliedWeights.target }

  func check(_ split: SequenceSplit) throws {
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

  func loss(
    _ entries: [Int32], of split: SequenceSplit, masks: SampleMasks?, teacherForcing: Double,
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
      options.coverageLoss = configuration.model.coverage ? configuration.training.coverageWeight : 0
    }
    return model.evaluate(
      batch, options, into: gradients, LayerContext(parameters: parameters, workspace: workspace))
  }

  /// The loss of all models together, nats: -log of the mean of their probabilities, token by token.
  private func jointLoss(
    _ entries: [Int32], _ targets: Datasets.TokenSequences, _ split: SequenceSplit,
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

  private func sources(
    _ entries: [Int32], _ split: SequenceSplit, _ arena: Arena<Float>
  ) -> [InputSequences<Float>] {
    let isReversed = configuration.data.reverseSource
    return [split.source, split.secondSource].compactMap { $0 }.map {
      inputSequences(entries, of: $0, reversed: isReversed, arena)
    }
  }

  // MARK: Outputs

  /// The best hypotheses for some entries.
  private func search(
    _ entries: [Int32], _ split: SequenceSplit, _ workspace: Workspace<Float>
  ) -> [[Hypothesis<Float>]] {
    let inputs = sources(entries, split, workspace.arena)
    let decoder = members(entries, split, workspace)
    let begin = Int32(model.shape.decoder.beginToken)
    return beamSearch(
      decoder, startTokens: Array(repeating: begin, count: entries.count), sourceLengths: inputs[0].lengths,
      SearchOptions(
        configuration.decoding, target, count: resultCount,
        keepsAttention: keepsAttention && configuration.model.context == .attention))
  }

  /// The model, or the ensemble of it and its partners.
  private func members(
    _ entries: [Int32], _ split: SequenceSplit, _ workspace: Workspace<Float>
  ) -> any StepwiseDecoder<Float> {
    let own = decoder(entries, split, workspace)
    return partners.isEmpty
      ? own : EnsembleDecoder([own] + partners.map { $0.decoderOfItsOwn(entries, split) })
  }

  private func decoder(
    _ entries: [Int32], _ split: SequenceSplit, _ workspace: Workspace<Float>
  ) -> any StepwiseDecoder<Float> {
    model.decoder(
      for: sources(entries, split, workspace.arena),
      LayerContext(parameters: parameters, workspace: workspace))
  }

  /// The decoder of a partner in an ensemble, with packed weights and memory of its own.
  private func decoderOfItsOwn(_ entries: [Int32], _ split: SequenceSplit) -> any StepwiseDecoder<Float> {
    ownWorkspace.arena.reset()
    return decoder(entries, split, ownWorkspace)
  }

  /// A hypothesis as text, unknown words replaced by what they look at if that is asked for.
  private func text(_ hypothesis: Hypothesis<Float>, entry: Int32, of split: SequenceSplit) -> [UInt8] {
    guard configuration.decoding.replaceUnknown, let unknown = target.unknown,
      hypothesis.tokens.contains(unknown), let line = split.sourceTexts?[Int(entry)],
      let source = encoding.source?.units(of: line)
    else { return target.decode(hypothesis.tokens) }
    let ordered = configuration.data.reverseSource ? Array(source.reversed()) : source
    var replacements: [Int: [UInt8]] = [:]
    for (place, position) in (hypothesis.attendedPositions ?? []).enumerated()
    where hypothesis.tokens[place] == unknown {
      // A line that was cut has more words than positions, never fewer.
      if let position, position < ordered.count { replacements[place] = ordered[position] }
    }
    return target.decode(hypothesis.tokens, replacing: replacements)
  }

  func tally(
    _ groups: [ArraySlice<Int32>], of split: SequenceSplit, _ workspace: Workspace<Float>
  ) throws -> [Double] {
    let entries = groups.compactMap(\.first)
    let found = search(entries, split, workspace)
    var tally = judge.empty
    for (index, group) in groups.enumerated() {
      guard let best = found[index].first else { continue }
      let references = group.compactMap { split.targetTexts?[Int($0)] }.map(Array.init)
      judge.add(text(best, entry: entries[index], of: split), references: references, to: &tally)
    }
    return tally
  }

  func result(of sums: ScoreSums) -> EvaluationResult {
    var result = EvaluationResult(loss: sums.loss, examples: sums.examples)
    if !sums.tallies.isEmpty { judge.describe(sums.tallies, in: &result) }
    return result
  }

  func predict(
    _ entries: [Int32], of split: SequenceSplit, _ workspace: Workspace<Float>
  ) throws -> [Prediction] {
    let found = search(entries, split, workspace)
    let second =
      keepsAttention && split.secondSource != nil ? lookAgain(found, entries, split, workspace) : []
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

  /// The attention to the second source while the best hypothesis of each entry was written: a search keeps that to the
  /// first alone, so the texts are read once more, by all models that decided.
  private func lookAgain(
    _ found: [[Hypothesis<Float>]], _ entries: [Int32], _ split: SequenceSplit, _ workspace: Workspace<Float>
  ) -> [[[Float]]] {
    let texts = found.map { $0.first?.tokens ?? [] }
    var sum: [[[Float]]] = []
    for (number, learner) in ([self] + partners).enumerated() {
      if number > 0 { learner.ownWorkspace.arena.reset() }
      let own = learner.attention(
        of: texts, toSource: 1, entries, split, number == 0 ? workspace : learner.ownWorkspace)
      sum = number == 0 ? own : zip(sum, own).map { zip($0, $1).map { zip($0, $1).map(+) } }
    }
    let share = 1 / Float(1 + partners.count)
    return sum.map { $0.map { $0.map { $0 * share } } }
  }

  /// The weights over the steps of a source for every token of a given text, [entry][token][step].
  private func attention(
    of texts: [[Int32]], toSource source: Int, _ entries: [Int32], _ split: SequenceSplit,
    _ workspace: Workspace<Float>
  ) -> [[[Float]]] {
    let decoder = model.decoder(
      for: sources(entries, split, workspace.arena),
      LayerContext(parameters: parameters, workspace: workspace))
    var result: [[[Float]]] = texts.map { _ in [] }
    follow(texts, decoder, workspace.arena) { _, rows, _ in
      for (row, text) in rows.enumerated() {
        result[text].append(decoder.attention(ofRow: row, source: source).map { Array($0) } ?? [])
      }
    }
    return result
  }

  /// Lets a decoder write given texts, a token of each a step.
  ///
  /// - Parameter look: called with the step, the texts that still run, and for each a row of what the decoder said of its
  ///   next token.
  private func follow(
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

  /// The weights of a hypothesis over a source with the names of rows and columns.
  private func picture(
    _ best: Hypothesis<Float>, _ weights: [[Float]], _ entry: Int32, _ source: SequenceField?,
    _ texts: TextLines?
  ) -> AttentionMatrix {
    var labels = sourceLabels(entry, source, texts)
    if configuration.data.reverseSource { labels.reverse() }
    let columns = weights.first?.count ?? labels.count
    // A state of a pyramid stands for several steps.
    let steps = 1 << configuration.model.pyramid
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
      sourceLabels: labels, outputLabels: best.tokens.map { target[$0] },
      weights: weights.map { row in row.prefix(labels.count).map { Double($0) } })
  }

  /// The source's steps by name: its symbols as they stand in the file, or the numbers of vectors.
  private func sourceLabels(_ entry: Int32, _ source: SequenceField?, _ texts: TextLines?) -> [String] {
    if let vocabulary = encoding.source, let texts,
      let units = vocabulary.units(of: texts[Int(entry)])
    {
      return units.map { String(decoding: $0, as: UTF8.self) }
    }
    if let vocabulary = encoding.source, let tokens = source?.tokenSequences {
      return tokens[Int(entry)].map { vocabulary[$0] }
    }
    return (0..<(source?.length(Int(entry)) ?? 0)).map { "\($0)" }
  }
}
