import ArgumentParser
import Checkpoints
import Communication
import Configuration
import Foundation
import Inference
import NumericKernels
import RecurrentNN
import RunLog
import Training
import Tasks

struct TrainCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a model.",
    discussion: """
      Without a configuration the built-in default is trained, which generates its own data. The best checkpoint is the one \
      that evaluate, predict and generate use.

      Examples:
        rnn-dist train
        rnn-dist train char-lm data.train=input.txt --run-dir runs/shakespeare
        rnn-dist train --run-dir runs/shakespeare --resume
        rnn-dist train char-lm data.train=input.txt --init-from runs/shakespeare
        mpirun -np 4 rnn-dist train char-lm data.train=input.txt

      SIGUSR1 writes a checkpoint. SIGINT (Ctrl-C) and SIGTERM write one and end the run with exit code 75; --resume \
      continues it.
      """)

  @OptionGroup var arguments: ConfigurationArguments
  @Option(help: ArgumentHelp("Directory of the run (default: runs/NAME-DATE).", valueName: "dir"))
  var runDir: String?
  @Flag(help: "Continue the run in --run-dir.") var resume = false
  @Flag(help: "Replace the run in --run-dir.") var overwrite = false
  @Option(
    help: ArgumentHelp(
      "Start from the weights of this run (its best checkpoint), where names, shapes and tokens are the same.",
      valueName: "run"))
  var initFrom: String?
  @Flag(help: "Check configuration and data, print the plan, and stop.") var dryRun = false

  func validate() throws {
    if resume && overwrite { throw ValidationError("--resume and --overwrite contradict each other") }
    if resume && initFrom != nil {
      throw ValidationError("--resume continues from the run's own weights: leave out --init-from")
    }
    if resume && runDir == nil {
      throw ValidationError("--resume needs --run-dir, the directory of the run to continue")
    }
  }

  func run(on communicator: any Communicator) throws -> Int32 {
    let configuration = try arguments.resolve(resuming: resume ? runDir : nil, on: communicator)
    let crowd = try Threads.share(
      among: communicator, reproducible: configuration.training.reproducible)
    if communicator.rank == 0, let (ranks, cores) = crowd {
      Console.error(
        "warning: \(ranks) ranks share \(cores) \(cores == 1 ? "core" : "cores"), which is slower than one rank per core; "
          + "launch/run without -np starts as many ranks as there are cores")
    }
    let directory = dryRun ? nil : try sharedRunDirectory(communicator)
    do {
      return try train(configuration, in: directory, on: communicator)
    } catch {
      if communicator.rank == 0, runDir == nil, let directory { RunDirectoryName.release(directory) }
      throw error
    }
  }

  /// - Parameter directory: the run directory; nil: nothing is trained or written.
  private func train(
    _ configuration: RunConfiguration, in directory: String?, on communicator: any Communicator
  ) throws -> Int32 {
    let console = Console(metric: configuration.evaluation.metric)
    // A run that fails while it saves has not shown its last evaluation.
    defer { console.showEvaluation() }
    let request = TrainingJob.Request(
      configuration: configuration, runDirectory: directory,
      existing: resume ? .resume : overwrite ? .overwrite : .refuse, commandLine: CommandLine.arguments,
      versions: ProgramVersion.all,
      productCache: ProductCache.directory(in: ProcessInfo.processInfo.environment).map {
        ProductCache(directory: $0)
      })
    let job = TrainingJob(
      request, communicator: communicator, observer: console, startsFromWeights: initFrom != nil,
      startingWeights: try communicator.agree { communicator.rank == 0 ? try startingWeights() : nil })
    guard let directory else {
      try job.check()
      return ExitCode.done
    }
    let outcome = try job.run()
    if communicator.rank == 0 {
      try report(outcome, configuration, directory, ranks: communicator.worldSize)
    }
    return outcome.ending == .signalled ? ExitCode.stopped : ExitCode.done
  }

  /// The data files of a preset are not part of the program.
  func advice(after error: any Error) -> String? {
    // The ranks agree on the text of an error, not on its type.
    let lacksData = "\(error)".contains("data.train: ")
    guard let preset = arguments.source, let text = Presets.text(named: preset),
      text.contains(/data\.train[.=]/), lacksData || ExitCode.code(of: error) == ExitCode.inputMissing
    else { return nil }
    return "the preset \(preset) is made for data that you provide: rnn-dist config list \(preset)"
  }

  /// Reads the weights of another run.
  private func startingWeights() throws -> StartingWeights? {
    guard let initFrom else { return nil }
    let paths = try RunPaths(existing: initFrom)
    let saved = try SavedModel(run: paths, configuration: RunArguments.configuration(of: paths))
    return StartingWeights(
      name: "\(initFrom) (step \(saved.step))", saved.parameters, saved.encoding)
  }

  /// The run directory; if none is given, rank 0 chooses for all ranks.
  private func sharedRunDirectory(_ communicator: any Communicator) throws -> String {
    if let runDir { return runDir }
    let own = communicator.rank == 0 ? RunDirectoryName.reserve(for: arguments.source) : ""
    return String(decoding: try communicator.allgather(Array(own.utf8))[0], as: UTF8.self)
  }

  /// Prints the result, or how to continue the run.
  private func report(
    _ outcome: RunOutcome, _ configuration: RunConfiguration, _ directory: String, ranks: Int
  ) throws {
    if outcome.ending == .signalled {
      Console.error(
        "stopped at step \(outcome.step); to continue: \(Launcher.command(ranks: ranks)) train --run-dir "
          + "\(Launcher.quoted(directory)) --resume")
      return
    }
    // Commands that use a model run in one process.
    try RunReport.write(outcome, configuration, directory, launcher: Launcher.localCommand())
  }
}

/// Names for runs without --run-dir: `runs/char-lm-20260131-235959`.
enum RunDirectoryName {
  /// Creates a new directory and returns its path. Creating it reserves the name, because jobs may start in the same second.
  /// If it can't be created, opening it will fail with the reason.
  static func reserve(for source: String?) -> String {
    let name = source.map { URL(fileURLWithPath: $0).deletingPathExtension().lastPathComponent } ?? "default"
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.dateFormat = "yyyyMMdd-HHmmss"
    let first = "runs/\(name)-\(formatter.string(from: Date()))"
    let further = (2...99).lazy.map { "\(first)-\($0)" }
    mkdir("runs", 0o777)
    return ([first] + further).first { mkdir($0, 0o777) == 0 || errno != EEXIST } ?? first
  }

  /// Removes a reserved directory, and `runs`, if they are empty.
  static func release(_ path: String) {
    rmdir(path)
    rmdir("runs")
  }
}
