import Datasets
import NumericKernels
import Parameters
import RecurrentNN

/// Where a model looked while it wrote.
extension TranslationLearner {
  /// A hypothesis as text, unknown words replaced by what they look at if that is asked for.
  package func text(_ hypothesis: Hypothesis<Float>, entry: Int32, of split: ExampleSet) -> [UInt8] {
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

  /// The attention to a source while each entry's text was written, [entry][token][step], for what a search does not keep:
  /// the texts are read once more, by all models that decided.
  package func lookAgain(
    at source: Int, while texts: [[Int32]], _ entries: [Int32], _ split: ExampleSet,
    _ workspace: Workspace<Float>
  ) -> [[[Float]]] {
    var sum: [[[Float]]] = []
    for (number, learner) in ([self] + partners).enumerated() {
      if number > 0 { learner.ownWorkspace.arena.reset() }
      let own = learner.attention(
        of: texts, toSource: source, entries, split, number == 0 ? workspace : learner.ownWorkspace)
      sum = number == 0 ? own : zip(sum, own).map { zip($0, $1).map { zip($0, $1).map(+) } }
    }
    let share = 1 / Float(1 + partners.count)
    return sum.map { $0.map { $0.map { $0 * share } } }
  }

  /// The weights over the steps of a source for every token of a given text, [entry][token][step].
  private func attention(
    of texts: [[Int32]], toSource source: Int, _ entries: [Int32], _ split: ExampleSet,
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

  /// The weights of a hypothesis over a source with the names of rows and columns.
  package func picture(
    _ best: Hypothesis<Float>, _ weights: [[Float]], _ entry: Int32, _ source: ExampleField?,
    _ texts: TextLines?
  ) -> AttentionMatrix {
    var labels = sourceLabels(entry, source, texts)
    if configuration.data.reverseSource { labels.reverse() }
    // A state of a pyramid stands for several steps.
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
      sourceLabels: labels, outputLabels: best.tokens.map { target[$0] },
      weights: weights.map { row in row.prefix(labels.count).map { Double($0) } })
  }

  /// The source's steps by name: its symbols as they stand in the file, or the numbers of vectors.
  private func sourceLabels(_ entry: Int32, _ source: ExampleField?, _ texts: TextLines?) -> [String] {
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
