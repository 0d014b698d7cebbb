import Checkpoints
import Configuration
import Foundation
import RunLog
import TestSupport
import Testing
@testable import Training
@testable import Tasks

@Suite("The files in a run directory")
struct RunFilesTests {
  let directory: TemporaryDirectory
  let text: String

  init() throws { (directory, text) = try temporaryText(characters: 400) }

  private var run: String { directory.file("run") }

  private func entries(_ name: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(run)/\(name)").sorted()
  }

  private func record() throws -> RunRecord { try RunRecord(contentsOf: "\(run)/run.json") }

  @Test("The newest checkpoints and the best are kept, with links to last and best", arguments: [1, 2])
  func kept(ranks: Int) throws {
    // The learning rate grows until the loss increases, so the best evaluation is an early one.
    let configuration = RunConfiguration.small(text) {
      $0.training.steps = 20
      $0.training.optimizer.kind = .sgd
      $0.training.learningRate = 30
      $0.training.clipNorm = 0
      $0.training.schedule.warmupSteps = 19
      $0.checkpoint.everySteps = 2
      $0.checkpoint.keep = 2
      $0.evaluation.everySteps = 2
    }
    let recorder = Recorder()
    let outcome = try Job(configuration, ranks: ranks, directory: run).run(recorder)
    let best = try #require(recorder.evaluations.min { $0.result.loss.mean < $1.result.loss.mean })
    #expect(best.step < 18, "the best must not be among the newest")
    #expect(outcome.bestStep == best.step && outcome.bestLoss == best.result.loss.mean)
    #expect(recorder.savedSteps == Array(stride(from: 2, through: 20, by: 2)))
    #expect(
      try entries("checkpoints") == ["best", "last", "step-18", "step-20", "step-\(best.step)"].sorted())
    let store = CheckpointStore(directory: "\(run)/checkpoints", keep: 2)
    #expect(store.best() == "\(run)/checkpoints/step-\(best.step)")
    #expect(store.last() == "\(run)/checkpoints/step-20")
  }

  @Test("Without checkpoint.every_steps there is one at the end of each epoch, and one at the end")
  func everyEpoch() throws {
    let recorder = Recorder()
    try Job(
      .small(text) {
        $0.training.steps = 40
        $0.checkpoint.everySteps = 0
      }, directory: run
    ).run(recorder)
    // 360 tokens in four streams are 89 steps each, 18 chunks.
    #expect(recorder.savedSteps == [18, 36, 40])
  }

  @Test("metrics.jsonl has a line for every event, with the documented keys")
  func metricsFile() throws {
    try Job(
      .small(text) {
        $0.log.everySteps = 5
        $0.evaluation.everySteps = 6
        $0.checkpoint.everySteps = 8
        $0.log.tensorboard = true
      }, ranks: 2, directory: run
    ).run()
    let lines = try metrics(of: run)
    let events = lines.map { "\($0["event"] as? String ?? "?") \($0["step"] as? Int ?? -1)" }
    // The last step is reported although it is not a multiple of five; evaluations come before the checkpoints
    // they may cause.
    #expect(
      events.filter { !$0.hasPrefix("checkpoint") }
        == ["memory -1", "train 5", "valid 6", "train 10", "train 12", "valid 12", "finished 12"])
    #expect(
      events.filter { $0.hasPrefix("checkpoint") } == ["checkpoint 6", "checkpoint 8", "checkpoint 12"])
    let keys = [
      "train": [
        "epoch", "event", "gradient_norm", "learning_rate", "loss", "step", "time", "tokens_per_second",
      ],
      "valid": ["best", "epoch", "event", "loss", "perplexity", "step", "time", "tokens"],
      "checkpoint": ["event", "path", "step", "time"],
      "finished": ["ending", "event", "peak_resident_mib", "step", "time"],
      "memory": [
        "activations", "event", "gradients", "optimizer", "packed_weights", "parameters", "time", "total",
      ],
    ]
    for line in lines {
      let expected = keys[line["event"] as? String ?? ""] ?? ["an event that is not documented"]
      #expect(Set(line.keys).isSuperset(of: expected))
      if line["event"] as? String == "train" { #expect((line["loss"] as? Double)?.isFinite == true) }
    }
    #expect(try entries("").contains { $0.hasPrefix("events.out.tfevents.") })
    #expect(try entries("").contains("vocab.txt"))
  }

  @Test("Each evaluation keeps samples, which change neither the losses nor the weights", arguments: [1, 2])
  func samples(ranks: Int) throws {
    func train(samples: Int, to name: String) throws -> [Double] {
      let recorder = Recorder()
      try Job(
        .small(text) {
          $0.evaluation.everySteps = 6
          $0.log.tensorboard = true
          $0.log.samples = samples
        }, ranks: ranks, directory: directory.file(name)
      ).run(recorder)
      return recorder.losses
    }
    #expect(try train(samples: 2, to: "with") == train(samples: 0, to: "without"))
    let paths = RunPaths(root: directory.file("with"))
    let (first, last) = try (
      RunSamples(contentsOf: paths.samples(step: 6)), RunSamples(contentsOf: paths.samples(step: 12))
    )
    #expect(first.step == 6 && last.samples.count == 1 && last.samples[0].sources.isEmpty)
    #expect(!last.samples[0].output.isEmpty)
    #expect(!FileManager.default.fileExists(atPath: directory.file("without/samples")))
    // TensorBoard has every number of metrics.jsonl, the weights, the samples and the settings.
    let folder = try FileManager.default.contentsOfDirectory(atPath: paths.root)
    let name = try #require(folder.first { $0.hasPrefix("events.out.tfevents.") })
    let events = String(decoding: try Data(contentsOf: URL(fileURLWithPath: paths.file(name))), as: UTF8.self)
    for tag in [
      "train/loss", "train/epoch", "train/communication_share", "valid/tokens", "memory/total",
      "finished/peak_resident_mib", "weights/rnn.weight_ih_l0", "samples/1", "_hparams_/session_start_info",
      "model.hidden_size",
    ] { #expect(events.contains(tag), "\(tag)") }
  }

  @Test("A run whose directory is moved away writes nothing under its old path")
  func movedAway() throws {
    let moved = directory.file("moved")
    let recorder = Recorder { [run] event in
      guard case .step(let report) = event, report.step == 3 else { return }
      #expect(throws: Never.self) { try FileManager.default.moveItem(atPath: run, toPath: moved) }
    }
    let configuration = RunConfiguration.small(text) {
      $0.evaluation.everySteps = 6
      $0.log.samples = 2
    }
    let ends = try Job(configuration, directory: run).ends(recorder)
    #expect(ends.map(\.exitCode) == [ExitCode.readWriteFailed], "\(ends)")
    #expect(!FileManager.default.fileExists(atPath: run))
    #expect(
      recorder.events.contains {
        if case .warning(let text) = $0 { text.contains("was moved, removed or replaced") } else { false }
      })
  }

  @Test("The saved configuration is the one used")
  func configurationFile() throws {
    let configuration = RunConfiguration.small(text)
    try Job(configuration, directory: run).run()
    let written = try String(contentsOfFile: "\(run)/config.yaml", encoding: .utf8)
    #expect(written == configuration.yaml(commented: true))
  }

  // MARK: run.json

  @Test("run.json of a finished run", arguments: [1, 3])
  func finished(ranks: Int) throws {
    let seen = Recorder { [run] event in
      guard case .step(let report) = event, report.step == 3 else { return }
      #expect((try? RunRecord(contentsOf: "\(run)/run.json"))?.status == .running)
    }
    try Job(.small(text), ranks: ranks, directory: run).run(seen)
    let record = try record()
    #expect(record.status == .finished && record.ranks == ranks && record.seed == 7)
    #expect(record.commandLine == ["test"] && record.versions == ["rnn-dist": "test"])
    #expect(record.hosts.count == 1 && record.ended != nil)
  }

  @Test("run.json of a stopped run")
  func stopped() throws {
    let signals = StopSignals()
    var job = Job(.small(text), directory: run)
    job.signals = { _ in signals }
    try job.run(Recorder { if case .step = $0 { signals.requestStop() } })
    #expect(try record().status == .stopped)
  }

  /// The loss overflows after a few steps.
  private func diverging(_ change: (inout RunConfiguration) -> Void) -> RunConfiguration {
    .small(text) {
      $0.model.network.cell.kind = .rnn
      $0.model.network.cell.activation = .relu
      $0.training.optimizer.kind = .sgd
      $0.training.clipNorm = 0
      $0.training.learningRate = 1e30
      change(&$0)
    }
  }

  @Test("run.json of a run that diverged: exit code 3, and the step in words", arguments: [1, 2])
  func diverged(ranks: Int) throws {
    let configuration = diverging { $0.training.skipLimit = 2 }
    let recorder = Recorder()
    let ends = try Job(configuration, ranks: ranks, directory: run).ends(recorder)
    #expect(ends.allSatisfy { $0.exitCode == ExitCode.diverged && $0.message.contains("2 times in a row") })
    let record = try record()
    #expect(record.status == .diverged && record.message == ends[0].message)
    let skipped = try metrics(of: run).filter { $0["event"] as? String == "skipped" }
    #expect(skipped.count == 2 && skipped[1]["in_a_row"] as? Int == 2)
    #expect((skipped[1]["parameters"] as? [String])?.isEmpty == false)
  }

  @Test("Checkpoints that are due while steps are skipped wait: what is kept can be trained on")
  func noCheckpointsOfADivergingRun() throws {
    let configuration = diverging {
      $0.training.skipLimit = 9
      $0.checkpoint.everySteps = 1
      $0.checkpoint.keep = 2
    }
    let recorder = Recorder()
    let ends = try Job(configuration, directory: run).ends(recorder)
    #expect(ends.allSatisfy { $0.exitCode == ExitCode.diverged })
    let skipped = recorder.events.compactMap {
      if case .skippedStep(let step, _, _) = $0 { step } else { nil }
    }
    let saved = recorder.events.compactMap { if case .saved(let step, _, _) = $0 { step } else { nil } }
    let first = try #require(skipped.first)
    #expect(skipped.count == 9 && !saved.isEmpty)
    #expect(saved.allSatisfy { $0 < first }, "saved \(saved), skipped \(skipped)")
  }

  // MARK: Restarting

  @Test("Resuming a run that died before its first checkpoint restarts it and its log")
  func diedEarly() throws {
    try Job(.small(text), directory: run).run()
    let expected = try CheckpointFiles(last: run)
    try FileManager.default.removeItem(atPath: "\(run)/checkpoints")
    var job = Job(.small(text), ranks: 1, directory: run)
    job.existing = .resume
    let recorder = Recorder()
    try job.run(recorder)
    #expect(recorder.steps.count == 12)
    #expect(try CheckpointFiles(last: run) == expected)
    let steps = try metrics(of: run).filter { $0["event"] as? String == "train" }.compactMap {
      $0["step"] as? Int
    }
    #expect(steps == Array(1...12))
    let record = try RunRecord(contentsOf: RunPaths(root: run).record)
    #expect(record.starts.count == 2 && record.starts[0].ended != nil)
  }
}
