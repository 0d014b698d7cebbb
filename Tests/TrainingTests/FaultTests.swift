import Checkpoints
import Communication
import Parameters
import RecurrentNN
import Synchronization
import TestSupport
import Testing

@testable import Training
@testable import Tasks

@Suite("All ranks handle a fault on one rank")
struct FaultTests {
  struct Broken: Error, CustomStringConvertible {
    let description = "the disk of this rank is on fire"
  }

  /// The state of a rank after its training.
  struct Ending: Sendable {
    var parameters: [Float]
    var droppedStates: Int
    var rehearsals: Int
    var error: String
    var exitCode: Int32
    var trainingFailure: TrainingFailure?

    init(_ task: FakeTask, _ result: Result<RunOutcome, any Error>) {
      (parameters, droppedStates) = (Array(task.parameters.elements), task.droppedStates)
      rehearsals = task.rehearsals
      (error, exitCode) = ("", ExitCode.done)
      guard case .failure(let failure) = result else { return }
      (error, exitCode, trainingFailure) = (
        "\(failure)", ExitCode.code(of: failure), failure as? TrainingFailure
      )
    }
  }

  private func configuration(_ change: (inout RunConfiguration) -> Void = { _ in }) -> RunConfiguration {
    .plainDescent {
      $0.training.steps = 10
      $0.training.skipLimit = 3
      $0.checkpoint.everySteps = 4
      change(&$0)
    }
  }

  private func train(
    ranks: Int, _ configuration: RunConfiguration, _ recorder: Recorder = Recorder(),
    evaluation: (@Sendable (_ shard: Int) throws -> LossSum)? = nil, fault: @escaping FakeTask.Fault
  ) throws -> [Ending] {
    let endings = Mutex([Int: Ending]())
    let result = Result {
      try InProcessCommunicator.run(ranks: ranks) { communicator in
        let plan = try ShardPlan(rank: communicator.rank, worldSize: ranks, reproducible: false)
        let task = FakeTask(evaluation: evaluation, fault: fault)
        let trainer = try Trainer(
          configuration, task: task, plan: plan, communicator: communicator, store: nil,
          observer: communicator.rank == 0 ? recorder : nil, signals: StopSignals())
        let result = Result { try trainer.run() }
        endings.withLock { $0[communicator.rank] = Ending(task, result) }
        _ = try result.get()
      }
    }
    let all = endings.withLock { all in (0..<ranks).compactMap { all[$0] } }
    #expect(all.count == ranks)
    // The job as a whole fails if and only if a rank does.
    #expect(((try? result.get()) == nil) == all.contains { $0.error != "" })
    return all
  }

  private func skips(_ recorder: Recorder) -> [(step: Int, inARow: Int, parameters: [String])] {
    recorder.events.compactMap {
      if case .skippedStep(let step, let inARow, let parameters) = $0 {
        (step, inARow, parameters)
      } else {
        nil
      }
    }
  }

  // MARK: Memory

  @Test(
    "The largest batch runs before the first step, without effect, and its memory is reported",
    arguments: 1...2)
  func rehearsal(ranks: Int) throws {
    let recorder = Recorder()
    let endings = try train(ranks: ranks, configuration(), recorder) { _, _, _ in }
    for ending in endings { #expect(ending.rehearsals == 1) }
    let plans = recorder.events.compactMap { if case .planned(let plan) = $0 { plan } else { nil } }
    #expect(plans.count == 1)
    #expect(plans.first?.parameters == 5 * 4 && plans.first?.gradients == 5 * 4)
    guard case .planned = recorder.events.first else { Issue.record("the plan comes first"); return }
  }

  // MARK: Not a number

  @Test("NaN in one rank's gradient makes all ranks skip only that step", arguments: 1...4)
  func nanOnce(ranks: Int) throws {
    let recorder = Recorder()
    let endings = try train(ranks: ranks, configuration(), recorder) { serial, shard, gradients in
      if serial == 3 && shard == ranks - 1 { gradients.elements[4] = .nan }
    }
    let skips = skips(recorder)
    #expect(skips.map(\.step) == [4])
    #expect(skips.map(\.parameters) == [["second"]])
    for ending in endings {
      #expect(ending.error == "")
      #expect(ending.parameters == [Float](repeating: -0.5 * 9, count: 5))
      #expect(ending.droppedStates == 1)
    }
    #expect(recorder.steps.count == 10)
    #expect(recorder.steps.filter { $0.loss.isNaN }.map(\.step) == [4])
  }

  @Test("Repeated NaN ends all ranks with exit code 3 and the parameter's name", arguments: 1...3)
  func nanRepeatedly(ranks: Int) throws {
    let recorder = Recorder()
    let endings = try train(ranks: ranks, configuration(), recorder) { serial, shard, gradients in
      if serial >= 4 && shard == 0 { gradients.elements[0] = .infinity }
    }
    #expect(skips(recorder).map(\.inARow) == [1, 2, 3])
    for ending in endings {
      #expect(ending.trainingFailure == .diverged(step: 7, inARow: 3, parameters: ["first"]))
      #expect(ending.exitCode == ExitCode.diverged)
      #expect(ending.error.contains("first") && ending.error.contains("step 7"))
      #expect(ending.parameters == [Float](repeating: -0.5 * 4, count: 5))
    }
  }

  @Test("Successful steps in between reset the count")
  func nanNotInARow() throws {
    let recorder = Recorder()
    let endings = try train(ranks: 2, configuration(), recorder) { serial, shard, gradients in
      if serial % 3 != 0 && shard == 1 { gradients.elements[1] = .nan }
    }
    #expect(skips(recorder).map(\.inARow) == [1, 2, 1, 2, 1, 2])
    #expect(endings.allSatisfy { $0.parameters == [Float](repeating: -0.5 * 4, count: 5) })
  }

  @Test("A delayed checkpoint is written after the next update")
  func theCheckpointThatWaited() throws {
    let (recorder, directory) = (Recorder(), try TemporaryDirectory())
    let store = CheckpointStore(directory: directory.file("checkpoints"), keep: 9)
    let task = FakeTask(fault: { serial, _, gradients in
      if serial == 3 { gradients.elements[0] = .nan }
    })
    let trainer = try Trainer(
      configuration(), task: task, plan: try ShardPlan(rank: 0, worldSize: 1, reproducible: false),
      communicator: SoloCommunicator(), store: store, observer: recorder, signals: StopSignals())
    _ = try trainer.run()
    let saved = recorder.events.compactMap { if case .saved(let step, _, _) = $0 { step } else { nil } }
    #expect(saved == [5, 8, 10])
  }

  @Test("A sum that overflows is skipped even if every rank's part is finite")
  func overflow() throws {
    let recorder = Recorder()
    let endings = try train(ranks: 2, configuration(), recorder) { serial, _, gradients in
      if serial == 0 { gradients.elements[2] = 3e38 }
    }
    #expect(skips(recorder).map(\.parameters) == [["second"]])
    #expect(endings.allSatisfy { $0.parameters == [Float](repeating: -0.5 * 9, count: 5) })
  }

  @Test("A validation loss that is not finite ends all ranks with exit code 3")
  func validationNotFinite() throws {
    let endings = try train(
      ranks: 3, configuration(),
      evaluation: { shard in
        LossSum(total: shard == 2 ? .nan : 1, tokens: 1)
      }
    ) { _, _, _ in }
    #expect(endings.allSatisfy { $0.trainingFailure == .validationNotFinite(step: 10) })
    #expect(endings.allSatisfy { $0.exitCode == ExitCode.diverged })
  }

  // MARK: Ranks that fail

  @Test("An error on one rank ends every rank, and the others name it", arguments: [0, 2])
  func oneRankThrows(culprit: Int) throws {
    let endings = try train(ranks: 3, configuration()) { serial, shard, _ in
      if serial == 5 && shard == culprit { throw Broken() }
    }
    #expect(endings[culprit].error == Broken().description)
    for rank in 0..<3 where rank != culprit {
      #expect(endings[rank].error.contains("rank \(culprit)"))
      #expect(endings[rank].exitCode != 0)
    }
  }

  @Test("An error on one rank during evaluation ends every rank")
  func oneRankThrowsInEvaluation() throws {
    let endings = try train(
      ranks: 3, configuration(),
      evaluation: { shard in
        if shard == 1 { throw Broken() }
        return LossSum(total: 1, tokens: 1)
      }
    ) { _, _, _ in }
    #expect(endings[1].error == Broken().description)
    #expect(endings[0].error.contains("rank 1") && endings[2].error.contains("rank 1"))
  }

  @Test("A drifting replica is detected at the next checkpoint, on all ranks")
  func drift() throws {
    let endings = try InProcessCommunicator.run(ranks: 3) { communicator in
      let rank = communicator.rank
      let plan = try ShardPlan(rank: rank, worldSize: 3, reproducible: false)
      let task = FakeTask()
      task.parameters.elements[3] = rank == 2 ? 1e-7 : 0
      let trainer = try Trainer(
        configuration(), task: task, plan: plan, communicator: communicator, store: nil, observer: nil,
        signals: StopSignals())
      do {
        _ = try trainer.run()
        return (code: Int32(0), calls: task.calls.count, ranks: [Int]())
      } catch {
        return (ExitCode.code(of: error), task.calls.count, (error as? ReplicaMismatch)?.ranks ?? [])
      }
    }
    #expect(endings.allSatisfy { $0.code == ExitCode.configuration && $0.calls == 4 && $0.ranks == [2] })
  }

  /// Rank 2 starts with a different value of one parameter. The difference is too large to vanish by rounding.
  @Test("A drifting replica is detected within a hundred steps without a checkpoint")
  func driftBetweenCheckpoints() throws {
    let configuration = configuration {
      $0.training.steps = 250
      $0.checkpoint.everySteps = 1000
    }
    let endings = try InProcessCommunicator.run(ranks: 3) { communicator in
      let plan = try ShardPlan(rank: communicator.rank, worldSize: 3, reproducible: false)
      let task = FakeTask()
      task.parameters.elements[3] = communicator.rank == 2 ? 0.25 : 0
      let trainer = try Trainer(
        configuration, task: task, plan: plan, communicator: communicator, store: nil, observer: nil,
        signals: StopSignals())
      do {
        _ = try trainer.run()
        return (calls: task.calls.count, ranks: [Int]())
      } catch {
        return (task.calls.count, (error as? ReplicaMismatch)?.ranks ?? [])
      }
    }
    #expect(endings.allSatisfy { $0.calls == 100 && $0.ranks == [2] })
  }

  // MARK: Accumulation

  @Test(
    "Microbatches run in order, several per step, and don't cross the end of an epoch",
    arguments: [1, 2])
  func accumulation(ranks: Int) throws {
    let settings = configuration {
      $0.training.accumulate = 3
      $0.training.steps = 5
    }
    let results = try InProcessCommunicator.run(ranks: ranks) { communicator in
      let task = FakeTask(microbatches: 5)
      let plan = try ShardPlan(rank: communicator.rank, worldSize: ranks, reproducible: false)
      let trainer = try Trainer(
        settings, task: task, plan: plan, communicator: communicator, store: nil, observer: nil,
        signals: StopSignals())
      let outcome = try trainer.run()
      return (task.calls, Array(task.parameters.elements), outcome.step)
    }
    // Three and two to an epoch of five.
    let expected = (0..<13).map {
      FakeTask.Call(epoch: $0 / 5, microbatch: $0 % 5, serial: $0, update: $0 / 5 * 2 + $0 % 5 / 3)
    }
    for (calls, parameters, step) in results {
      #expect(calls == expected)
      #expect(step == 5)
      // The mean over the tokens, for any number of microbatches and ranks.
      #expect(parameters == [Float](repeating: -0.5 * 5, count: 5))
    }
  }
}
