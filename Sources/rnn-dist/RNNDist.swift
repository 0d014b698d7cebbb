import ArgumentParser
import Communication
import Configuration
import Glibc
import NumericKernels
import Tasks
import Training

/// The program: parses the command line, runs one command, and is the only place where a rank exits.
@main
struct RNNDist: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rnn-dist",
    abstract: "Data-parallel training of recurrent networks on CPU clusters.",
    discussion: """
      Runs alone or under a launcher: mpirun -np 4 rnn-dist train. Results go to standard output, the log to standard error.

      Exit codes: 0 done; 1 internal error; 3 training diverged; 64 usage; 65 bad data or checkpoint; 66 input missing; \
      73 can't create; 74 read or write failed; 75 stopped by a signal, can be resumed; 78 configuration.
      """,
    version: ProgramVersion.text,
    subcommands: [
      TrainCommand.self, PrepareCommand.self, EvaluateCommand.self, PredictCommand.self, ScoreCommand.self,
      GenerateCommand.self,
      InspectCommand.self, ExportCommand.self, ImportCommand.self, LengthsCommand.self, ReportCommand.self,
      ServeCommand.self, BenchCommand.self, ConfigCommand.self, DoctorCommand.self,
    ])

  static let _errorPrefix = "error: "

  static func main() {
    // Writing to a closed pipe or past a file-size limit is reported as an error; by default a signal would end the
    // program.
    takeSignals()
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    if let word = unreadableArgument {
      // Not left to rank 0: it may have other arguments.
      Console.failure(
        """
        \(word): argument is not valid UTF-8; write a text in UTF-8, or rename a file or create a symbolic link to it
        """)
      Glibc.exit(ExitCode.usage)
    }
    Glibc.exit(run(Array(CommandLine.arguments.dropFirst())))
  }

  /// The first argument that is not UTF-8. Swift would replace its bytes by U+FFFD, so that different names of files
  /// became the same.
  private static var unreadableArgument: String? {
    (0..<Int(CommandLine.argc)).lazy.compactMap { CommandLine.unsafeArgv[$0] }
      .first { String(validatingCString: $0) == nil }
      .map { String(cString: $0) }
  }

  /// Signals that arrive while the program starts must not end it. This is therefore the first call, before the command
  /// line is read.
  private static func takeSignals() {
    CrashSignals.install()
    if CommandLine.arguments.dropFirst().first == "train" {
      StopSignals.install()
    } else {
      // SIGUSR1 requests a checkpoint from a training run. Launchers send it to all processes of a job.
      signal(SIGUSR1, SIG_IGN)
    }
  }

  private static func run(_ arguments: [String]) -> Int32 {
    let reports = !Launcher.isReportedByRank0
    var parsed: (any ParsableCommand)?
    do {
      let command = try parseAsRoot(arguments)
      parsed = command
      if let name = InstructionSet.unusableRequest {
        throw ValidationError("RNN_DIST_KERNELS=\(name): \(KernelArguments.choices)")
      }
      switch command {
      case let command as any DistributedCommand: return run(distributed: command)
      case var command as any LocalCommand: return reports ? try run(local: &command) : ExitCode.done
      default:
        var command = command
        if reports { try command.run() }
        return ExitCode.done
      }
    } catch {
      // Before MPI is initialized, the launcher ends the job when the first rank fails, perhaps before rank 0 has printed its
      // message. The other ranks therefore report success.
      return reports ? report(error, of: parsed, arguments) : ExitCode.done
    }
  }

  // MARK: Running a command

  private static func run(distributed command: any DistributedCommand) -> Int32 {
    let communicator: any Communicator
    do {
      communicator = try CommunicatorFactory.make()
    } catch {
      // All processes of a job fail under a wrong launcher, and rank 0 reports the error for all of them.
      guard !Launcher.isReportedByRank0 else {
        // The same as for other usage errors: the launcher would end the job before rank 0 has printed its message.
        return error is WatchLimitsError ? ExitCode.done : ExitCode.code(of: error)
      }
      Console.failure("\(error)")
      return ExitCode.code(of: error)
    }
    var advice: String?
    do {
      try Handshake.own.compare(on: communicator)
      communicator.enter(.data, step: 0)
      let code = try command.run(on: communicator)
      try communicator.finalize()
      return code
    } catch let error as OutputFailure where error.isClosedPipe {
      // Results are written after the last collective: the other ranks are already leaving.
      do { try communicator.finalize() } catch { return ExitCode.code(of: error) }
      return ExitCode.done
    } catch {
      if communicator.rank == 0 { advice = command.advice(after: error) }
      return leave(communicator, error, advice)
    }
  }

  private static func run(local command: inout any LocalCommand) throws -> Int32 {
    do {
      return try command.runLocally()
    } catch let error as OutputFailure where error.isClosedPipe {
      return ExitCode.done
    } catch let error
      where !(error is ValidationError || error is CleanExit || error is ArgumentParser.ExitCode)
    {
      // The errors of the argument parser have their own text and exit code.
      Console.failure("\(error)")
      return ExitCode.code(of: error)
    }
  }

  /// Ends the job after an error. If all ranks threw it together, rank 0 prints it and all ranks finalize. If only this
  /// rank threw it, the others are waiting in a collective; this rank then prints it with its number and aborts the
  /// job.
  private static func leave(
    _ communicator: any Communicator, _ error: any Error, _ advice: String?
  ) -> Int32 {
    let code = ExitCode.code(of: error)
    let isAlone = communicator.worldSize == 1
    guard error is CollectiveFailure || error is ReplicaMismatch || error is TrainingFailure || isAlone else {
      Console.failure("rank \(communicator.rank) on \(communicator.hostName): \(error)")
      communicator.abort(exitCode: code)
    }
    if communicator.rank == 0 {
      Console.failure("\(error)")
      if let advice { Console.error(advice) }
    }
    do { try communicator.finalize() } catch { return code }
    return code
  }

  // MARK: Errors of the command line

  /// Prints a message of the argument parser, or a command's message about its arguments; returns the exit code.
  private static func report(
    _ error: any Error, of command: (any ParsableCommand)?, _ arguments: [String]
  ) -> Int32 {
    let code = exitCode(for: error).rawValue
    let text =
      if let command, let problem = error as? ValidationError {
        usageError(problem, of: type(of: command))
      } else if command == nil, let unknown = unknownCommand(in: arguments) {
        usageError(unknown.problem, of: unknown.parent)
      } else {
        fullMessage(for: error)
      }
    // A request for help or for the version is an "error" with code 0, whose text belongs on standard output.
    guard code == ExitCode.done else {
      Console.error(text)
      return code
    }
    do throws(OutputFailure) {
      try StandardOutput.line(text)
      return code
    } catch {
      return error.isClosedPipe ? ExitCode.done : error.exitCode
    }
  }

  /// Describes an error that a command found in its arguments, with the way to its help. The parser has finished
  /// by then and would show the usage of the program.
  private static func usageError(_ problem: ValidationError, of command: any ParsableCommand.Type) -> String {
    let usage = usageString(for: command)
    let name = usage.prefix { $0 != "[" && $0 != "<" }.split(separator: " ").joined(separator: " ")
    return "\(_errorPrefix)\(problem)\n  See '\(name) --help' for more information."
  }

  /// Describes the first word that is not a command, and suggests the nearest command. The parser would call it an
  /// unexpected argument.
  private static func unknownCommand(
    in words: [String]
  ) -> (problem: ValidationError, parent: any ParsableCommand.Type)? {
    var parent: any ParsableCommand.Type = RNNDist.self
    for word in words {
      let names = parent.configuration.subcommands.map { $0.configuration.commandName ?? "" }
      guard !names.isEmpty, !word.hasPrefix("-") else { return nil }
      if let index = names.firstIndex(of: word) {
        parent = parent.configuration.subcommands[index]
        continue
      }
      let hint =
        nearestName(to: word, among: names).map { "; did you mean \"\($0)\"?" }
        ?? " (commands: \(names.joined(separator: ", ")))"
      return (ValidationError("unknown command \"\(word)\"" + hint), parent)
    }
    return nil
  }
}

/// A command that all ranks run together.
protocol DistributedCommand: ParsableCommand {
  /// Runs on every rank and returns the exit code. Results are printed on rank 0.
  func run(on communicator: any Communicator) throws -> Int32
  /// Returns an additional line for the message of an error, on rank 0.
  func advice(after error: any Error) -> String?
}

extension DistributedCommand {
  func advice(after error: any Error) -> String? { nil }
}

/// A command that runs in one process. Of the ranks that an MPI launcher started directly, only rank 0 runs it.
protocol LocalCommand: ParsableCommand {
  /// Returns the exit code.
  mutating func runLocally() throws -> Int32
}

/// The exit code is kept when ranks agree on an error.
extension ValidationError: ExitCoded {
  public var exitCode: Int32 { Tasks.ExitCode.usage }
}
