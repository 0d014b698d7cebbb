import Checkpoints
import Communication
import Configuration
import Foundation
import NumericKernels
import RecurrentNN
import RunLog
import Tasks

/// A training run from its configuration to its outcome, as `rnn-dist train` calls it.
public struct TrainingJob {
  /// The requested action.
  public struct Request: Sendable {
    public var configuration: RunConfiguration
    /// The directory of the run; nil: no files are written.
    public var runDirectory: String?
    public var existing: RunDirectory.ExistingRun
    public var commandLine: [String]
    /// The versions to record: program and libraries.
    public var versions: [String: String]
    /// The cache of matrix product measurements on rank 0; nil: they are not kept.
    public var productCache: ProductCache?
    /// The time between a failed save and the next attempt. It doubles with each additional failure.
    package var saveRetryDelay = Duration.seconds(10)

    public init(
      configuration: RunConfiguration, runDirectory: String?, existing: RunDirectory.ExistingRun = .refuse,
      commandLine: [String] = [], versions: [String: String] = [:], productCache: ProductCache? = nil
    ) {
      self.productCache = productCache
      self.configuration = configuration
      self.runDirectory = runDirectory
      self.existing = existing
      self.commandLine = commandLine
      self.versions = versions
    }
  }

  private let request: Request
  private let communicator: any Communicator
  private let observer: (any TrainingObserver)?
  private let signals: StopSignals
  private let startingWeights: StartingWeights?
  private let startsFromWeights: Bool

  /// - Parameters:
  ///   - observer: receives the events, on rank 0 only.
  ///   - startsFromWeights: whether training starts from the weights of another model; the same on all ranks.
  ///   - startingWeights: the weights to start from, on rank 0.
  ///   - signals: requests to this rank to save a checkpoint or to stop. It is enough if one rank receives a request.
  public init(
    _ request: Request, communicator: any Communicator, observer: (any TrainingObserver)? = nil,
    signals: StopSignals = .process, startsFromWeights: Bool = false, startingWeights: StartingWeights? = nil
  ) {
    (self.startsFromWeights, self.startingWeights) = (startsFromWeights, startingWeights)
    self.request = request
    self.signals = signals
    self.communicator = communicator
    self.observer = communicator.rank == 0 ? observer : nil
  }

  /// Trains (collective). Every rank returns the same outcome or throws.
  ///
  /// No file is created, and no earlier run is removed, before the data have been read.
  public func run() throws -> RunOutcome {
    let (task, plan) = try prepare()
    let directory = try communicator.agree { () -> RunDirectory? in
      guard communicator.rank == 0, let path = request.runDirectory else { return nil }
      return try RunDirectory(path: path, existing: request.existing)
    }
    let hosts = try communicator.hostNames()
    let record = RunRecorder(directory, request, hosts, ranks: communicator.worldSize)
    do {
      let outcome = try train(task, plan, directory, record, hosts)
      communicator.enter(.end, step: outcome.step)
      record.end(outcome)
      return outcome
    } catch {
      record.end(error)
      throw error
    }
  }

  /// Reads the data, builds the model and reports the plan, without training or writing (collective).
  public func check() throws {
    let (task, plan) = try prepare()
    let trainer = try Trainer(
      request.configuration, task: task, plan: plan, communicator: communicator, store: nil, observer: nil)
    // The call is collective, so all ranks must make it, although only rank 0 has an observer.
    let hosts = try communicator.hostNames()
    observer?.handle(.started(summary(task, trainer, hosts)))
    for warning in task.warnings { observer?.handle(.warning(warning)) }
  }

  /// Returns the task and the shards of this rank, after checking that all ranks have the same request and data.
  private func prepare() throws -> (any TrainingTask, ShardPlan) {
    try requireSameRequest()
    let plan = try ShardPlan(
      rank: communicator.rank, worldSize: communicator.worldSize,
      reproducible: request.configuration.training.reproducible)
    let task = try communicator.agree { try TaskKind.make(request.configuration, plan: plan) }
    try communicator.allEqual(Array(String(task.dataDigest).utf8), what: "the training data")
    for note in task.notes { observer?.handle(.note(note)) }
    if startsFromWeights {
      let notes = try communicator.agree { try startingWeights.map { try task.start(from: $0) } ?? [] }
      try communicator.broadcast(UnsafeMutableRawBufferPointer(task.parameters.elements), from: 0)
      task.parameters.didChange()
      for note in notes { observer?.handle(.note(note)) }
    }
    return (task, plan)
  }

  private func train(
    _ task: any TrainingTask, _ plan: ShardPlan, _ directory: RunDirectory?, _ record: RunRecorder,
    _ hosts: [String]
  ) throws -> RunOutcome {
    let log = directory.map {
      RunLogObserver($0, request.configuration, next: observer)
    }
    let watcher: (any TrainingObserver)? = log ?? observer
    let store = directory.map {
      directory in
      // The lock belongs to the directory. The path might later lead elsewhere, even into the directory of another run.
      CheckpointStore(
        directory: directory.paths.checkpoints, keep: request.configuration.checkpoint.keep,
        operations: FileSystemOperations { _, _ in try directory.requireInPlace() })
    }
    let trainer = try Trainer(
      request.configuration, task: task, plan: plan, communicator: communicator, store: store,
      observer: watcher, signals: signals, saveRetryDelay: request.saveRetryDelay, hosts: hosts.count,
      products: request.configuration.training.products == .tuned
        ? ProductSelection(cache: request.productCache) : nil)
    watcher?.handle(.started(summary(task, trainer, hosts)))
    for warning in task.warnings { watcher?.handle(.warning(warning)) }
    if request.existing == .resume, try !trainer.resume(), let directory {
      watcher?.handle(
        .warning("\(directory.paths.root) has no checkpoint: training starts from the beginning"))
    }
    // Written only now, because a run that can't resume with these settings keeps its configuration and vocabulary.
    try communicator.agree {
      guard let directory else { return }
      try record.begin()
      let stored = request.configuration.withAbsolutePaths(in: FileManager.default.currentDirectoryPath)
      let yaml = stored.yaml(commented: true)
      try DurableFile.write(Data(yaml.utf8), to: directory.paths.configuration)
      try task.writeInputs(to: directory.paths)
      try directory.flush()
    }
    if let path = request.runDirectory {
      // Every rank needs this, because the watchdog of any surviving rank may have to write the record.
      communicator.reportEnd { RunRecorder.write($0, to: RunPaths(root: path)) }
    }
    return try trainer.run()
  }

  /// Throws if the ranks have different settings. They are compared first, because even the order of collective calls
  /// depends on the settings.
  private func requireSameRequest() throws {
    try communicator.allEqual(
      Array("\(request.existing)".utf8), what: "the choice to resume or to overwrite a run")
    try communicator.allEqual(
      Array(request.configuration.yaml(commented: false).utf8), what: "the configuration")
  }

  private func summary(_ task: any TrainingTask, _ trainer: Trainer, _ hosts: [String]) -> RunSummary {
    let configuration = request.configuration
    return RunSummary(
      parameters: task.parameters.count, task: configuration.task, size: task.size,
      ranks: communicator.worldSize, hosts: hosts, threadsPerRank: KernelThreads.count,
      batchSize: configuration.training.batchSize, batchTokens: configuration.training.batchTokens,
      bptt: configuration.training.bptt, stepsPerEpoch: trainer.epochSteps, totalSteps: trainer.totalSteps)
  }
}
