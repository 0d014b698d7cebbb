import Foundation

/// How this process was started, as the words a user would type to start another like it.
package enum Launcher {
  /// What `launch/run` says of itself and its options: a program under mpirun can't know them.
  static let variable = "RNN_DIST_LAUNCHER"

  /// The words before the name of a command, such as `mpirun -np 4 rnn-dist`.
  package static func command(
    ranks: Int, program: String = CommandLine.arguments[0],
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> String {
    if let launcher = environment[variable], !launcher.isEmpty { return launcher }
    return (ranks > 1 ? "mpirun -np \(ranks) " : "") + quoted(program)
  }

  /// A word as a shell has to be given it.
  package static func quoted(_ word: String) -> String {
    let isPlain = !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "/._-+=:,@%".contains($0) }
    return isPlain ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
  }
}
