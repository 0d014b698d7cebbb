import Checkpoints
import Communication
import Datasets
import Foundation
@_exported import InProcessRanks
import RunLog
import Synchronization
import TestSupport
@testable import Training
@testable import Tasks

/// Words of six letters in a fixed, irregular order: a text that can be learned, with a vocabulary of eight.
func sampleText(characters: Int, seed: UInt32 = 1) -> String {
  var random = seed
  var text = ""
  for index in 0..<characters {
    random = random &* 1_664_525 &+ 1_013_904_223
    text += index % 29 == 28 ? "\n" : ["a", "b", "c", " ", "d", "ab", "e", "ba"][Int(random >> 29)].prefix(1)
  }
  return text
}

/// A file with a sample text, in a directory for one test.
func temporaryText(characters: Int) throws -> (directory: TemporaryDirectory, path: String) {
  let directory = try TemporaryDirectory()
  return (directory, try directory.write(sampleText(characters: characters), to: "text.txt"))
}

extension ShardPlan {
  /// A plan with one shard on one rank.
  static var alone: ShardPlan {
    guard let plan = try? ShardPlan(rank: 0, worldSize: 1, reproducible: false) else {
      preconditionFailure("every number of ranks can have plain shards")
    }
    return plan
  }
}

extension RunConfiguration {
  /// A model of a few hundred parameters on a text of a few hundred characters, every step reported.
  static func small(_ text: String, _ change: (inout RunConfiguration) -> Void = { _ in }) -> RunConfiguration
  {
    var configuration = RunConfiguration()
    configuration.seed = 7
    configuration.model.network.hiddenSize = 8
    configuration.model.embeddingSize = 6
    configuration.data.train = DataPath(file: text)
    configuration.training.batchSize = 4
    configuration.training.bptt = 5
    configuration.training.epochs = 0
    configuration.training.steps = 12
    configuration.training.learningRate = 0.01
    configuration.evaluation.batchSize = 3
    configuration.log.everySteps = 1
    configuration.log.tensorboard = false
    configuration.checkpoint.keep = 100
    change(&configuration)
    return configuration
  }
}

/// Keeps all events of a run, and lets a test react to them during the run.
final class Recorder: TrainingObserver, Sendable {
  private let kept = Mutex<[TrainingEvent]>([])
  private let reaction: @Sendable (TrainingEvent) -> Void

  init(_ reaction: @escaping @Sendable (TrainingEvent) -> Void = { _ in }) { self.reaction = reaction }

  func handle(_ event: TrainingEvent) {
    kept.withLock { $0.append(event) }
    reaction(event)
  }

  var events: [TrainingEvent] { kept.withLock { $0 } }

  var steps: [StepReport] { events.compactMap { if case .step(let report) = $0 { report } else { nil } } }
  var evaluations: [EvaluationReport] {
    events.compactMap { if case .evaluated(let report) = $0 { report } else { nil } }
  }
  var losses: [Double] { steps.map(\.loss) }
  var savedSteps: [Int] {
    events.compactMap { if case .saved(let step, _, _) = $0 { step } else { nil } }
  }
  var failedSaves: [Int] {
    events.compactMap { if case .saveFailed(let step, _) = $0 { step } else { nil } }
  }
}

/// The start of a job, and its outcome.
struct Job: Sendable {
  var configuration: RunConfiguration
  var ranks = 1
  /// This number of consecutive ranks share memory; nil: all ranks do.
  var ranksPerHost: Int?
  var directory: String?
  var existing = RunDirectory.ExistingRun.refuse
  /// Changes the configuration of single ranks.
  var perRank: @Sendable (_ rank: Int, inout RunConfiguration) -> Void = { _, _ in }
  /// The time from a failed save to the next attempt.
  var saveRetryDelay = Duration.zero
  /// The cache of measurements of matrix products.
  var productCache: ProductCache?
  /// The stop signals of each rank; by default none are sent.
  var signals: @Sendable (_ rank: Int) -> StopSignals = { _ in StopSignals() }

  init(_ configuration: RunConfiguration, ranks: Int = 1, directory: String? = nil) {
    self.configuration = configuration
    self.ranks = ranks
    self.directory = directory
  }

  /// The way a rank ended.
  enum End: Sendable, Equatable {
    case outcome(RunOutcome)
    case failure(exitCode: Int32, message: String)

    var exitCode: Int32? { if case .failure(let code, _) = self { code } else { nil } }
    var message: String { if case .failure(_, let message) = self { message } else { "" } }
  }

  /// Runs all ranks to their ends, which may be failures.
  func ends(_ recorder: Recorder = Recorder()) throws -> [End] {
    try InProcessCommunicator.run(ranks: ranks, ranksPerHost: ranksPerHost) { communicator in
      do {
        return .outcome(try run(on: communicator, recorder))
      } catch {
        return .failure(exitCode: ExitCode.code(of: error), message: "\(error)")
      }
    }
  }

  /// Runs all ranks; throws the error of the first rank that failed.
  @discardableResult func run(_ recorder: Recorder = Recorder()) throws -> RunOutcome {
    try InProcessCommunicator.run(ranks: ranks, ranksPerHost: ranksPerHost) { try run(on: $0, recorder) }[0]
  }

  private func run(on communicator: InProcessCommunicator, _ recorder: Recorder) throws -> RunOutcome {
    var configuration = configuration
    perRank(communicator.rank, &configuration)
    var request = TrainingJob.Request(
      configuration: configuration, runDirectory: directory, existing: existing, commandLine: ["test"],
      versions: ["rnn-dist": "test"], productCache: productCache)
    request.saveRetryDelay = saveRetryDelay
    return try TrainingJob(
      request, communicator: communicator, observer: recorder, signals: signals(communicator.rank)
    ).run()
  }
}

/// The three files of a checkpoint.
struct CheckpointFiles: Equatable {
  var model: Data
  var optimizer: Data
  var state: Data

  /// The files of the checkpoint that was written last.
  init(last run: String) throws { try self.init("\(run)/checkpoints/last") }

  init(run: String, step: Int) throws { try self.init("\(run)/checkpoints/step-\(step)") }

  private init(_ path: String) throws {
    func read(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")) }
    model = try read(LoadedCheckpoint.FileName.model)
    optimizer = try read(LoadedCheckpoint.FileName.optimizer)
    state = try read(LoadedCheckpoint.FileName.state)
  }
}

/// The largest difference of two sequences, relative to the second; infinite if they differ in length.
func relativeDifference(_ first: [Double], _ second: [Double]) -> Double {
  guard first.count == second.count else { return .infinity }
  return zip(first, second).map { abs($0 - $1) / max(abs($1), 1e-30) }.max() ?? 0
}

/// The weights of the checkpoint written last, all in one array.
func lastWeights(of run: String) throws -> [Double] {
  let file = try SafetensorsFile(path: "\(run)/checkpoints/last/\(LoadedCheckpoint.FileName.model)")
  return try file.names.sorted().flatMap { try file.readDoubles($0) }
}

/// The lines of `metrics.jsonl`.
func metrics(of run: String) throws -> [[String: Any]] {
  try String(contentsOfFile: "\(run)/metrics.jsonl", encoding: .utf8).split(separator: "\n").map { line in
    let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
    return object as? [String: Any] ?? [:]
  }
}
