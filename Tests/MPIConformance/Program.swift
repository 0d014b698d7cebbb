import Communication

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What can be run: the suites, and the accidents whose outcome a test looks at from outside.
enum Program {
  static func run(_ name: String) throws {
    switch name {
    case "communicator": try runCommunicatorSuite()
    case "mpi": try MPISuite.run()
    case "start": try CommunicatorFactory.make().finalize()
    case "throw": try throwOnLastRank()
    case "fail": try failOnLastRank()
    case "hang": try hangOnLastRank()
    case "second-runtime": try MPISuite.initializeTwice()
    default:
      print("ERROR there is no suite \(name)")
      exit(64)
    }
  }

  /// The protocol's suite over MPI, whole and with every collective made of several calls.
  private static func runCommunicatorSuite() throws {
    let checks = Checks()
    let communicator = try CommunicatorFactory.make()
    checks.check("the factory chose MPI", communicator is MPICommunicator)
    try CommunicatorSuite.run(on: communicator, checks)
    let failed = try communicator.allgather([checks.failures.isEmpty ? 0 : 1]).joined().contains(1)
    checks.report(rank: communicator.rank, failed: failed)
    try communicator.finalize()
    checks.fails("barrier after finalize", with: CommunicationError.self, { $0.kind == .finalized }) {
      try communicator.barrier()
    }
    exit(failed || !checks.failures.isEmpty ? 1 : 0)
  }

  /// One rank meets an error while the others wait in a collective that it will never call.
  private static func throwOnLastRank() throws {
    struct BadData: Error, ExitCoded { let exitCode: Int32 = 65 }
    let communicator = try CommunicatorFactory.make()
    do {
      if communicator.rank == communicator.worldSize - 1 { throw BadData() }
      try communicator.barrier()
      print("FAIL the barrier ended without rank \(communicator.worldSize - 1)")
    } catch let error as any ExitCoded {
      communicator.abort(exitCode: error.exitCode)
    }
  }

  /// One rank finds a failure, to show that the tests would see it.
  private static func failOnLastRank() throws {
    let checks = Checks()
    let communicator = try CommunicatorFactory.make()
    checks.check("rank is not the last", communicator.rank < communicator.worldSize - 1, "by intention")
    let failed = try communicator.allgather([checks.failures.isEmpty ? 0 : 1]).joined().contains(1)
    checks.report(rank: communicator.rank, failed: failed)
    try communicator.finalize()
    exit(failed ? 1 : 0)
  }

  /// One rank never comes to the barrier.
  private static func hangOnLastRank() throws {
    let communicator = try CommunicatorFactory.make()
    while communicator.rank == communicator.worldSize - 1 { sleep(1) }
    try communicator.barrier()
  }
}
