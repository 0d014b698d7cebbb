import Checkpoints
import Foundation
import Optimizers
import Tasks
import TestSupport
import Testing

@testable import Training

@Suite("A resumed run equals one that was never stopped")
struct ResumeTests {
  let directory: TemporaryDirectory
  let text: String

  init() throws { (directory, text) = try temporaryText(characters: 260) }

  /// 12 steps per epoch, an evaluation after each epoch, 30 steps in total.
  private func configuration(_ schedule: Schedule.Kind = .plateau) -> RunConfiguration {
    .small(text) {
      $0.model.network.layers = 2
      $0.model.network.dropout = 0.3
      $0.training.steps = 30
      $0.training.learningRate = 0.05
      $0.training.schedule.kind = schedule
      $0.checkpoint.everySteps = 7
    }
  }

  /// The point at which a run is stopped: rank 0 gets the request at the report of a step.
  struct Stop: Sendable, CustomTestStringConvertible {
    var reportOf: Int
    var endsAt: Int
    var evaluationPending: Bool
    var testDescription: String { "asked at the report of step \(reportOf)" }
  }

  @Test(
    "All bytes of the last checkpoint are the same",
    arguments: [
      Stop(reportOf: 4, endsAt: 5, evaluationPending: false),
      Stop(reportOf: 6, endsAt: 7, evaluationPending: false),
      Stop(reportOf: 11, endsAt: 12, evaluationPending: true),
      // During the evaluation that follows the report.
      Stop(reportOf: 12, endsAt: 12, evaluationPending: true),
      Stop(reportOf: 12 + 1, endsAt: 14, evaluationPending: false),
      Stop(reportOf: 29, endsAt: 30, evaluationPending: true),
      Stop(reportOf: 30, endsAt: 30, evaluationPending: true),
    ], [1, 2])
  func sameBytes(_ stop: Stop, ranks: Int) throws {
    let expected = try straight(configuration(), ranks: ranks)
    let stopped = try self.stopped(configuration(), ranks: ranks, stop)
    let state = try state(of: stopped)
    #expect(state.step == stop.endsAt)
    #expect(state.evaluationPending == stop.evaluationPending)
    let recorder = try resume(stopped, configuration(), ranks: ranks)
    #expect(try CheckpointFiles(last: stopped) == CheckpointFiles(last: expected.run))
    let resumed = recorder.steps
    #expect(resumed.map(\.loss) == expected.recorder.losses.suffix(resumed.count))
    #expect(resumed.map(\.learningRate) == expected.recorder.steps.suffix(resumed.count).map(\.learningRate))
    #expect(try metricSteps(of: stopped, event: "train") == Array(1...30))
    #expect(try metricSteps(of: stopped, event: "valid") == [12, 24, 30])
  }

  @Test("Equal with other schedules, optimizers and sums", arguments: [1, 2])
  func sameBytesElsewhere(ranks: Int) throws {
    var variants = [configuration(.cosine), configuration(.inverseSqrt), configuration(.exponential)]
    variants[0].training.accumulate = 5
    variants[0].training.steps = 8
    variants[1].training.optimizer.kind = .sgd
    variants[1].model.network.cell.kind = .gru
    variants[2].training.optimizer.kind = .momentum
    variants[2].training.reproducible = true
    for configuration in variants {
      let expected = try straight(configuration, ranks: ranks)
      let stopped = try self.stopped(
        configuration, ranks: ranks, Stop(reportOf: 4, endsAt: 5, evaluationPending: false))
      try resume(stopped, configuration, ranks: ranks)
      #expect(try CheckpointFiles(last: stopped) == CheckpointFiles(last: expected.run))
    }
  }

  @Test("Equal after repeated stops")
  func manyStops() throws {
    let expected = try straight(configuration(), ranks: 1)
    let run = try stopped(configuration(), ranks: 1, Stop(reportOf: 2, endsAt: 3, evaluationPending: false))
    while try state(of: run).isComplete == false {
      let signals = StopSignals()
      let recorder = Recorder {
        if case .step(let report) = $0, report.step % 4 == 0 { signals.requestStop() }
      }
      try job(run, configuration(), ranks: 1, resuming: true, signals).run(recorder)
      #expect(recorder.steps.count <= 5)
    }
    try resume(run, configuration(), ranks: 1)
    #expect(try CheckpointFiles(last: run) == CheckpointFiles(last: expected.run))
  }

  @Test(
    "Every tensor of the training state counts", arguments: ["carried_state.", "exp_avg.", "exp_avg_sq."])
  func withoutPart(prefix: String) throws {
    let expected = try straight(configuration(), ranks: 1)
    let run = try stopped(configuration(), ranks: 1, Stop(reportOf: 4, endsAt: 5, evaluationPending: false))
    #expect(try zeroTensors(prefix, of: run) > 0)
    try resume(run, configuration(), ranks: 1)
    #expect(try CheckpointFiles(last: run).model != CheckpointFiles(last: expected.run).model)
  }

  @Test(
    "Other numbers of ranks read the same samples in the same order", arguments: [(2, 4), (3, 1), (1, 2)])
  func otherRanks(before: Int, after: Int) throws {
    let expected = try straight(configuration(), ranks: 1)
    let run = try stopped(
      configuration(), ranks: before, Stop(reportOf: 8, endsAt: 9, evaluationPending: false))
    let recorder = try resume(run, configuration(), ranks: after)
    #expect(recorder.steps.map(\.step) == Array(10...30))
    #expect(relativeDifference(recorder.losses, expected.recorder.losses.suffix(21)) < 1e-5)
    let (scores, all) = (
      recorder.evaluations.map(\.result.loss.mean), expected.recorder.evaluations.map(\.result.loss.mean)
    )
    #expect(relativeDifference(scores, all) < 1e-5)
  }

  @Test("A stop request on one rank stops all at the same step")
  func anyRank() throws {
    let run = directory.file("run")
    let signals = [StopSignals(), StopSignals(), StopSignals()]
    var job = job(run, configuration(), ranks: 3, resuming: false, signals[0])
    job.signals = { signals[$0] }
    let recorder = Recorder { if case .step(let report) = $0, report.step == 5 { signals[2].requestStop() } }
    let ends = try job.ends(recorder)
    let steps = ends.map {
      if case .outcome(let outcome) = $0, outcome.ending == .signalled { outcome.step } else { -1 }
    }
    // Rank 2 may have checked for requests just before its request arrived.
    #expect([6, 7].contains(steps[0]))
    #expect(Set(steps).count == 1)
    #expect(try state(of: run).step == steps[0])
  }

  @Test("A requested checkpoint is written at the next step, and the run continues")
  func checkpointOnRequest() throws {
    let run = directory.file("run")
    let signals = StopSignals()
    let recorder = Recorder {
      if case .step(let report) = $0, report.step == 16 { signals.requestCheckpoint() }
    }
    let outcome = try job(run, configuration(), ranks: 2, resuming: false, signals).run(recorder)
    #expect(outcome.ending == .completed)
    #expect(recorder.savedSteps.contains(17))
    #expect(!recorder.savedSteps.contains(18))
  }

  @Test("A longer run continues where the shorter one ended; a shorter one is done", arguments: [1, 2])
  func otherLength(ranks: Int) throws {
    let (long, short) = (
      configuration(.constant), changed(configuration(.constant)) { $0.training.steps = 17 }
    )
    let expected = try straight(long, ranks: ranks)
    let run = directory.file("run")
    try job(run, short, ranks: ranks, resuming: false, StopSignals()).run()
    let recorder = try resume(run, long, ranks: ranks)
    #expect(recorder.steps.map(\.step) == Array(18...30))
    let (found, wanted) = (try CheckpointFiles(last: run), try CheckpointFiles(last: expected.run))
    #expect(found.model == wanted.model && found.optimizer == wanted.optimizer)
    // No further step is run, although the checkpoint was made when more steps were planned.
    #expect(try resume(run, short, ranks: ranks).steps.isEmpty)
    #expect(try CheckpointFiles(last: run).model == wanted.model)
  }

  @Test("A run that is out of patience continues only with more of it")
  func patience() throws {
    var settings = configuration(.constant)
    settings.training.optimizer.kind = .sgd
    settings.training.learningRate = 1e-30  // nothing moves, nothing improves
    settings.evaluation.everySteps = 3
    settings.evaluation.patience = 2
    let run = directory.file("run")
    let first = try job(run, settings, ranks: 2, resuming: false, StopSignals()).run()
    #expect(first.ending == .earlyStopped && first.step == 9 && first.bestStep == 3)
    #expect(try resume(run, settings, ranks: 2).steps.isEmpty)
    settings.evaluation.patience = 4
    let last = try resume(run, settings, ranks: 2)
    #expect(last.steps.map(\.step) == Array(10...15))
  }

  /// The checkpoints of an earlier version don't contain keys that it didn't have.
  @Test("A setting that is newer than the run had its default value")
  func newerSetting() throws {
    let asked = configuration()
    let other = changed(asked) { $0.training.reduction.outerMomentum = 0.8 }
    var stored = RunIdentity(asked, dataDigest: 1)
    let value = stored.settings.removeValue(forKey: "training.outer_momentum")
    #expect(value == "0.5")
    try RunIdentity(asked, dataDigest: 1).requireSame(as: stored)
    let error = #expect(throws: TrainingFailure.self) {
      try RunIdentity(other, dataDigest: 1).requireSame(as: stored)
    }
    #expect(error?.description.contains("training.outer_momentum was 0.5, now it is 0.8") == true)
  }

  // MARK: Runs

  private func straight(_ configuration: RunConfiguration, ranks: Int) throws -> (
    recorder: Recorder, run: String
  ) {
    let (recorder, run) = (Recorder(), directory.file("straight-\(UUID().uuidString)"))
    try job(run, configuration, ranks: ranks, resuming: false, StopSignals()).run(recorder)
    return (recorder, run)
  }

  private func stopped(_ configuration: RunConfiguration, ranks: Int, _ stop: Stop) throws -> String {
    let run = directory.file("stopped-\(UUID().uuidString)")
    let signals = StopSignals()
    let recorder = Recorder {
      if case .step(let report) = $0, report.step == stop.reportOf { signals.requestStop() }
    }
    let outcome = try job(run, configuration, ranks: ranks, resuming: false, signals).run(recorder)
    #expect(outcome.ending == .signalled && outcome.step == stop.endsAt)
    #expect(!recorder.evaluations.contains { $0.step == stop.endsAt })
    return run
  }

  @discardableResult
  private func resume(_ run: String, _ configuration: RunConfiguration, ranks: Int) throws -> Recorder {
    let recorder = Recorder()
    try job(run, configuration, ranks: ranks, resuming: true, StopSignals()).run(recorder)
    return recorder
  }

  /// Only rank 0 receives `signals`.
  private func job(
    _ run: String, _ configuration: RunConfiguration, ranks: Int, resuming: Bool, _ signals: StopSignals
  ) -> Job {
    var job = Job(configuration, ranks: ranks, directory: run)
    job.existing = resuming ? .resume : .refuse
    job.signals = { $0 == 0 ? signals : StopSignals() }
    return job
  }

  private func changed(
    _ configuration: RunConfiguration, _ change: (inout RunConfiguration) -> Void
  ) -> RunConfiguration {
    var result = configuration
    change(&result)
    return result
  }

  // MARK: Checkpoints

  private func store(_ run: String) -> CheckpointStore {
    CheckpointStore(directory: "\(run)/checkpoints", keep: 100)
  }

  private func state(of run: String) throws -> TrainingState {
    try #require(try store(run).loadNewestValid()).state()
  }

  /// Overwrites the tensors whose names have a prefix with zeros, in a checkpoint that verifies; returns the number of
  /// floats that changed.
  private func zeroTensors(_ prefix: String, of run: String) throws -> Int {
    let checkpoint = try #require(try store(run).loadNewestValid())
    var changed = 0
    var memory: [UnsafeMutableBufferPointer<Float>] = []
    defer { for buffer in memory { buffer.deallocate() } }
    func tensors(_ file: SafetensorsFile) throws -> [TensorToWrite] {
      try file.names.map { name in
        var values = try file.readDoubles(name).map(Float.init)
        if name.hasPrefix(prefix) {
          changed += values.count { $0 != 0 }
          values = values.map { _ in 0 }
        }
        let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
        _ = buffer.initialize(from: values)
        memory.append(buffer)
        return TensorToWrite(name: name, shape: file.tensors[name]?.shape ?? [], floats: .init(buffer))
      }
    }
    try store(run).save(
      step: checkpoint.step, model: try tensors(checkpoint.model),
      optimizer: try tensors(checkpoint.optimizer),
      state: try checkpoint.state(as: TrainingState.self), isBest: false)
    return changed
  }

  private func metricSteps(of run: String, event: String) throws -> [Int] {
    try metrics(of: run).filter { $0["event"] as? String == event }.compactMap { $0["step"] as? Int }
  }
}
