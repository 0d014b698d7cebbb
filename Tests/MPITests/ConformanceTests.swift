import MPI
import Testing

/// Each suite of the conformance program under mpirun, with 1 to 4 ranks.
@Suite(.serialized) struct ConformanceTests {
  @Test(arguments: [(1, 3700), (2, 4800), (3, 5900), (4, 6900)])
  func everyOperationOnEveryElementType(ranks: Int, checks: Int) throws {
    try expectSuccess("mpi", ranks: ranks, checks: checks)
  }

  @Test(arguments: [(1, 30), (2, 35), (3, 38), (4, 41)])
  func communicatorOverMPI(ranks: Int, checks: Int) throws {
    try expectSuccess("communicator", ranks: ranks, checks: checks)
  }

  /// Ranks that take their neighbors for other hosts: as many on each host, or fewer on the last one.
  @Test(arguments: [(4, "hosts-of-2"), (3, "hosts-of-2"), (4, "hosts-of-3"), (2, "hosts-of-1")])
  func communicatorOverHosts(ranks: Int, suite: String) throws {
    try expectSuccess(suite, ranks: ranks, checks: 35)
  }

  @Test func onlyOneRuntimeInAProcess() throws {
    try expectSuccess("second-runtime", ranks: 1, checks: 4)
  }

  /// Without a launcher, MPI can be initialized as a job of one rank.
  @Test func runtimeWithoutLauncher() throws {
    let outcome = try ConformanceProgram.runAlone("second-runtime", environment: [:])
    #expect(outcome.exitCode == 0 && outcome.passed == 4, "\(outcome.output)")
  }

  /// A rank that throws ends the job with the exit code of its error while the other ranks wait in a barrier.
  @Test(arguments: [2, 4])
  func throwingRankEndsTheJob(ranks: Int) throws {
    let outcome = try ConformanceProgram.run("throw", ranks: ranks, limit: 30)
    #expect(outcome.exitCode == 65, "\(outcome.output)")
    #expect(outcome.lines("FAIL").isEmpty)
  }

  /// The mpiexec of another MPI starts several jobs of one rank, so its environment contradicts MPI.
  @Test func wrongLauncherIsReported() throws {
    let outcome = try ConformanceProgram.runAlone("start", environment: ["PMI_RANK": "2", "PMI_SIZE": "4"])
    #expect(outcome.exitCode == 78, "\(outcome.output)")
    #expect(outcome.output.contains("announces 4 ranks, but MPI finds 1"), "\(outcome.output)")
  }

  /// A check that fails on only one rank is noticed.
  @Test func failureOnOneRankIsSeen() throws {
    let outcome = try ConformanceProgram.run("fail", ranks: 3)
    #expect(outcome.exitCode == 1, "\(outcome.output)")
    #expect(outcome.lines("FAIL") == ["FAIL rank 2: rank is not the last on purpose"])
    #expect(outcome.passed == 0)
  }

  /// A rank that makes another call, or one fewer, is named with both calls.
  @Test(arguments: ["other-collective", "skipped-collective"])
  func differentCollectivesAreNamed(program: String) throws {
    let outcome = try ConformanceProgram.run(
      program, ranks: 3, environment: ["RNN_DIST_WATCHDOG": "step=0.5,end=2"], limit: 60)
    // The status of MPICH's mpiexec is 9, the signal by which it has ended the other ranks.
    #expect([1, 9].contains(outcome.exitCode), "\(outcome.output)")
    #expect(outcome.output.contains("the ranks call different collectives: rank 0 on"), "\(outcome.output)")
    #expect(
      outcome.output.contains("; rank 2 on") && outcome.output.contains("at step 7"), "\(outcome.output)")
  }

  /// A rank that sleeps is named, with the collective that it has not called.
  @Test func sleepingRankIsNamed() throws {
    let outcome = try ConformanceProgram.run(
      "hang", ranks: 2, environment: ["RNN_DIST_WATCHDOG": "start=1"], limit: 60)
    #expect(outcome.exitCode == 1, "\(outcome.output)")
    #expect(outcome.output.contains("sleeps and has not called it"), "\(outcome.output)")
    #expect(outcome.output.contains("(barrier, 0 bytes)"), "\(outcome.output)")
  }

  /// A rank that hangs is ended.
  @Test func hangIsEnded() throws {
    let outcome = try ConformanceProgram.run("hang", ranks: 2, limit: 3)
    #expect(outcome.exitCode != 0)
    // The words of Open MPI and MPICH.
    let isEnded = outcome.output.contains("time limit") || outcome.output.contains("TIMED OUT")
    #expect(isEnded, "\(outcome.output)")
  }

  @Test func unknownSuiteIsRefused() throws {
    let outcome = try ConformanceProgram.runAlone("no such suite", environment: [:])
    #expect(outcome.exitCode == 64)
  }

  private func expectSuccess(_ suite: String, ranks: Int, checks: Int) throws {
    let outcome = try ConformanceProgram.run(suite, ranks: ranks)
    let failures = outcome.lines("FAIL") + outcome.lines("ERROR")
    #expect(failures.isEmpty, "\(failures.joined(separator: "\n"))")
    #expect(outcome.exitCode == 0, "\(outcome.output.suffix(2000))")
    #expect(outcome.passed >= checks, "\(outcome.output.suffix(2000))")
    #expect(outcome.lines("ok ").count == outcome.passed)
  }
}
