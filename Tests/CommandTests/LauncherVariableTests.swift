import Testing

@testable import rnn_dist

/// Environment variables alone must not silence a process: a shell passes them on, and a batch script may have inherited
/// some.
@Suite(.timeLimit(.minutes(15))) struct LauncherVariableTests {
  /// Variables that name rank 1, without a launcher behind them.
  static let leftOver: [[String: String]] = [
    ["SLURM_PROCID": "1", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2"],
    ["SLURM_PROCID": "1"],
    ["PMIX_RANK": "1"],
    ["PMI_RANK": "1", "PMI_SIZE": "2"],
    ["PMI_RANK": "1"],
    ["OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"],
  ]

  private let runs: SequenceRuns

  init() throws { runs = try SequenceRuns() }

  @Test(arguments: leftOver) func aLocalCommandAnswers(variables: [String: String]) async throws {
    try await runs.trained("classifier")
    let outcome = try await Program.run(
      ["predict", "run"], in: runs.folder.path, input: Array("cat\ndog\n".utf8), environment: variables)
    #expect(outcome.exitCode == 0 && outcome.output.split(separator: "\n").count == 2, "\(outcome)")
  }

  @Test(arguments: leftOver) func aMistakeIsReported(variables: [String: String]) async throws {
    let outcome = try await Program.run(
      ["predict", "--nonsense"], in: runs.folder.path, environment: variables)
    #expect(outcome.exitCode == 64 && !outcome.errors.isEmpty, "\(outcome)")
  }

  /// Variables that announce two ranks, or a rank above 0, contradict MPI, which finds one: training refuses with a message.
  @Test(arguments: leftOver) func aLoneRankRefusesWithAReason(variables: [String: String]) async throws {
    let outcome = try await Program.run(
      ["train", "training.steps=1", "training.epochs=0", "data.generated_size=100"], in: runs.folder.path,
      environment: variables)
    #expect(outcome.exitCode != 0 && outcome.errors.count == 1, "\(outcome)")
    let announced = variables.count > 1 ? "announces 2 ranks" : "announces rank 1"
    #expect(outcome.standardError.contains(announced), "\(outcome)")
  }

  /// Rank 0 may be the only one.
  @Test(arguments: ["SLURM_PROCID", "PMIX_RANK", "PMI_RANK"]) func aLoneRank0Trains(variable: String)
    async throws
  {
    let outcome = try await Program.run(
      ["train", "training.steps=1", "training.epochs=0", "data.generated_size=100"], in: runs.folder.path,
      environment: [variable: "0"])
    #expect(outcome.exitCode == 0 && outcome.standardError.contains("loss"), "\(outcome)")
  }

  @Test func everyShellOfAJobGetsItsAnswers() async throws {
    try await runs.trained("classifier")
    let outcome = try await Program.run(
      shell: "echo cat | \"$PROGRAM\" predict run", ranks: 3, in: runs.folder.path)
    #expect(outcome.exitCode == 0 && outcome.output.split(separator: "\n").count == 3, "\(outcome)")
  }

  @Test func launchersAreKnownByName() {
    #expect(["mpirun", "orted", "prted", "slurmstepd", "hydra_pmi_proxy"].allSatisfy(Launcher.startsRanks))
    #expect(!["bash", "sh", "swift", "timeout", ""].contains(where: Launcher.startsRanks))
  }
}
