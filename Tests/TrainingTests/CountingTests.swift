import Communication
import Foundation
import Parameters
import RecurrentNN
import Synchronization
import Testing

@testable import Training
@testable import Tasks

@Suite("Steps, epochs and updates are counted exactly")
struct CountingTests {
  private struct Result: Sendable {
    var calls: [FakeTask.Call]
    var parameters: [Float]
    var outcome: RunOutcome?
    var error: String
    var exitCode: Int32
  }

  private func train(
    _ configuration: RunConfiguration, ranks: Int = 1, _ recorder: Recorder = Recorder(),
    evaluation: (@Sendable (_ shard: Int) throws -> LossSum)? = nil, accuracy: Double? = nil,
    microbatches: @escaping @Sendable (_ epoch: Int) -> Int = { _ in 100 },
    tokens: @escaping @Sendable (_ serial: Int) -> Int = { _ in 2 }
  ) throws -> Result {
    try InProcessCommunicator.run(ranks: ranks) { communicator in
      let plan = try ShardPlan(rank: communicator.rank, worldSize: ranks, reproducible: false)
      let task = FakeTask(
        microbatches: microbatches, tokens: tokens, evaluation: evaluation, fault: { _, _, _ in })
      task.accuracy = accuracy
      let trainer = try Trainer(
        configuration, task: task, plan: plan, communicator: communicator, store: nil,
        observer: communicator.rank == 0 ? recorder : nil, signals: StopSignals())
      var result = Result(calls: [], parameters: [], error: "", exitCode: ExitCode.done)
      do {
        result.outcome = try trainer.run()
      } catch {
        (result.error, result.exitCode) = ("\(error)", ExitCode.code(of: error))
      }
      (result.calls, result.parameters) = (task.calls, Array(task.parameters.elements))
      return result
    }[0]
  }

  @Test("A run ends with its last epoch for any number of batches", arguments: [1, 3])
  func epochs(accumulate: Int) throws {
    let lengths = [5, 2, 7, 4]
    let recorder = Recorder()
    let result = try train(
      .plainDescent {
        $0.training.epochs = 4
        $0.training.accumulate = accumulate
      }, recorder, microbatches: { lengths[min($0, 3)] })
    #expect(result.calls.map(\.epoch) == lengths.indices.flatMap { Array(repeating: $0, count: lengths[$0]) })
    #expect(result.calls.map(\.microbatch) == lengths.flatMap { Array(0..<$0) })
    #expect(result.outcome?.ending == .completed)
    let steps = lengths.map { ($0 + accumulate - 1) / accumulate }.reduce(0, +)
    #expect(result.outcome?.step == steps && recorder.steps.map(\.step) == Array(1...steps))
    #expect(recorder.steps.last?.epoch == 4 && recorder.steps.last?.totalSteps == steps)
    #expect(recorder.steps.allSatisfy { $0.remaining >= 0 && $0.totalSteps >= $0.step })
  }

  @Test("The first limit reached ends the run")
  func steps() throws {
    func count(_ steps: Int) throws -> Int {
      try train(
        .plainDescent {
          $0.training.epochs = 3
          $0.training.steps = steps
        }, microbatches: { 2 + $0 }
      ).calls.count
    }
    #expect(try count(4) == 4 && count(8) == 8 && count(9) == 9 && count(10) == 9 && count(1000) == 9)
  }

  @Test("Microbatches know their update, even at the end of an epoch")
  func updates() throws {
    let result = try train(
      .plainDescent {
        $0.training.steps = 5
        $0.training.accumulate = 3
      }, microbatches: { _ in 4 })
    #expect(result.calls.map(\.update) == [0, 0, 0, 1, 2, 2, 2, 3, 4, 4, 4])
    #expect(result.calls.map(\.serial) == Array(0..<11))
  }

  @Test("Teacher forcing decreases linearly to its end")
  func teacherForcing() {
    var training = TrainingConfiguration()
    training.teacherForcing = 0.9
    #expect([0, 1000].map(training.teacherForcing) == [0.9, 0.9])
    training.teacherForcingEnd = 0.5
    training.teacherForcingSteps = 4
    let expected = [0.9, 0.8, 0.7, 0.6, 0.5, 0.5]
    #expect(zip((0..<6).map(training.teacherForcing), expected).allSatisfy { abs($0 - $1) < 1e-12 })
    training.teacherForcingSteps = 0
    #expect(training.teacherForcing(at: 0) == 0.5)
  }

  @Test(
    "A batch with nothing to predict is a step without an update, not a divergence", arguments: 1...3
  )
  func emptyBatches(ranks: Int) throws {
    let recorder = Recorder()
    let result = try train(
      .plainDescent {
        $0.training.steps = 10
        $0.training.skipLimit = 1
        $0.training.optimizer.weightDecay = 0
      }, ranks: ranks, recorder, tokens: { [3, 4, 7].contains($0) ? 0 : 2 })
    #expect(result.error == "" && result.calls.count == 10)
    #expect(result.parameters == [Float](repeating: -0.5 * 7, count: 5))
    #expect(!recorder.events.contains { if case .skippedStep = $0 { true } else { false } })
    #expect(recorder.steps.map(\.gradientNorm.isFinite) == Array(repeating: true, count: 10))
    #expect(recorder.steps.filter { $0.loss.isFinite }.map(\.step) == [1, 2, 3, 6, 7, 9, 10])
  }

  @Test("An epoch with nothing to predict is a data error: 65", arguments: 1...2)
  func emptyData(ranks: Int) throws {
    let result = try train(
      .plainDescent { $0.training.epochs = 9 }, ranks: ranks, microbatches: { _ in 3 }, tokens: { _ in 0 })
    #expect(result.exitCode == ExitCode.badData && result.error.contains("training data"))
    #expect(result.calls.count == 3)
  }

  @Test("Validation data with nothing to predict is a data error: 65", arguments: 1...2)
  func emptyValidation(ranks: Int) throws {
    let result = try train(
      .plainDescent {
        $0.training.steps = 10
        $0.evaluation.everySteps = 4
      }, ranks: ranks, evaluation: { _ in LossSum() })
    #expect(result.exitCode == ExitCode.badData && result.error.contains("validation data"))
    #expect(result.calls.count == 4)
  }

  @Test("A metric that the validation data don't have: 78, with the available ones")
  func missingMetric() throws {
    let result = try train(
      .plainDescent {
        $0.training.steps = 10
        $0.evaluation.everySteps = 4
        $0.evaluation.metric = .f1
      }, ranks: 2, evaluation: { _ in LossSum(total: 1, tokens: 1) })
    #expect(result.exitCode == ExitCode.configuration && result.calls.count == 4)
    for word in ["evaluation.metric", "f1", "loss, perplexity"] { #expect(result.error.contains(word)) }
  }

  @Test("Among equal metrics, the lowest loss is best, but does not reset patience")
  func ties() throws {
    let losses = [4.0, 3, 3, 5, 1]
    let pieces = Mutex(0)
    let recorder = Recorder()
    let result = try train(
      .plainDescent {
        $0.training.steps = 10
        $0.evaluation.everySteps = 2
        $0.evaluation.metric = .accuracy
        $0.evaluation.patience = 3
      }, recorder,
      evaluation: { _ in
        // Two pieces per evaluation.
        let evaluation = pieces.withLock { pieces in
          defer { pieces += 1 }
          return pieces / 2
        }
        return LossSum(total: losses[evaluation], tokens: 1)
      }, accuracy: 1)
    #expect(recorder.evaluations.map(\.isBest) == [true, true, false, false])
    #expect(result.outcome?.ending == .earlyStopped)
    #expect(result.outcome?.bestStep == 4 && result.outcome?.bestLoss == 3)
  }
}

@Suite("A model that exceeds the memory is rejected before allocation")
struct ModelMemoryTests {
  @Test("The bytes include all copies")
  func exact() throws {
    try ModelMemory.require(parameters: 100, copies: 3, further: 5, memory: 1220)
    let error = #expect(throws: TrainingFailure.self) {
      try ModelMemory.require(parameters: 100, copies: 3, further: 5, memory: 1219)
    }
    #expect(error == .tooLarge(parameters: 100, bytes: 1220, memory: 1219))
    #expect(error?.exitCode == ExitCode.configuration)
  }

  @Test(
    "Sizes that overflow are too large",
    arguments: [
      (Int.max, 1, 0), (Int.max / 2, 3, 0), (Int.max / 4, 1, 100), (1, 1, Int.max),
    ])
  func overflow(parameters: Int, copies: Int, further: Int) {
    let error = #expect(throws: TrainingFailure.self) {
      try ModelMemory.require(parameters: parameters, copies: copies, further: further, memory: .max)
    }
    #expect(error?.description.contains("GiB") == true)
  }

  @Test("Buffers are divided only where there are ranks to divide them among")
  func dividedBuffers() {
    func copies(ranks: Int, onHost: Int, _ change: (inout TrainingConfiguration) -> Void) -> Int {
      var training = TrainingConfiguration()
      training.optimizer.kind = .adam
      change(&training)
      return ModelMemory.copies(training, ranks: ranks, onHost: onHost)
    }
    // Parameters, gradient and two moments.
    #expect(copies(ranks: 4, onHost: 4) { _ in } == 4)
    #expect(copies(ranks: 1, onHost: 1) { $0.reduction.shardsOptimizer = true } == 4)
    #expect(copies(ranks: 2, onHost: 1) { $0.reduction.shardsOptimizer = true } == 3)
    #expect(copies(ranks: 2, onHost: 1) { $0.reduction.sharesParameters = true } == 4)
    #expect(copies(ranks: 6, onHost: 3) { $0.reduction.sharesParameters = true } == 2)
    #expect(copies(ranks: 4, onHost: 2) { $0.reduction.localSteps = 8 } == 6)
    #expect(copies(ranks: 1, onHost: 1) { $0.averageDecay = 0.9 } == 6)
  }

  @Test("A layout of any size can be described")
  func layout() {
    var builder = ParameterLayout.Builder()
    _ = builder.add("first", [1 << 40, 1 << 40], .constant(0))
    _ = builder.add("second", [7], .constant(0))
    let layout = builder.build()
    #expect(layout.count == .max && layout.parameters.map(\.count) == [.max, 7])
  }
}
