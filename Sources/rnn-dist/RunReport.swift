import Datasets
import Foundation
import Metrics
import RecurrentNN
import RunLog
import Training
import Inference
import Tasks

/// The result of `train` on standard output: the held-out metrics, the run directory, and some outputs of the model.
enum RunReport {
  /// - Parameter launcher: the words before the name of a command, for the command to use next.
  static func write(
    _ outcome: RunOutcome, _ configuration: RunConfiguration, _ directory: String, launcher: String
  ) throws {
    if let loss = outcome.bestLoss, let step = outcome.bestStep {
      let metrics = outcome.bestMetrics.compactMap { metric in
        Metric(rawValue: metric.name).map { ", \(MetricText.describe($0, metric.value))" }
      }.joined()
      let limit = configuration.evaluation.decodeLimit
      let decoded =
        limit > 0 && outcome.bestDecoded == limit
        ? ", of \(Console.grouped(limit)) sources (evaluate compares all)" : ""
      let hasPerplexity = configuration.model.output.hasPerplexity
      let perplexity = hasPerplexity ? ", perplexity \(Console.number(exp(loss)))" : ""
      let result = String(
        format: "held-out loss %@ %@%@%@%@; best at step %d of %d", Console.loss(loss),
        LossUnit.name(configuration), perplexity, metrics, decoded, step, outcome.step)
      try StandardOutput.line(Console.wrapped(values: result, columns: StandardOutput.windowWidth))
    }
    try StandardOutput.line("run directory: \(directory)")
    let run = try RunPaths(existing: directory)
    let saved = try SavedModel(run: run, configuration: configuration)
    let command = saved.abilities.writesAfter == nil ? "predict" : "generate"
    Console.error(
      "trained for \(Console.clock(outcome.seconds)); next: \(launcher) \(command) \(Launcher.quoted(directory))"
        + (command == "predict" ? " < \(inputFile(configuration.data))" : ""))
    switch saved.abilities.writesAfter {
    case .prompt: try sample(saved)
    case .nothing: try texts(saved, for: [nil])
    case .condition where saved.encoding.labels != nil:
      try texts(saved, for: (saved.encoding.labels?.names ?? []).prefix(5).map { $0 })
    // Held-out vectors all differ, so their outputs are more informative than several samples for one vector.
    case .condition, nil: try examples(saved, run)
    }
  }

  /// A name for a file of what `predict` reads.
  private static func inputFile(_ data: DataOptions) -> String {
    switch data.format {
    case .csv: data.window > 0 ? "table.csv" : "rows.csv"
    case .npy: "paths.txt"
    default: "lines.txt"
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

  /// Prints some held-out examples with their outputs, and draws pictures of the attention.
  private static func examples(_ saved: SavedModel, _ run: RunPaths) throws {
    let examples = try saved.heldOutExamples(5, keepsAttention: saved.abilities.attends)
    guard !examples.isEmpty else { return }
    try StandardOutput.line("held-out examples:")
    for example in examples {
      let source = example.sources.map(shortened).joined(separator: " | ")
      let written = String(decoding: example.output.lines.first ?? [], as: UTF8.self)
      // The bytes are compared, because Swift strings are equal if they are canonically equivalent.
      let isRight =
        example.expected.isEmpty || example.expected.contains { $0.utf8.elementsEqual(written.utf8) }
      let verdict = isRight ? "" : "   (expected \(shortened(example.expected[0])))"
      try StandardOutput.line("  \(source) -> \(shortened(written))\(verdict)")
    }
    guard saved.abilities.attends else { return }
    let folder = try AttentionFolder(run.attention)
    for (index, example) in examples.enumerated() {
      try folder.draw(example.output, of: Array(example.sources[0].utf8), number: index + 1)
    }
    try StandardOutput.line("attention: \(run.attention)/line-1.svg to line-\(examples.count).svg")
  }

  private static func shortened(_ text: String) -> String {
    let text = OneLine.of(text)
    return text.count > 100 ? text.prefix(97) + "..." : text
  }
}
