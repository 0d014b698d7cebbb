import Checkpoints
import Communication
import Configuration
import Foundation
import NumericKernels
import RunLog
import Tasks

/// Writes events to `metrics.jsonl` and TensorBoard's event file, and passes them on.
///
/// A full disk must not end a run. The first failed write is therefore reported, and later events are still written if
/// possible.
final class RunLogObserver: TrainingObserver {
  private let directory: RunDirectory
  private let configuration: RunConfiguration
  private let next: (any TrainingObserver)?
  private var metrics: MetricsWriter?
  private var board: TensorBoardWriter?
  private var hasFailed = false
  private var isOpen = false

  init(_ directory: RunDirectory, _ configuration: RunConfiguration, next: (any TrainingObserver)?) {
    self.directory = directory
    self.configuration = configuration
    self.next = next
  }

  func handle(_ event: TrainingEvent) {
    switch event {
    // These events are not written, and they arrive before the step from which a run resumes is known.
    case .started, .note, .warning: break
    case .resumed(let step, _, _): open(resumedStep: step)
    default: open(resumedStep: directory.isResumed ? 0 : nil)
    }
    attempt { try write(event) }
    next?.handle(event)
  }

  /// Opens the files at the first event that is written, because only then is it known whether there was a checkpoint
  /// to resume from. If there was none, the run starts from the beginning, and the log of an earlier attempt is
  /// dropped.
  private func open(resumedStep: Int?) {
    guard !isOpen else { return }
    isOpen = true
    attempt {
      metrics = try MetricsWriter(path: directory.paths.metrics, resumedStep: resumedStep)
      if configuration.log.tensorboard {
        board = try TensorBoardWriter(directory: directory.paths.root, resumedStep: resumedStep)
        try board?.write(hyperparameters: hyperparameters)
      }
    }
  }

  private func attempt(_ body: () throws -> Void) {
    do {
      try body()
    } catch {
      guard !hasFailed else { return }
      hasFailed = true
      next?.handle(.warning("the log of the run is incomplete: \(error)"))
    }
  }

  private func write(_ event: TrainingEvent) throws {
    switch event {
    case .step(let report): try write("train", step: report.step, members(of: report))
    case .evaluated(let report):
      try write(report.split.rawValue, step: report.step, members(of: report))
      if report.isBest, let classes = report.result.classes {
        try directory.requireInPlace()
        let object = JSONValue.object([JSONMember("step", .integer(report.step))] + classes.members)
        try DurableFile.write(Data((object.text + "\n").utf8), to: directory.paths.classes)
      }
    case .observed(let observation):
      try board?.write(observation)
      if !observation.samples.samples.isEmpty {
        try directory.requireInPlace()
        try observation.samples.write(to: directory.paths)
      }
    case .skippedStep(let step, let inARow, let parameters):
      try write(
        "skipped", step: step,
        ["in_a_row": .integer(inARow), "parameters": .array(parameters.map { .string($0) })])
    case .saved(let step, let path, _):
      try write("checkpoint", step: step, ["path": .string(path)])
    case .finished(let outcome):
      try write(
        "finished", step: outcome.step,
        [
          "ending": .string(outcome.ending.rawValue), "peak_resident_mib": .integer(outcome.peakResidentMiB),
        ])
      try metrics?.flush()
      try board?.flush()
    case .planned(let plan): try write("memory", step: nil, members(of: plan))
    case .choseProducts(let choices):
      func count(_ backend: ProductBackend) -> JSONValue {
        .integer(choices.choices.count { $0.backend == backend })
      }
      try write(
        "products", step: nil,
        [
          "kernels": count(.kernels), "blas": count(.blas), "unmeasured": .integer(choices.unmeasured),
        ])
    case .choseSums(let choice):
      try write(
        "sums", step: nil,
        [
          "method": .string(choice.method.rawValue),
          "seconds": .object(choice.times.map { JSONMember($0.method.rawValue, .double($0.seconds)) }),
        ])
    case .started, .resumed, .evaluating, .saveFailed, .note, .warning:
      break
    }
  }

  /// Writes a line of `metrics.jsonl`, and its numbers as scalars for TensorBoard, such as `train/loss`.
  private func write(_ event: String, step: Int?, _ members: KeyValuePairs<String, JSONValue>) throws {
    try write(event, step: step, members.map { JSONMember($0.key, $0.value) })
  }

  private func write(_ event: String, step: Int?, _ members: [JSONMember]) throws {
    let time = Date().timeIntervalSince1970
    let place = step.map { [JSONMember("step", .integer($0))] } ?? []
    try metrics?.write(
      [JSONMember("event", .string(event))] + place + [JSONMember("time", .double(time))] + members)
    let scalars = members.compactMap { member -> (tag: String, value: Double)? in
      switch member.value {
      case .integer(let value): ("\(event)/\(member.key)", Double(value))
      case .double(let value): ("\(event)/\(member.key)", value)
      default: nil
      }
    }
    try board?.write(scalars: scalars, step: step ?? 0, time: time)
  }

  private func members(of report: StepReport) -> KeyValuePairs<String, JSONValue> {
    [
      "epoch": .double(report.epoch), "loss": .double(report.loss),
      "gradient_norm": .double(report.gradientNorm), "learning_rate": .double(report.learningRate),
      "tokens_per_second": .double(report.tokensPerSecond),
      "communication_share": .double(report.communicationShares.first ?? 0),
      "communication_shares": .array(report.communicationShares.map { .double($0) }),
    ]
  }

  private func members(of plan: MemoryPlan) -> KeyValuePairs<String, JSONValue> {
    [
      "parameters": .integer(plan.parameters), "gradients": .integer(plan.gradients),
      "optimizer": .integer(plan.optimizer), "packed_weights": .integer(plan.packedWeights),
      "activations": .integer(plan.activations), "total": .integer(plan.total),
    ]
  }

  private func members(of report: EvaluationReport) -> [JSONMember] {
    let result = report.result
    let members: [JSONMember] =
      [
        JSONMember("epoch", .double(report.epoch)), JSONMember("loss", .double(result.loss.mean)),
        JSONMember("perplexity", result.perplexity.map { .double($0) } ?? .null),
        JSONMember("tokens", .integer(result.loss.tokens)), JSONMember("examples", .integer(result.examples)),
      ] + result.otherMetrics.map { JSONMember($0.metric.name, .double($0.value)) }
    return members + (result.decoded.map { [JSONMember("decoded", .integer($0))] } ?? [])
      + [JSONMember("best", .bool(report.isBest))]
  }
}

extension RunLogObserver {
  /// All settings of the run by their keys.
  private var hyperparameters: [(name: String, value: TensorBoardWriter.Hyperparameter)] {
    configuration.settings.map { key, text in
      let value: TensorBoardWriter.Hyperparameter =
        switch text {
        case "true": .flag(true)
        case "false": .flag(false)
        default: Double(text).map { .number($0) } ?? .text(text)
        }
      return (key, value)
    }
  }
}

extension TensorBoardWriter {
  /// Writes samples as texts, attention weights as images and weights as histograms.
  fileprivate func write(_ observation: ModelObservation) throws {
    let (step, samples) = (observation.samples.step, observation.samples.samples)
    try write(
      histograms: observation.weights.map { ("weights/\($0.name)", $0.histogram) }, step: step)
    try write(
      texts: samples.enumerated().map { ("samples/\($0.offset + 1)", $0.element.markdown) }, step: step)
    try write(
      images: samples.enumerated().compactMap { number, sample in
        HeatmapImage(sample.attention.map(\.weights)).map { ("attention/\(number + 1)", $0) }
      }, step: step)
  }
}

extension RunSamples.Sample {
  /// Returns the sample as Markdown: the source, the output and the expected output, all verbatim.
  fileprivate var markdown: String {
    let lines =
      sources.map { "read: \($0)" } + ["written: \(output)"]
      + (expected.isEmpty || expected.contains(output)
        ? [] : ["expected: \(expected.joined(separator: " | "))"])
    return lines.flatMap { $0.split(separator: "\n", omittingEmptySubsequences: false) }.map { "    \($0)" }
      .joined(separator: "\n")
  }
}

/// Keeps `run.json` of a run directory up to date; does nothing without a run directory.
final class RunRecorder {
  private let directory: RunDirectory?
  private var record: RunRecord
  private var hasBegun = false

  init(_ directory: RunDirectory?, _ request: TrainingJob.Request, _ hosts: [String], ranks: Int) {
    self.directory = directory
    record = RunRecord(
      versions: request.versions, commandLine: request.commandLine, ranks: ranks, hosts: hosts,
      seed: UInt64(request.configuration.seed), started: Date())
  }

  /// Writes the status `running`. Throws `FileFailure`.
  func begin() throws {
    guard let directory else { return }
    // A damaged record of earlier starts is replaced.
    if directory.isResumed { record.earlier = try? RunRecord(contentsOf: directory.paths.record).starts }
    try record.write(to: directory.paths.record)
    hasBegun = true
  }

  func end(_ outcome: RunOutcome) {
    end(outcome.ending == .signalled ? .stopped : .finished, message: outcome.ending.rawValue)
  }

  func end(_ error: any Error) {
    end(ExitCode.code(of: error) == ExitCode.diverged ? .diverged : .failed, message: "\(error)")
  }

  /// Records why the watchdog ends the job. It writes the records of all ranks to a separate file and returns its path,
  /// and it writes the status to `run.json`. Any rank that sees the run directory can call it.
  static func write(_ end: JobEnd, to paths: RunPaths) -> String? {
    guard var record = try? RunRecord(contentsOf: paths.record) else { return nil }
    record.ended = Date()
    record.status = .failed
    record.message = end.message
    try? record.write(to: paths.record)
    guard let json = try? RunRecord.json(of: end),
      (try? DurableFile.write(json, to: paths.flightRecord)) != nil
    else { return nil }
    return paths.flightRecord
  }

  /// Records how the run ended. If the write fails, the run has ended all the same, and its own error matters more.
  private func end(_ status: RunRecord.Status, message: String) {
    guard let directory, hasBegun, (try? directory.requireInPlace()) != nil else { return }
    record.ended = Date()
    record.status = status
    record.message = message
    try? record.write(to: directory.paths.record)
  }
}
