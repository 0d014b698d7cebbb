import ArgumentParser
import Communication
import Tasks

/// Where ranks agree on what is wrong, its code goes with it.
extension ValidationError: ExitCoded {
  public var exitCode: Int32 { Tasks.ExitCode.usage }
}

/// Runs a command and turns what it throws into a message, printed once, and an exit code.
enum JobRunner {
  static func run(_ command: any DistributedCommand) -> Int32 {
    let communicator: any Communicator
    do {
      communicator = try CommunicatorFactory.make()
    } catch {
      // Every process of a job meets a wrong launcher, and rank 0 reports it for all.
      if !Launcher.isReportedByRank0 { Console.error("error: \(error)") }
      return ExitCode.code(of: error)
    }
    do {
      let code = try command.run(on: communicator)
      try communicator.finalize()
      return code
    } catch let error as OutputFailure where error.isClosedPipe {
      // Results are written after the last collective: the others are already leaving.
      do { try communicator.finalize() } catch { return ExitCode.code(of: error) }
      return ExitCode.done
    } catch {
      return leave(communicator, error)
    }
  }

  static func run(_ command: inout any LocalCommand) throws -> Int32 {
    do {
      return try command.runLocally()
    } catch let error as OutputFailure where error.isClosedPipe {
      return ExitCode.done
    } catch let error where isOurs(error) {
      Console.error("error: \(error)")
      return ExitCode.code(of: error)
    }
  }

  /// Errors of the argument parser carry their own text and code; they are left to it.
  private static func isOurs(_ error: any Error) -> Bool {
    !(error is ValidationError) && !(error is CleanExit) && !(error is ArgumentParser.ExitCode)
  }

  /// An error that all ranks threw together ends in good order, with rank 0's message. One that only this rank threw has
  /// left the others waiting: it is printed with its rank, and the whole job is aborted.
  private static func leave(_ communicator: any Communicator, _ error: any Error) -> Int32 {
    let code = ExitCode.code(of: error)
    let isShared =
      error is CollectiveFailure || error is ReplicaMismatch || error is TrainingFailure
      || communicator.worldSize == 1
    guard isShared else {
      Console.error("error: rank \(communicator.rank) on \(communicator.hostName): \(error)")
      communicator.abort(exitCode: code)
    }
    if communicator.rank == 0 {
      Console.error("error: \(text(of: error, worldSize: communicator.worldSize))")
    }
    do { try communicator.finalize() } catch { return code }
    return code
  }

  /// The rank matters only where there are several.
  private static func text(of error: any Error, worldSize: Int) -> String {
    if worldSize == 1, let failure = error as? CollectiveFailure { return failure.message }
    return "\(error)"
  }
}
