import Communication
import Foundation
import Optimizers
import RecurrentNN
import TestSupport
import Testing
@testable import Tasks
@testable import Training

@Suite("p ranks compute what one rank computes")
struct RankEquivalenceTests {
  let directory: TemporaryDirectory
  let text: String

  init() throws { (directory, text) = try temporaryText(characters: 700) }

  struct Case: Sendable, CustomTestStringConvertible {
    var cell: CellKind
    var batchSize: Int
    var tiesEmbeddings = false
    var testDescription: String { "\(cell.rawValue), batch of \(batchSize)" }
  }

  @Test(
    "Losses, evaluations and weights agree to rounding",
    arguments: [
      Case(cell: .rnn, batchSize: 5), Case(cell: .gru, batchSize: 7),
      Case(cell: .lstm, batchSize: 5, tiesEmbeddings: true),
    ])
  func sameTraining(_ test: Case) throws {
    let configuration = RunConfiguration.small(text) {
      $0.model.network.cell.kind = test.cell
      $0.model.network.layers = 2
      $0.model.network.dropout = 0.3
      $0.model.tieEmbeddings = test.tiesEmbeddings
      $0.model.embeddingSize = test.tiesEmbeddings ? $0.model.network.hiddenSize : 6
      $0.training.batchSize = test.batchSize
      $0.training.steps = 24
      $0.training.optimizer.kind = .momentum
      $0.training.learningRate = 0.05
      $0.evaluation.everySteps = 10
      $0.checkpoint.everySteps = 8
    }
    let (alone, run) = try train(configuration, ranks: 1)
    #expect(alone.losses.count == 24)
    #expect(alone.losses[23] < alone.losses[0])
    for ranks in 2...4 {
      let (together, other) = try train(configuration, ranks: ranks)
      #expect(relativeDifference(together.losses, alone.losses) < 1e-5)
      #expect(relativeDifference(together.steps.map(\.gradientNorm), alone.steps.map(\.gradientNorm)) < 1e-4)
      let (scores, expected) = (together.evaluations.map(\.result.loss), alone.evaluations.map(\.result.loss))
      #expect(scores.map(\.tokens) == expected.map(\.tokens))
      #expect(relativeDifference(scores.map(\.mean), expected.map(\.mean)) < 1e-5)
      let (weights, expectedWeights) = (try lastWeights(of: other), try lastWeights(of: run))
      #expect(zip(weights, expectedWeights).allSatisfy { abs($0 - $1) < 1e-5 })
    }
  }

  @Test("Clipping uses the norm of the global gradient over the global number of tokens", arguments: [2, 3])
  func clipping(ranks: Int) throws {
    let configuration = RunConfiguration.small(text) {
      $0.training.batchSize = 7
      $0.training.optimizer.kind = .sgd
      $0.training.learningRate = 1
      $0.training.clipNorm = 0.02
    }
    let (alone, _) = try train(configuration, ranks: 1)
    #expect(alone.steps.allSatisfy { $0.gradientNorm > 0.02 }, "every step must be clipped")
    let (together, _) = try train(configuration, ranks: ranks)
    #expect(relativeDifference(together.losses, alone.losses) < 1e-5)
    var unclipped = configuration
    unclipped.training.clipNorm = 0
    let (free, _) = try train(unclipped, ranks: 1)
    #expect(relativeDifference(free.losses, alone.losses) > 1e-3, "the clip must make a difference")
  }

  @Test("Reproducible runs have the same bits at 1, 2, 4 and 8 ranks")
  func sameBits() throws {
    let configuration = RunConfiguration.small(text) {
      $0.model.network.layers = 2
      $0.model.network.dropout = 0.2
      $0.training.batchSize = 9
      $0.training.accumulate = 2
      $0.training.reproducible = true
      $0.training.steps = 8
      $0.evaluation.everySteps = 4
    }
    let (alone, run) = try train(configuration, ranks: 1)
    let expected = try CheckpointFiles(last: run)
    for ranks in [2, 4, 8] {
      let (together, other) = try train(configuration, ranks: ranks)
      #expect(try CheckpointFiles(last: other) == expected, "\(ranks) ranks")
      #expect(together.losses == alone.losses)
      #expect(together.evaluations.map(\.result.loss) == alone.evaluations.map(\.result.loss))
    }
  }

  @Test(
    "A sharded optimizer gives the bits of a whole one",
    arguments: [OptimizerSettings.Kind.momentum, .adagrad, .adamw], [false, true])
  func shardedOptimizer(kind: OptimizerSettings.Kind, reproducible: Bool) throws {
    var configuration = RunConfiguration.small(text) {
      $0.model.network.dropout = 0.2
      // Few tokens per step leave rows of the embedding untouched.
      $0.training.batchSize = reproducible ? 9 : 2
      $0.training.bptt = 2
      $0.training.optimizer.kind = kind
      $0.training.reproducible = reproducible
      $0.training.averageDecay = 0.9
      $0.training.steps = 8
      $0.checkpoint.everySteps = 4
    }
    for ranks in [1, 2, 4] {
      configuration.training.reduction.shardsOptimizer = false
      let whole = try CheckpointFiles(last: train(configuration, ranks: ranks).run)
      configuration.training.reduction.shardsOptimizer = true
      let run = try train(configuration, ranks: ranks).run
      #expect(try CheckpointFiles(last: run) == whole, "\(ranks) ranks")
    }
  }

  @Test("A checkpoint of a sharded optimizer can be resumed at any number of ranks, sharded or whole")
  func shardedOptimizerIsResumed() throws {
    try resume(
      .adam, changing: \.shardsOptimizer,
      [(true, 4, true), (true, 2, true), (true, 1, true), (true, 2, false)])
  }

  @Test("A run with shared parameters can be resumed with copies, and the other way round")
  func sharedParametersAreResumed() throws {
    try resume(
      .momentum, changing: \.sharesParameters, [(true, 4, true), (true, 2, false), (false, 4, true)])
  }

  /// Trains half of the steps on two ranks and the rest on other ranks, with an option before and after the interruption, and
  /// compares the checkpoint with that of one rank without it. Hosts have two ranks after the interruption.
  private func resume(
    _ optimizer: OptimizerSettings.Kind, changing option: WritableKeyPath<ReductionOptions, Bool>,
    _ cases: [(before: Bool, ranks: Int, after: Bool)]
  ) throws {
    let configuration = RunConfiguration.small(text) {
      $0.training.batchSize = 9
      $0.training.optimizer.kind = optimizer
      $0.training.reproducible = true
      $0.training.steps = 8
      $0.checkpoint.everySteps = 4
    }
    let undisturbed = try CheckpointFiles(last: train(configuration, ranks: 1).run)
    for (before, ranks, after) in cases {
      var first = configuration
      first.training.steps = 4
      first.training.reduction[keyPath: option] = before
      let run = try train(first, ranks: 2).run
      var second = Job(configuration, ranks: ranks, directory: run)
      second.ranksPerHost = 2
      second.configuration.training.reduction[keyPath: option] = after
      second.existing = .resume
      try second.run()
      #expect(try CheckpointFiles(last: run) == undisturbed, "\(before), then \(ranks) ranks, \(after)")
    }
  }

  /// Sharers: 1, 2 and 4 ranks of one host, two ranks on each of two hosts, and three on one host with one on another.
  @Test(
    "Parameters that ranks share give the bits of copies",
    arguments: [(1, 1), (2, 2), (4, 4), (4, 2), (4, 3), (4, 1)])
  func sharedParameters(ranks: Int, ranksPerHost: Int) throws {
    var configuration = RunConfiguration.small(text) {
      $0.model.network.dropout = 0.2
      // Few tokens per step leave rows of the embedding untouched.
      $0.training.batchSize = 4
      $0.training.bptt = 2
      $0.training.optimizer.kind = .adam
      $0.training.steps = 8
      $0.checkpoint.everySteps = 4
      $0.evaluation.everySteps = 3
    }
    let copies = try train(configuration, ranks: ranks)
    configuration.training.reduction.sharesParameters = true
    let shared = try train(configuration, ranks: ranks, ranksPerHost: ranksPerHost)
    #expect(try CheckpointFiles(last: shared.run) == CheckpointFiles(last: copies.run))
    #expect(shared.recorder.losses == copies.recorder.losses)
    let planned = shared.recorder.events.compactMap { if case .planned(let plan) = $0 { plan } else { nil } }
    let gradients = try #require(planned.first?.gradients)
    #expect(planned.first?.parameters == gradients / ranksPerHost)
    let isWarned = shared.recorder.events.contains {
      if case .warning(let text) = $0 { text.contains("training.share_parameters") } else { false }
    }
    #expect(isWarned == (ranks > 1 && ranksPerHost == 1))
  }

  @Test("Gradients that are sent in bf16 lead to nearly the same losses, also with a sharded optimizer")
  func bf16OnTheWire() throws {
    var configuration = RunConfiguration.small(text) {
      $0.training.batchSize = 9
      $0.training.steps = 24
    }
    let exact = try train(configuration, ranks: 3).recorder.losses
    configuration.training.reduction.wire = .bf16
    let rounded = try train(configuration, ranks: 3).recorder.losses
    #expect(rounded != exact)
    #expect(relativeDifference(rounded, exact) < 0.02)
    configuration.training.reduction.shardsOptimizer = true
    #expect(try train(configuration, ranks: 3).recorder.losses == rounded)
  }

  /// The run is stopped by a signal at a step that nothing else is due at, and resumed.
  @Test(
    "Local steps learn, and a resumed run is bit-identical to an uninterrupted one", arguments: [1, 2, 3])
  func localStepsAreResumed(ranks: Int) throws {
    let configuration = RunConfiguration.small(text) {
      $0.training.batchSize = 6
      $0.training.optimizer.kind = .adam
      $0.training.reduction.localSteps = 3
      $0.training.steps = 24
      $0.checkpoint.everySteps = 8
      $0.evaluation.everySteps = 10
    }
    let (recorder, run) = try train(configuration, ranks: ranks)
    #expect(recorder.losses[23] < recorder.losses[0])
    let signals = StopSignals()
    var job = Job(configuration, ranks: ranks, directory: directory.file("stopped"))
    job.signals = { $0 == ranks - 1 ? signals : StopSignals() }
    let stopping = Recorder { event in
      if case .step(let report) = event, report.step == 13 { signals.requestStop(SIGTERM) }
    }
    #expect(try job.run(stopping).step == 15)
    job.signals = { _ in StopSignals() }
    job.existing = .resume
    try job.run()
    #expect(try CheckpointFiles(last: directory.file("stopped")) == CheckpointFiles(last: run))
    job.ranks = ranks == 2 ? 3 : 2
    job.configuration.training.steps = 30
    #expect(try job.run().step == 30, "another number of ranks")
  }

  @Test("The changes of local steps can be sent in bf16, with nearly the same losses", arguments: [2, 3])
  func localStepsInBF16(ranks: Int) throws {
    var configuration = RunConfiguration.small(text) {
      $0.training.batchSize = 6
      $0.training.optimizer.kind = .adam
      $0.training.reduction.localSteps = 3
      $0.training.steps = 24
    }
    let exact = try train(configuration, ranks: ranks).recorder.losses
    configuration.training.reduction.wire = .bf16
    let rounded = try train(configuration, ranks: ranks).recorder.losses
    #expect(rounded != exact)
    #expect(relativeDifference(rounded, exact) < 0.02)
  }

  @Test("A request to save or to stop waits until the ranks have the same parameters")
  func requestsWaitForLocalSteps() throws {
    var configuration = RunConfiguration.small(text) {
      $0.training.batchSize = 6
      $0.training.reduction.localSteps = 5
      $0.training.steps = 24
      $0.checkpoint.everySteps = 24
    }
    configuration.evaluation.everySteps = 24
    let signals = StopSignals()
    let recorder = Recorder { event in
      if case .step(let report) = event, report.step == 6 { signals.requestStop(SIGTERM) }
    }
    var job = Job(configuration, ranks: 2, directory: directory.file("stopped"))
    job.signals = { $0 == 0 ? signals : StopSignals() }
    let outcome = try job.run(recorder)
    #expect(outcome.ending == .signalled && outcome.step == 10)
  }

  @Test("Without the fixed tree, the bits depend on the number of ranks")
  func otherBits() throws {
    let configuration = RunConfiguration.small(text) { $0.training.batchSize = 9 }
    let runs = try [1, 3].map { try train(configuration, ranks: $0).run }
    #expect(try CheckpointFiles(last: runs[0]).model != CheckpointFiles(last: runs[1]).model)
  }

  @Test(
    "A number of ranks that the fixed tree does not allow is refused, and nothing is created",
    arguments: [3, 5])
  func unevenRanks(ranks: Int) throws {
    let configuration = RunConfiguration.small(text) {
      $0.training.batchSize = 9
      $0.training.reproducible = true
    }
    let run = directory.file("run")
    let ends = try Job(configuration, ranks: ranks, directory: run).ends()
    #expect(ends.allSatisfy { $0.exitCode == ExitCode.configuration })
    #expect(
      ends.allSatisfy { $0.message.contains("training.reproducible") && $0.message.contains("\(ranks)") })
    #expect(!FileManager.default.fileExists(atPath: run))
  }

  @Test("Ranks without streams take part", arguments: [false, true])
  func fewerStreamsThanRanks(reproducible: Bool) throws {
    let configuration = RunConfiguration.small(text) {
      $0.model.network.dropout = 0.3
      $0.training.batchSize = 1
      $0.training.reproducible = reproducible
      $0.evaluation.batchSize = 2
      $0.checkpoint.everySteps = 5
    }
    let (alone, _) = try train(configuration, ranks: 1)
    let (together, run) = try train(configuration, ranks: 4)
    #expect(relativeDifference(together.losses, alone.losses) < 1e-5)
    #expect(together.evaluations.map(\.result.loss.tokens) == alone.evaluations.map(\.result.loss.tokens))
    // The streams' states are gathered from ranks of which most have none, and training can continue from their checkpoint.
    var longer = Job(configuration, ranks: 3, directory: run)
    longer.configuration.training.steps += 3
    longer.existing = .resume
    if reproducible { longer.ranks = 2 }
    #expect(try longer.run().step == configuration.training.steps + 3)
  }

  /// Trains a new run; returns the events that it reported, and its directory.
  private func train(_ configuration: RunConfiguration, ranks: Int, ranksPerHost: Int? = nil) throws -> (
    recorder: Recorder, run: String
  ) {
    let recorder = Recorder()
    let run = directory.file(UUID().uuidString)
    var job = Job(configuration, ranks: ranks, directory: run)
    job.ranksPerHost = ranksPerHost
    try job.run(recorder)
    return (recorder, run)
  }
}
