import Checkpoints
import Communication
import Configuration
import Datasets
import Options
import RecurrentNN
import RunLog

/// The exit codes of the program, as documented in the README.
public enum ExitCode {
  public static let done: Int32 = 0
  public static let `internal`: Int32 = 1
  public static let diverged: Int32 = 3
  public static let usage: Int32 = 64
  public static let badData: Int32 = 65
  public static let inputMissing: Int32 = 66
  public static let cannotCreate: Int32 = 73
  public static let readWriteFailed: Int32 = 74
  /// Stopped by a signal; `--resume` goes on.
  public static let stopped: Int32 = 75
  public static let configuration: Int32 = 78

  /// The code of an error, 1 if it asks for none.
  public static func code(of error: any Error) -> Int32 {
    (error as? any ExitCoded)?.exitCode ?? Self.internal
  }
}

// The lower modules know their exit codes but not each other: here they learn the protocol's name.
extension CheckpointFailure: ExitCoded {}
extension SafetensorsFailure: ExitCoded {}
extension NoValidCheckpoint: ExitCoded {}
extension FileFailure: ExitCoded {}
extension ConfigurationErrors: ExitCoded {}
extension ConfigurationUnavailable: ExitCoded {}
extension OptionError: ExitCoded {
  public var exitCode: Int32 { ExitCode.configuration }
}
extension DataError: ExitCoded {}
extension RunDirectoryFailure: ExitCoded {}
extension RunRecordFailure: ExitCoded {}
