import Foundation
import TestSupport
import Testing
@testable import Training
@testable import Tasks

@Suite("Checkpoints that can't be written, or can't be read")
struct CheckpointFaultTests {
  let directory: TemporaryDirectory
  let text: String

  init() throws { (directory, text) = try temporaryText(characters: 400) }

  private var run: String { directory.file("run") }

  private func configuration(steps: Int, every: Int) -> RunConfiguration {
    .small(text) {
      $0.training.steps = steps
      $0.checkpoint.everySteps = every
      $0.evaluation.everySteps = 1000
    }
  }

  private func job(_ configuration: RunConfiguration, ranks: Int, resuming: Bool = false) -> Job {
    var job = Job(configuration, ranks: ranks, directory: run)
    job.existing = resuming ? .resume : .refuse
    return job
  }

  // MARK: Writing

  /// Puts a file in the place of the checkpoints' directory. Then no user, not even root, can write a checkpoint.
  private static func block(_ run: String) {
    let checkpoints = "\(run)/checkpoints"
    try? FileManager.default.moveItem(atPath: checkpoints, toPath: "\(run)-aside")
    #expect(FileManager.default.createFile(atPath: checkpoints, contents: Data("in the way".utf8)))
  }

  private static func unblock(_ run: String) {
    #expect(throws: Never.self) {
      try FileManager.default.removeItem(atPath: "\(run)/checkpoints")
      if FileManager.default.fileExists(atPath: "\(run)-aside") {
        try FileManager.default.moveItem(atPath: "\(run)-aside", toPath: "\(run)/checkpoints")
      }
    }
  }

  @Test(
    "A temporary disk failure causes a warning but loses no run and no old checkpoints", arguments: [1, 2])
  func refusesForAWhile(ranks: Int) throws {
    let recorder = Recorder { [run] event in
      if case .step(let report) = event, report.step == 6 { Self.block(run) }
      if case .saveFailed(let step, _) = event, step == 12 { Self.unblock(run) }
    }
    let outcome = try job(configuration(steps: 20, every: 4), ranks: ranks).run(recorder)
    #expect(outcome.ending == .completed && recorder.losses.count == 20)
    #expect(recorder.failedSaves == Array(8...12))
    #expect(recorder.savedSteps == [4, 13, 16, 20])
    let kept = try FileManager.default.contentsOfDirectory(atPath: "\(run)/checkpoints")
    #expect(Set(kept).isSuperset(of: ["step-4", "step-13", "step-16", "step-20"]))
    // The run has computed the same as with a good disk.
    let good = directory.file("good")
    try Job(configuration(steps: 20, every: 4), ranks: ranks, directory: good).run()
    #expect(try CheckpointFiles(last: run) == CheckpointFiles(last: good))
  }

  @Test("A failed checkpoint is retried before the next one is due", arguments: [1, 3])
  func retry(ranks: Int) throws {
    let recorder = Recorder { [run] event in
      if case .step(let report) = event, report.step == 24 { Self.block(run) }
      if case .saveFailed = event { Self.unblock(run) }
    }
    try job(configuration(steps: 60, every: 25), ranks: ranks).run(recorder)
    #expect(recorder.failedSaves == [25])
    // A checkpoint that is requested immediately is written after the next step.
    #expect(recorder.savedSteps == [26, 50, 60])
  }

  /// A checkpoint is due after every step.
  @Test(
    "Retries are separated by time, not steps: a full disk causes one warning", arguments: [1, 2])
  func oneWarning(ranks: Int) throws {
    let recorder = Recorder { [run] event in
      if case .step(let report) = event, report.step == 3 { Self.block(run) }
      if case .step(let report) = event, report.step == 30 { Self.unblock(run) }
    }
    var job = job(configuration(steps: 30, every: 1), ranks: ranks)
    job.saveRetryDelay = .seconds(3600)
    let outcome = try job.run(recorder)
    #expect(outcome.ending == .completed)
    #expect(recorder.failedSaves == [3])
    // The last checkpoint of a run is always written.
    #expect(recorder.savedSteps == [1, 2, 30])
  }

  // MARK: Writing in the background

  @Test("Checkpoints written by a thread equal those written directly", arguments: [1, 2])
  func background(ranks: Int) throws {
    let recorder = Recorder()
    var background = configuration(steps: 20, every: 4)
    background.checkpoint.background = true
    try job(background, ranks: ranks).run(recorder)
    #expect(recorder.savedSteps == [4, 8, 12, 16, 20])
    let straight = directory.file("straight")
    try Job(configuration(steps: 20, every: 4), ranks: ranks, directory: straight).run()
    for step in [4, 12, 20] {
      let (one, other) = (
        try CheckpointFiles(run: run, step: step), try CheckpointFiles(run: straight, step: step)
      )
      #expect(one.model == other.model && one.optimizer == other.optimizer)
    }
  }

  @Test("A thread that can't write causes a warning and a retry, and the run continues")
  func backgroundFails() throws {
    let recorder = Recorder { [run] event in
      if case .step(let report) = event, report.step == 6 { Self.block(run) }
      if case .saveFailed = event { Self.unblock(run) }
    }
    var background = configuration(steps: 40, every: 8)
    background.checkpoint.background = true
    let outcome = try job(background, ranks: 2).run(recorder)
    #expect(outcome.ending == .completed && recorder.failedSaves == [8])
    #expect(recorder.savedSteps.last == 40 && recorder.savedSteps.count >= 5)
  }

  @Test("A run whose directory is moved saves nothing into the directory that takes its place")
  func movedDirectory() throws {
    let other = directory.file("other")
    let recorder = Recorder { [run] event in
      guard case .step(let report) = event, report.step == 6 || report.step == 10 else { return }
      #expect(throws: Never.self) {
        if report.step == 6 {
          try FileManager.default.moveItem(atPath: run, toPath: other)
          try Job(configuration(steps: 2, every: 1), directory: run).run()
        } else {
          try FileManager.default.removeItem(atPath: run)
          try FileManager.default.moveItem(atPath: other, toPath: run)
        }
      }
    }
    let outcome = try job(configuration(steps: 12, every: 4), ranks: 2).run(recorder)
    #expect(outcome.ending == .completed)
    #expect(recorder.failedSaves == [8, 9])
    #expect(recorder.savedSteps == [4, 10, 12])
  }

  @Test("A run whose last checkpoint can't be written ends with 74 on all ranks", arguments: [1, 2])
  func lastSaveFails(ranks: Int) throws {
    let recorder = Recorder { [run] event in
      if case .step(let report) = event, report.step == 10 { Self.block(run) }
    }
    let ends = try job(configuration(steps: 12, every: 5), ranks: ranks).ends(recorder)
    #expect(ends.allSatisfy { $0.exitCode == ExitCode.readWriteFailed })
    #expect(
      ends.allSatisfy { $0.message.contains("could not be saved") && $0.message.contains("checkpoints") })
    let record = try String(contentsOfFile: "\(run)/run.json", encoding: .utf8)
    #expect(record.contains("\"failed\"") && record.contains("could not be saved"))
    // With a working disk, the run continues from the previous checkpoint to its end.
    Self.unblock(run)
    #expect(
      try job(configuration(steps: 12, every: 5), ranks: ranks, resuming: true).run().ending == .completed)
  }

  @Test("A stopped run ends in the same way")
  func stopSaveFails() throws {
    let signals = StopSignals()
    let recorder = Recorder { [run] event in
      guard case .step(let report) = event, report.step == 6 else { return }
      Self.block(run)
      signals.requestStop()
    }
    var job = job(configuration(steps: 12, every: 5), ranks: 2)
    job.signals = { $0 == 0 ? signals : StopSignals() }
    #expect(try job.ends(recorder).map(\.exitCode) == [ExitCode.readWriteFailed, ExitCode.readWriteFailed])
  }

  // MARK: Reading

  /// The kinds of damage to a file.
  enum Damage: String, Sendable, CaseIterable {
    case flippedBit, cut, empty, removed, extended

    func apply(to path: String) throws {
      let url = URL(fileURLWithPath: path)
      var data = try Data(contentsOf: url)
      switch self {
      case .flippedBit: data[data.count * 3 / 4] ^= 4
      case .cut: data.removeLast(data.count / 3)
      case .empty: data = Data()
      case .removed: return try FileManager.default.removeItem(at: url)
      case .extended: data.append(0)
      }
      try data.write(to: url)
    }
  }

  @Test(
    "A damaged newest checkpoint is named, kept and skipped; the previous one is used",
    arguments: Damage.allCases, ["model.safetensors", "optimizer.safetensors", "state.json"])
  func damagedNewest(_ damage: Damage, file: String) throws {
    try job(configuration(steps: 12, every: 4), ranks: 2).run()
    let damaged = "\(run)/checkpoints/step-12"
    try damage.apply(to: "\(damaged)/\(file)")
    let recorder = Recorder { event in
      // The damaged checkpoint is kept until the run reaches the same step again.
      if case .step(let report) = event, report.step == 10 {
        #expect(FileManager.default.fileExists(atPath: damaged))
      }
    }
    try job(configuration(steps: 16, every: 4), ranks: 2, resuming: true).run(recorder)
    let resumed = recorder.events.compactMap { event in
      if case .resumed(let step, _, let rejected) = event { (step, rejected) } else { nil }
    }
    #expect(resumed.map(\.0) == [8])
    #expect(resumed.flatMap(\.1).count == 1)
    #expect(resumed.flatMap(\.1).first?.contains("step-12") == true)
    #expect(recorder.steps.map(\.step) == Array(9...16))
    let straight = directory.file("straight")
    try Job(configuration(steps: 16, every: 4), ranks: 2, directory: straight).run()
    #expect(try CheckpointFiles(last: run) == CheckpointFiles(last: straight))
    #expect(try CheckpointFiles(run: run, step: 12) == CheckpointFiles(run: straight, step: 12))
  }

  @Test("If none verifies, all ranks reject the run (65) and never restart it", arguments: [1, 3])
  func allDamaged(ranks: Int) throws {
    try job(configuration(steps: 12, every: 4), ranks: 1).run()
    for (step, damage) in zip([4, 8, 12], [Damage.cut, .flippedBit, .empty]) {
      try damage.apply(to: "\(run)/checkpoints/step-\(step)/model.safetensors")
    }
    let log = try Data(contentsOf: URL(fileURLWithPath: "\(run)/metrics.jsonl"))
    let recorder = Recorder()
    let ends = try job(configuration(steps: 16, every: 4), ranks: ranks, resuming: true).ends(recorder)
    #expect(ends.allSatisfy { $0.exitCode == ExitCode.badData })
    for step in [4, 8, 12] { #expect(ends.allSatisfy { $0.message.contains("step-\(step)") }) }
    #expect(recorder.steps.isEmpty)
    #expect(try Data(contentsOf: URL(fileURLWithPath: "\(run)/metrics.jsonl")) == log)
  }
}
