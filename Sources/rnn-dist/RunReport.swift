import Configuration
import Datasets
import Foundation
import Metrics
import RecurrentNN
import RunLog
import Training
import Inference

/// The result of `train` on standard output: the held-out metrics, the run directory, and some outputs of the model.
enum RunReport {
  static func write(_ outcome: RunOutcome, _ configuration: RunConfiguration, _ directory: String) throws {
    if let loss = outcome.bestLoss, let step = outcome.bestStep {
      let metrics = outcome.bestFigures.compactMap { figure in
        Metric(rawValue: figure.name).map { ", \(MetricText.describe($0, figure.value))" }
      }.joined()
      let evaluation = configuration.evaluation
      let decoded =
        evaluation.metric.comparesTexts && evaluation.decodeLimit > 0
        ? " of at most \(evaluation.decodeLimit) sources (rnn-dist evaluate compares all)" : ""
      let output = configuration.model.output
      let perplexity = output.hasPerplexity ? ", perplexity \(Console.number(exp(loss)))" : ""
      try StandardOutput.line(
        String(
          format: "held-out loss %@ %@%@%@%@ (best, at step %d of %d)", Console.loss(loss),
          LossUnit.name(configuration), perplexity, metrics, decoded, step, outcome.step))
    }
    try StandardOutput.line("run directory: \(directory)")
    let run = try RunPaths(existing: directory)
    switch configuration.task {
    case .languageModel: try sample(try SavedModel(run: run, configuration: configuration))
    case .generator:
      let saved = try SavedSequenceModel(run: run, configuration: configuration)
      // Vectors all differ, so outputs for held-out vectors say more than several samples for one vector.
      if saved.readsVector { try examples(saved, run) } else { try texts(saved) }
    case .tagger, .classifier, .seq2seq:
      try examples(try SavedSequenceModel(run: run, configuration: configuration), run)
    }
  }

  private static func sample(_ saved: SavedModel) throws {
    let text = TextGenerator(saved).text(
      prompt: [], length: saved.configuration.data.tokens == .word ? 60 : 300,
      options: SamplingOptions(temperature: 0.8), seed: UInt64(saved.configuration.seed))
    try StandardOutput.line("sample (temperature 0.8):")
    try StandardOutput.write(text + [UInt8(ascii: "\n")])
  }

  private static func texts(_ saved: SavedSequenceModel) throws {
    guard let writer = saved.sequenceWriter else { return }
    try StandardOutput.line("samples (temperature 0.8):")
    let names: [String?] =
      writer.needsInput ? (saved.encoding.labels?.names ?? []).prefix(5).map { $0 } : [nil]
    for (index, name) in names.enumerated() {
      let lines = try writer.write(
        for: name, count: 3, options: SamplingOptions(temperature: 0.8), maximumLength: 100,
        seed: UInt64(saved.configuration.seed) &+ UInt64(index))
      let text = lines.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ", ")
      try StandardOutput.line("  \(name.map { "\($0): " } ?? "")\(text)")
    }
  }

  /// Some held-out examples with their outputs, and pictures of the attention.
  private static func examples(_ saved: SavedSequenceModel, _ run: RunPaths) throws {
    let examples = try saved.heldOutExamples(5, keepsAttention: saved.looksAtSource)
    guard !examples.isEmpty else { return }
    try StandardOutput.line("held-out examples:")
    for example in examples {
      let source = example.sources.map(shortened).joined(separator: " | ")
      let written = String(decoding: example.output.lines.first ?? [], as: UTF8.self)
      // By bytes: strings are equal to Swift when they are canonically equivalent.
      let isRight =
        example.expected.isEmpty || example.expected.contains { $0.utf8.elementsEqual(written.utf8) }
      let verdict = isRight ? "" : "   (expected \(shortened(example.expected[0])))"
      try StandardOutput.line("  \(source) -> \(shortened(written))\(verdict)")
    }
    guard saved.looksAtSource else { return }
    let folder = try AttentionFolder(run.attention)
    for (index, example) in examples.enumerated() {
      try folder.draw(example.output, of: Array(example.sources[0].utf8), number: index + 1)
    }
    try StandardOutput.line("attention: \(run.attention)/line-1.svg to line-\(examples.count).svg")
  }

  private static func shortened(_ text: String) -> String {
    text.count > 100 ? text.prefix(97) + "..." : text
  }
}
