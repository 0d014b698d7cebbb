// Separate file: the tests of MPI and of the commands start jobs in the same way.

import Foundation

/// How tests start jobs: with the first mpirun in PATH, which launch/test makes that of the MPI they are built for. Open MPI 4 and 5 and
/// MPICH accept all of it; variables of one MPI mean nothing to the others.
public enum MPILauncher {
  public struct Missing: Error, CustomStringConvertible {
    public let description: String
  }

  /// Returns the program that an environment variable names, or the one that is built with the tests. The tests use no MPI themselves,
  /// so a named program may be built with another one than they are.
  public static func program(_ name: String, variable: String) throws -> URL {
    let named = ProcessInfo.processInfo.environment[variable].map { URL(fileURLWithPath: $0) }
    let bundle = Bundle.main.executableURL ?? URL(fileURLWithPath: CommandLine.arguments[0])
    let program =
      named
      ?? bundle.resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent(name)
    guard FileManager.default.isExecutableFile(atPath: program.path) else {
      let remedy = named == nil ? "run launch/setup, then `swift build`" : "\(variable) must name a program"
      throw Missing(description: "there is no program \(program.path); \(remedy)")
    }
    return program
  }

  public static func path() throws -> URL {
    for folder in (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":") {
      let candidate = "\(folder)/mpirun"
      if FileManager.default.isExecutableFile(atPath: candidate) { return URL(fileURLWithPath: candidate) }
    }
    throw Missing(description: "there is no mpirun in PATH; launch/setup installs it")
  }

  /// The options of mpirun before those of a job: tests start more ranks than there are cores.
  public static let options = ["--bind-to", "none"]

  /// The variables of this process without those of an enclosing launcher, plus those that jobs in containers need.
  ///
  /// - Parameters:
  ///   - sessions: a directory for the launcher's files. Jobs that start at the same time must not create and remove each other's.
  ///   - limit: the seconds after which mpirun ends the job.
  public static func environment(sessions: String, limit: Int) -> [String: String] {
    let inherited = ProcessInfo.processInfo.environment.filter { name, _ in
      !["OMPI_COMM_WORLD", "PMIX_", "PMI_", "SLURM_"].contains { name.hasPrefix($0) }
    }
    let variables = [
      "MPIEXEC_TIMEOUT": "\(limit)", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
      // Open MPI 4
      "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
      "OMPI_MCA_orte_tmpdir_base": sessions,
      // Open MPI 5
      "PRTE_MCA_rmaps_default_mapping_policy": "slot:oversubscribe", "OMPI_MCA_smsc": "^cma",
      "PRTE_MCA_prte_tmpdir_base": sessions,
    ]
    return inherited.merging(variables) { $1 }
  }
}
