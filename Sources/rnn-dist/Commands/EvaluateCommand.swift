import ArgumentParser
import Checkpoints
import Communication
import Configuration
import Datasets
import Foundation
import Metrics
import NumericKernels
import Parameters
import RecurrentNN
import Reporting
import RunLog
import Tasks
import Inference

struct EvaluateCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Evaluate the model of a run on held-out data.",
    discussion: """
      Every example is evaluated once, and the ranks share the work. Models that write sequences also decode every source \
      (seq2seq: with the settings of decoding.*), and each output is compared with its reference or, with \
      evaluation.group_references=true, with the references of all lines with the same source. A text is cut into \
      evaluation.batch_size parallel streams: one stream keeps all context, more are faster.

      Examples:
        rnn-dist evaluate runs/shakespeare --split valid
        mpirun -np 2 rnn-dist evaluate runs/shakespeare --data other.txt --json
        rnn-dist evaluate runs/ptb --split test evaluation.batch_size=1
        rnn-dist evaluate runs/g2p --data held-out.tsv decoding.beam=5

      Metrics, each where the task has it:
      \(MetricText.definitions)
      """)

  @OptionGroup var run: RunArguments
  @OptionGroup var products: PrecisionArguments
  @OptionGroup var ensemble: EnsembleArguments
  @Argument(
    help: ArgumentHelp(
      "Changes of settings that the trained model doesn't depend on, such as data.test=FILE.",
      valueName: "key.path=value"))
  var overrides: [String] = []
  @Option(
    help: ArgumentHelp("Part of the run's data to evaluate (default: valid).", valueName: "train|valid|test"))
  var split: DataSplit?
  @Option(help: ArgumentHelp("Evaluate this file instead, in the run's format.", valueName: "file"))
  var data: String?
  @Flag(help: "Also print precision, recall and F1 of each class or tag, and what it is confused with.")
  var perClass = false
  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws {
    if split != nil && data != nil { throw ValidationError("--split and --data contradict each other") }
  }

  func run(on communicator: any Communicator) throws -> Int32 {
    let saved = try run.load(
      overrides: overrides, evaluates: true, ensemble: ensemble.runs, precision: products.precision,
      on: communicator)
    if communicator.rank == 0 { run.warn(of: saved) }
    try requireSame(saved, communicator)
    let data = try communicator.agree {
      let hasClasses =
        saved.configuration.task.comparisons.contains(.labels) && saved.encoding.labels != nil
      guard !perClass || hasClasses else {
        throw ValidationError("--per-class: \(run.run) predicts neither classes nor tags")
      }
      return try heldOut(saved)
    }
    if communicator.rank == 0 { data.warnings.forEach { Console.error("warning: \($0)") } }
    try Threads.share(among: communicator, reproducible: saved.configuration.training.reproducible)
    try communicator.allEqual(
      Array("\(saved.encoding.digest) \(data.digest)".utf8),
      what: data.textSize == nil ? "the data or their vocabularies" : "the text or its vocabulary")
    let console = communicator.rank == 0 ? Console() : nil
    let result = try saved.score(
      data, communicator: communicator, progress: { console?.evaluationProgress($0, of: $1) })
    console?.eraseProgress()
    let scored = Scored(
      configuration: saved.configuration, text: data.textSize, unknown: data.unknownTokens,
      result: result, step: saved.step, checkpoint: saved.checkpointPath, averagedSteps: saved.averagedSteps)
    if communicator.rank == 0 {
      try StandardOutput.line(json ? object(scored).text : lines(scored))
    }
    return ExitCode.done
  }

  /// A result and its origin.
  private struct Scored {
    var configuration: RunConfiguration
    /// The amount of text that was predicted; nil except for a language model.
    var text: Vocabulary.TextSize?
    /// The unknown tokens of each text.
    var unknown: [UnknownTokens]
    var result: EvaluationResult
    var step: Int
    var checkpoint: String
    /// The steps of the checkpoints that were averaged; empty for a single checkpoint.
    var averagedSteps: [Int]

    /// The loss in bits per byte or character, which is comparable between texts with different tokens; nil without a
    /// count.
    func bits(per count: Int?) -> Double? {
      count.flatMap { $0 > 0 ? result.loss.total / log(2) / Double($0) : nil }
    }
  }

  private func heldOut(_ saved: SavedModel) throws -> HeldOutData {
    if let data { return try saved.data(file: data) }
    return try saved.data(split ?? .valid) ?? { throw missingSplit }()
  }

  private var missingSplit: ConfigurationErrors {
    let key = "data.\((split ?? .valid).rawValue)"
    return ConfigurationErrors([
      ConfigurationIssue(
        origin: .defaultValue, key: key,
        message: "not set, so the run has no such data: add \(key)=FILE, or use --data FILE")
    ])
  }

  /// Throws if the ranks differ. Ranks with different settings would add up unrelated sums, or wait for each other
  /// forever. The best checkpoint of a run that is still training may also change between the reads of two ranks.
  private func requireSame(_ loaded: SavedModel, _ communicator: any Communicator) throws {
    let configuration = loaded.configuration.yaml(commented: false)
    try communicator.allEqual(Array(configuration.utf8), what: "the configuration")
    try communicator.allEqual(Array("\(loaded.digest)".utf8), what: "the checkpoint")
  }

  // MARK: The result

  private func object(_ scored: Scored) -> JSONValue {
    let result = scored.result
    let isInNats = scored.configuration.model.output.isInNats
    let members =
      [
        JSONMember("split", .string(data == nil ? (split ?? .valid).rawValue : "data")),
        JSONMember("data", data.map { .string($0) } ?? .null),
        JSONMember("loss", .double(result.loss.mean)),
        JSONMember("perplexity", result.perplexity.map { .double($0) } ?? .null),
        JSONMember("bits_per_token", isInNats ? .double(result.loss.mean / log(2)) : .null),
        JSONMember("bits_per_byte", scored.bits(per: scored.text?.bytes).map { .double($0) } ?? .null),
        JSONMember(
          "bits_per_character", scored.bits(per: scored.text?.characters).map { .double($0) } ?? .null),
        JSONMember("tokens", .integer(result.loss.tokens)),
        JSONMember("examples", .integer(result.examples)),
        JSONMember(
          "unknown_tokens", .object(scored.unknown.map { JSONMember($0.part, .double($0.share)) })),
      ] + result.otherMetrics.map { JSONMember($0.metric.name, .double($0.value)) }
    return .object(
      members + [
        JSONMember("notes", .array(result.notes.map { .string($0) })),
        JSONMember("step", .integer(scored.step)), JSONMember("checkpoint", .string(scored.checkpoint)),
        JSONMember(
          "averaged_steps",
          scored.averagedSteps.isEmpty ? .null : .array(scored.averagedSteps.map { .integer($0) })),
      ] + (result.classes?.members ?? []))
  }

  private func lines(_ scored: Scored) -> String {
    let result = scored.result
    let task = scored.configuration.task
    let counts =
      task.data == .stream
      ? "\(Console.counted(result.loss.tokens, "token")) predicted"
      : "\(Console.counted(result.examples, "example")), \(Console.counted(result.loss.tokens, "target"))"
    var loss = "\(String(format: "%.4f", result.loss.mean)) \(LossUnit.name(scored.configuration))"
    if scored.configuration.model.output.isInNats {
      loss += ", \(String(format: "%.4f", result.loss.mean / log(2))) bits/\(task.lossUnit)"
    }
    for (unit, count) in [("byte", scored.text?.bytes), ("character", scored.text?.characters)] {
      if let bits = scored.bits(per: count) { loss += ", \(String(format: "%.4f", bits)) bits/\(unit)" }
    }
    var text = "\(data ?? (split ?? .valid).rawValue): \(counts)\n" + MetricText.line("loss", loss)
    for value in result.metrics where value.metric != .loss {
      text += MetricText.line(value.metric.label, value.metric.text(value.value))
    }
    if !scored.unknown.isEmpty {
      let shares = scored.unknown.map { part in
        String(format: "%.2f %%", 100 * part.share)
          + (part.part == "text" ? "" : " of the \(part.part.replacing("_", with: " "))")
      }
      text += MetricText.line("unknown tokens", shares.joined(separator: ", "))
    }
    for note in result.notes { text += note + "\n" }
    let steps = scored.averagedSteps.map { "\($0)" }.joined(separator: ", ")
    let mean = steps.isEmpty ? "" : ", mean of \(scored.averagedSteps.count): steps \(steps)"
    if perClass, let classes = result.classes { text += ClassTable.text(classes) }
    return text + MetricText.line("checkpoint", scored.checkpoint + mean).dropLast()
  }
}
