#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The position of this process in its job, read from the launcher's environment variables without calling MPI.
///
/// With this information, only one rank prints usage errors, and a program that was started without a launcher does not
/// need MPI. The launcher of a different MPI can be recognized, because it announces a number of ranks that MPI doesn't
/// find.
public struct LauncherEnvironment: Sendable, Equatable {
  /// The launcher whose variables were found, such as `Open MPI`.
  public let launcher: String
  /// The rank of this process in the job.
  public let rank: Int
  /// The number of processes in the job. PMIx alone does not provide it.
  public let worldSize: Int?
  /// The rank of this process among those on the same host, if the launcher provides it.
  public let localRank: Int?
  /// The number of processes of the job on this host, if the launcher provides it.
  public let localSize: Int?

  /// The environment of this process, or nil if it was started without a launcher.
  public static var current: LauncherEnvironment? {
    LauncherEnvironment { name in getenv(name).map { String(cString: $0) } }
  }

  /// Whether this process was started by an MPI launcher.
  public static var isUnderLauncher: Bool { current != nil }

  /// Reads the variables that `lookup` returns. Fails if they don't name a rank of a job.
  public init?(_ lookup: (String) -> String?) {
    func number(_ names: [String]) -> Int? {
      names.compactMap { lookup($0).flatMap { Int($0) } }.first { $0 >= 0 }
    }
    for family in Self.families {
      guard let rank = number([family.rank]) else { continue }
      // A rank above 0 was launched together with others, even if the step is not named.
      if let step = family.step, rank == 0 || lookup(step) != nil, !Self.isLaunchedStep(lookup(step)) {
        continue
      }
      let worldSize = number(family.worldSize)
      if let worldSize, rank >= worldSize { continue }
      self.launcher = family.name
      self.rank = rank
      self.worldSize = worldSize
      localRank = number(family.localRank)
      localSize = number(family.localSize)
      return
    }
    return nil
  }

  private struct Family {
    let name: String
    let rank: String
    var worldSize: [String] = []
    var localRank: [String] = []
    var localSize: [String] = []
    /// The variables count only if this variable names a step that the launcher started.
    var step: String?
  }

  /// SLURM numbers the steps that srun starts from 0. The highest 32-bit numbers denote batch shells, interactive
  /// shells and similar steps, which are not ranks of a job.
  private static func isLaunchedStep(_ identifier: String?) -> Bool {
    guard let number = identifier.flatMap({ UInt64($0) }) else { return false }
    return number < 0xFFFF_FFF0
  }

  /// In order of precedence, because mpirun inside a SLURM step sets its own variables in addition to SLURM's.
  private static let families = [
    Family(
      name: "Open MPI", rank: "OMPI_COMM_WORLD_RANK", worldSize: ["OMPI_COMM_WORLD_SIZE"],
      localRank: ["OMPI_COMM_WORLD_LOCAL_RANK"], localSize: ["OMPI_COMM_WORLD_LOCAL_SIZE"]),
    Family(
      name: "PMI", rank: "PMI_RANK", worldSize: ["PMI_SIZE"],
      localRank: ["MPI_LOCALRANKID", "PMI_LOCAL_RANK"], localSize: ["MPI_LOCALNRANKS", "PMI_LOCAL_SIZE"]),
    // The shell of a batch job has SLURM_PROCID too, but srun didn't start it.
    Family(
      name: "SLURM", rank: "SLURM_PROCID", worldSize: ["SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"],
      localRank: ["SLURM_LOCALID"], step: "SLURM_STEP_ID"),
    Family(name: "PMIx", rank: "PMIX_RANK"),
  ]
}
