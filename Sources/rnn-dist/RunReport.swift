import Configuration
import Datasets
import Foundation
import RecurrentNN
import RunLog
import Training
import Inference
import Tasks

/// What `train` says at the end on standard output: the held-out figures, where the run is, and a taste of what was
/// learnt.
enum RunReport {
  static func write(_ outcome: RunOutcome, _ configuration: RunConfiguration, _ directory: String) throws {
    if let loss = outcome.bestLoss, let step = outcome.bestStep {
      let figures = outcome.bestFigures.map { ", \(FigureText.describe($0.name, $0.value))" }.joined()
      let evaluation = configuration.evaluation
      let decoded =
        evaluation.metric.needsDecoding && evaluation.decodeLimit > 0
        ? " of \(evaluation.decodeLimit) sources (rnn-dist evaluate writes for all)" : ""
      let output = configuration.model.output
      let perplexity = output.hasPerplexity ? ", perplexity \(Console.number(exp(loss)))" : ""
      try StandardOutput.line(
        String(
          format: "held-out loss %@ %@%@%@%@ (best, at step %d of %d)", Console.loss(loss),
          LossUnit.name(configuration), perplexity, figures, decoded, step, outcome.step))
    }
    try StandardOutput.line("run directory: \(directory)")
    let run = try RunPaths(existing: directory)
    let saved = try SavedModel(run: run, configuration: configuration)
    switch saved.abilities.writesAfter {
    case .prompt: try sample(saved)
    case .nothing: try texts(saved, for: [nil])
    // Every vector is another one: what was written for those held out says more than samples for one.
    case .condition where saved.encoding.labels != nil:
      try texts(saved, for: (saved.encoding.labels?.names ?? []).prefix(5).map { $0 })
    case .condition, nil: try examples(saved, run)
    }
  }

  private static func request(_ saved: SavedModel, _ index: Int = 0) -> SavedModel.WritingRequest {
    let seed = UInt64(saved.configuration.seed) &+ UInt64(index)
    return SavedModel.WritingRequest(TextSampling(SamplingOptions(temperature: 0.8), seed: seed))
  }

  private static func sample(_ saved: SavedModel) throws {
    var request = request(saved)
    request.maximumLength = saved.configuration.data.tokens == .word ? 60 : 300
    try StandardOutput.line("sample (temperature 0.8):")
    try StandardOutput.write(try saved.texts(request)[0] + [UInt8(ascii: "\n")])
  }

  private static func texts(_ saved: SavedModel, for names: [String?]) throws {
    try StandardOutput.line("samples (temperature 0.8):")
    for (index, name) in names.enumerated() {
      var request = request(saved, index)
      (request.condition, request.count, request.maximumLength) = (name, 3, 100)
      let text = try saved.texts(request).map { String(decoding: $0, as: UTF8.self) }.joined(separator: ", ")
      try StandardOutput.line("  \(name.map { "\($0): " } ?? "")\(text)")
    }
  }

  // MARK: Examples

  private static let exampleCount = 5

  /// A few held-out entries with what the model makes of them, and pictures of its attention.
  private static func examples(_ saved: SavedModel, _ run: RunPaths) throws {
    guard let split = try saved.examples(.valid), let texts = split.sourceTexts, split.count > 0 else {
      return
    }
    let groups = sameSource(texts, split)
    let chosen = groups.prefix(exampleCount).map { $0[0] }
    let draws = saved.abilities.attends
    let outputs = try saved.predict(chosen, of: split, PredictionOptions(keepsAttention: draws))
    try StandardOutput.line("held-out examples:")
    for (group, output) in zip(groups, outputs) {
      let entry = Int(group[0])
      let sources = [texts] + (split.secondSourceTexts.map { [$0] } ?? [])
      let source = sources.map { shortened(String(decoding: $0[entry], as: UTF8.self)) }.joined(
        separator: " | ")
      let written = String(decoding: output.lines.first ?? [], as: UTF8.self)
      let expected = group.compactMap { target(of: Int($0), split, saved.encoding.labels) }
      let verdict =
        expected.isEmpty || expected.contains(written) ? "" : "   (expected \(shortened(expected[0])))"
      try StandardOutput.line("  \(source) -> \(shortened(written))\(verdict)")
    }
    guard draws else { return }
    let folder = try AttentionFolder(run.attention)
    for (index, output) in outputs.enumerated() {
      try folder.draw(output, of: Array(texts[Int(chosen[index])]), number: index + 1)
    }
    try StandardOutput.line(
      "where the model looked: \(run.attention)/line-1.svg to line-\(outputs.count).svg")
  }

  /// The entries of each source, sources in the order of the data: any target of a source is a right answer.
  private static func sameSource(_ texts: TextLines, _ split: ExampleSet) -> [[Int32]] {
    var places: [[UInt8]: Int] = [:]
    var groups: [[Int32]] = []
    for entry in 0..<split.count {
      let source = Array(texts[entry]) + [0] + (split.secondSourceTexts.map { Array($0[entry]) } ?? [])
      if let place = places[source] {
        groups[place].append(Int32(entry))
      } else {
        places[source] = groups.count
        groups.append([Int32(entry)])
      }
    }
    return groups
  }

  /// What an entry should give: a text, a class, a tag for every step, or numbers.
  private static func target(of entry: Int, _ split: ExampleSet, _ labels: LabelVocabulary?) -> String? {
    if let texts = split.targetTexts { return String(decoding: texts[entry], as: UTF8.self) }
    if case .vectors(let numbers) = split.target {
      return numbers[entry].map { String(format: "%g", $0) }.joined(separator: " ")
    }
    guard let labels else { return nil }
    func name(_ id: Int32) -> String { id == LabelVocabulary.unknown ? "<never learnt>" : labels[id] }
    return switch split.target {
    case .labels(let classes): name(classes[entry])
    case .tokens(let tags): tags[entry].map(name).joined(separator: " ")
    case .vectors, .none: nil
    }
  }

  private static func shortened(_ text: String) -> String {
    text.count > 100 ? text.prefix(97) + "..." : text
  }
}

/// What a loss is counted in.
enum LossUnit {
  /// `nats/token`; of models of numbers `squared error/step`.
  static func name(_ configuration: RunConfiguration) -> String {
    (configuration.model.output.isInNats ? "nats/" : "squared error/") + unit(configuration.task)
  }

  /// What has a target of its own.
  static func unit(_ task: RunConfiguration.Task) -> String {
    switch task {
    case .languageModel, .generator, .seq2seq: "token"
    case .tagger: "step"
    case .classifier: "example"
    }
  }
}
