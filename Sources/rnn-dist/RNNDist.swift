import ArgumentParser
import Communication
import Configuration
import Glibc
import Tasks

/// The program: parses the command line, runs one command, and is the only place a rank leaves through.
@main
struct RNNDist: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rnn-dist",
    abstract: "Data-parallel training of recurrent networks on CPU clusters.",
    discussion: """
      Starts alone or under a launcher: mpirun -np 4 rnn-dist train. Standard output carries results, standard error the log.

      Exit codes: 0 done; 1 internal error; 3 training diverged; 64 usage; 65 bad data or checkpoint; 66 input missing; \
      73 can't create; 74 read or write failed; 75 stopped by a signal, resumable; 78 configuration.
      """,
    version: ProgramVersion.text,
    subcommands: [
      TrainCommand.self, EvaluateCommand.self, PredictCommand.self, GenerateCommand.self,
      InspectCommand.self, LengthsCommand.self, BenchCommand.self, ConfigCommand.self,
    ])

  static let _errorPrefix = "error: "

  static func main() {
    // Writing to a closed pipe or past a file-size limit is an error to report, not a reason to die of a signal.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    Glibc.exit(run(CommandLine.arguments.dropFirst()))
  }

  private static func run(_ arguments: some Sequence<String>) -> Int32 {
    let reports = !Launcher.isReportedByRank0
    var parsed: (any ParsableCommand)?
    do {
      let command = try parseAsRoot(Array(arguments))
      parsed = command
      switch command {
      case let command as any DistributedCommand: return JobRunner.run(command)
      case var command as any LocalCommand: return reports ? try JobRunner.run(&command) : ExitCode.done
      default:
        var command = command
        if reports { try command.run() }
        return ExitCode.done
      }
    } catch {
      // Before MPI is initialized, the launcher ends the job when the first rank fails, perhaps before rank 0 has printed its
      // message. So the other ranks report success.
      return reports ? report(error, of: parsed) : ExitCode.done
    }
  }

  /// Prints what the argument parser has to say, or a command of its arguments; returns the exit code.
  private static func report(_ error: any Error, of command: (any ParsableCommand)?) -> Int32 {
    let code = exitCode(for: error).rawValue
    let text =
      if let command, let problem = error as? ValidationError {
        usageError(problem, of: type(of: command))
      } else if command == nil, let unknown = unknownCommand(in: CommandLine.arguments.dropFirst()) {
        usageError(unknown.problem, of: unknown.parent)
      } else {
        fullMessage(for: error)
      }
    // A request for help or the version is an "error" of code 0 whose text belongs on standard output.
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
}

extension RNNDist {
  /// What is wrong with the arguments of a command, which it found itself, and how it is called: the parser, which is done by
  /// then, would show how the program is called.
  static func usageError(_ problem: ValidationError, of command: any ParsableCommand.Type) -> String {
    let usage = usageString(for: command)
    let name = usage.prefix { $0 != "[" && $0 != "<" }.split(separator: " ").joined(separator: " ")
    return "\(_errorPrefix)\(problem)\nUsage: \(usage)\n  See '\(name) --help' for more information."
  }
}

extension RNNDist {
  /// The first word that names no command, with the nearest one: the parser would call it an unexpected argument.
  private static func unknownCommand(
    in words: some Sequence<String>
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
  /// Runs on every rank; results are printed on rank 0. Returns the exit code.
  func run(on communicator: any Communicator) throws -> Int32
}

/// A command that one process runs alone. Of the ranks that an MPI launcher started directly, only rank 0 runs it.
protocol LocalCommand: ParsableCommand {
  /// Returns the exit code.
  mutating func runLocally() throws -> Int32
}
