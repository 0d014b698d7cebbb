import Foundation
import RunLog
import Tasks

/// Keeps `run.json` of a run directory up to date; does nothing where there is none.
final class RunRecorder {
  private let path: String?
  private var record: RunRecord
  private var hasBegun = false

  init(_ directory: RunDirectory?, _ request: TrainingJob.Request, _ hosts: [String], ranks: Int) {
    path = directory?.paths.record
    record = RunRecord(
      versions: request.versions, commandLine: request.commandLine, ranks: ranks, hosts: hosts,
      seed: UInt64(request.configuration.seed), started: Date())
  }

  /// Writes the status `running`. Throws `FileFailure`.
  func begin() throws {
    guard let path else { return }
    try record.write(to: path)
    hasBegun = true
  }

  func end(_ outcome: RunOutcome) {
    end(outcome.ending == .signalled ? .stopped : .finished, message: outcome.ending.rawValue)
  }

  func end(_ error: any Error) {
    end(ExitCode.code(of: error) == ExitCode.diverged ? .diverged : .failed, message: "\(error)")
  }

  /// The last word about a run that is over anyway: where it can't be written, the error that matters is
  /// another one.
  private func end(_ status: RunRecord.Status, message: String) {
    guard let path, hasBegun else { return }
    record.ended = Date()
    record.status = status
    record.message = message
    try? record.write(to: path)
  }
}
