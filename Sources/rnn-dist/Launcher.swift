import Communication
import Foundation

/// How this process was started.
package enum Launcher {
  /// Whether another process of the same job reports for this one: an MPI launcher started this process itself, as a rank
  /// above 0.
  ///
  /// Environment variables alone prove nothing. Every shell that a launcher starts hands them on, a batch script may have some left
  /// over, and a process that kept silent because of them would lose its results without a word.
  static let isReportedByRank0: Bool =
    (LauncherEnvironment.current?.rank ?? 0) > 0 && startsRanks(parentName)

  /// Whether a program of that name is one of those that start the ranks of a job on their host: Open MPI 4 and 5, MPICH and
  /// Intel MPI, SLURM.
  package static func startsRanks(_ name: String) -> Bool {
    [
      "mpirun", "mpiexec", "orterun", "orted", "prterun", "prted", "hydra_pmi_proxy", "pmi_proxy",
      "slurmstepd",
    ].contains(name)
  }

  /// The name of the program that started this one, as the kernel keeps it: at most 15 bytes.
  private static var parentName: String {
    let name = (try? String(contentsOfFile: "/proc/\(getppid())/comm", encoding: .utf8)) ?? ""
    return name.trimmingCharacters(in: .newlines)
  }

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
