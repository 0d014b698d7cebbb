import MPI
import Testing

@Suite struct LauncherEnvironmentTests {
  private static let openMPI = [
    "OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "0",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
  ]
  private static let slurmStep = [
    "SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": "6", "SLURM_LOCALID": "1",
    "SLURM_STEP_ID": "0",
  ]

  private func read(_ variables: [String: String]) -> LauncherEnvironment? {
    LauncherEnvironment { variables[$0] }
  }

  @Test func openMPI() throws {
    let environment = try #require(read(Self.openMPI))
    #expect(environment.launcher == "Open MPI")
    #expect(environment.rank == 2 && environment.worldSize == 4)
    #expect(environment.localRank == 0 && environment.localSize == 2)
  }

  @Test func hydra() throws {
    let environment = try #require(
      read(["PMI_RANK": "1", "PMI_SIZE": "3", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "3"]))
    #expect(environment.launcher == "PMI")
    #expect(environment.rank == 1 && environment.worldSize == 3)
    #expect(environment.localRank == 1 && environment.localSize == 3)
  }

  @Test func slurmStepCountsItsOwnTasks() throws {
    let environment = try #require(read(Self.slurmStep))
    #expect(environment.rank == 5 && environment.worldSize == 6)
    #expect(environment.localRank == 1 && environment.localSize == nil)
  }

  /// A batch shell has SLURM's variables but was not started by srun.
  @Test(arguments: [nil, "4294967291", "batch"])
  func slurmWithoutStep(step: String?) {
    var variables = Self.slurmStep
    variables["SLURM_PROCID"] = "0"
    variables["SLURM_STEP_ID"] = step
    #expect(read(variables) == nil)
  }

  /// There is no rank above 0 without others.
  @Test func aRankAboveZeroOfSLURMWasLaunched() {
    #expect(read(["SLURM_PROCID": "1"])?.rank == 1)
    #expect(read(["SLURM_PROCID": "1", "SLURM_STEP_ID": "4294967291"]) == nil)
  }

  @Test func mpirunInsideSlurm() throws {
    let both = Self.slurmStep.merging(Self.openMPI) { $1 }
    #expect(read(both)?.launcher == "Open MPI")
  }

  @Test func pmixAloneKnowsNoSize() throws {
    let environment = try #require(read(["PMIX_RANK": "3"]))
    #expect(environment.rank == 3 && environment.worldSize == nil)
  }

  @Test(arguments: [
    [:], ["OMPI_COMM_WORLD_SIZE": "4"], ["OMPI_COMM_WORLD_RANK": "x", "OMPI_COMM_WORLD_SIZE": "4"],
    ["OMPI_COMM_WORLD_RANK": "-1", "OMPI_COMM_WORLD_SIZE": "4"],
    ["OMPI_COMM_WORLD_RANK": "4", "OMPI_COMM_WORLD_SIZE": "4"],
  ])
  func noRankOfAJob(variables: [String: String]) {
    #expect(read(variables) == nil)
  }
}
