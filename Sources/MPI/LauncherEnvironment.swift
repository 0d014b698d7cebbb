#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the program that started this process says about the job, read without calling MPI.
///
/// So usage errors can be printed by one rank, a program started alone needs no MPI, and a launcher of
/// another MPI can be recognised: it announces a number of ranks that MPI does not find.
public struct LauncherEnvironment: Sendable, Equatable {
  /// Which family of variables was found, such as `Open MPI`.
  public let launcher: String
  /// This process among all of the job.
  public let rank: Int
  /// How many processes the job has; PMIx alone does not say.
  public let worldSize: Int?
  /// This process among those on the same host, if the launcher says.
  public let localRank: Int?
  /// How many processes of the job share this host, if the launcher says.
  public let localSize: Int?

  /// What the launcher of this process says, or nil if it was started without one.
  public static var current: LauncherEnvironment? {
    LauncherEnvironment { name in getenv(name).map { String(cString: $0) } }
  }

  /// Whether this process was started by an MPI launcher.
  public static var isUnderLauncher: Bool { current != nil }

  /// Reads the variables that `lookup` returns, or gives nil where they name no rank of a job.
  public init?(_ lookup: (String) -> String?) {
    func number(_ names: [String]) -> Int? {
      names.compactMap { lookup($0).flatMap { Int($0) } }.first { $0 >= 0 }
    }
    for family in Self.families {
      if let step = family.step, !Self.isLaunchedStep(lookup(step)) { continue }
      guard let rank = number([family.rank]) else { continue }
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
    /// Unless this variable names a step that the launcher started, the others don't count.
    var step: String?
  }

  /// SLURM numbers the steps that srun starts from 0; the highest 32-bit numbers stand for batch shells,
  /// interactive shells and the like, which are not ranks of a job.
  private static func isLaunchedStep(_ identifier: String?) -> Bool {
    guard let number = identifier.flatMap({ UInt64($0) }) else { return false }
    return number < 0xFFFF_FFF0
  }

  /// In order of precedence: mpirun inside a SLURM step sets its own variables beside SLURM's.
  private static let families = [
    Family(
      name: "Open MPI", rank: "OMPI_COMM_WORLD_RANK", worldSize: ["OMPI_COMM_WORLD_SIZE"],
      localRank: ["OMPI_COMM_WORLD_LOCAL_RANK"], localSize: ["OMPI_COMM_WORLD_LOCAL_SIZE"]),
    Family(
      name: "PMI", rank: "PMI_RANK", worldSize: ["PMI_SIZE"],
      localRank: ["MPI_LOCALRANKID", "PMI_LOCAL_RANK"], localSize: ["MPI_LOCALNRANKS", "PMI_LOCAL_SIZE"]),
    // The shell of a batch job has SLURM_PROCID too, but it is no step that srun started.
    Family(
      name: "SLURM", rank: "SLURM_PROCID", worldSize: ["SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"],
      localRank: ["SLURM_LOCALID"], step: "SLURM_STEP_ID"),
    Family(name: "PMIx", rank: "PMIX_RANK"),
  ]
}
