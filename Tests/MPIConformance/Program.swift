import Communication

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The suites that can be run, and programs that fail on purpose, whose outcome a test checks from outside.
enum Program {
  static func run(_ name: String) throws {
    switch name {
    case "communicator": try runCommunicatorSuite(on: CommunicatorFactory.make())
    case "hosts-of-1", "hosts-of-2", "hosts-of-3":
      let ranksPerHost = Int(name.suffix(1)) ?? 1
      try runCommunicatorSuite(
        on: MPICommunicator(ranksPerHost: ranksPerHost), hasNeighbors: ranksPerHost > 1)
    case "mpi": try MPISuite.run()
    case "start": try CommunicatorFactory.make().finalize()
    case "throw": try throwOnLastRank()
    case "fail": try failOnLastRank()
    case "hang": try hangOnLastRank()
    case "other-collective": try callAnotherCollective()
    case "skipped-collective": try skipACollective()
    case "second-runtime": try MPISuite.initializeTwice()
    default:
      print("ERROR there is no suite \(name)")
      exit(64)
    }
  }

  /// The suite of the `Communicator` protocol over MPI.
  private static func runCommunicatorSuite(
    on communicator: any Communicator, hasNeighbors: Bool = true
  ) throws {
    let checks = Checks()
    checks.check("the factory chose MPI", !(communicator is SoloCommunicator))
    try CommunicatorSuite.run(on: communicator, hasNeighbors: hasNeighbors, checks)
    let failed = try communicator.allgather([checks.failures.isEmpty ? 0 : 1]).joined().contains(1)
    checks.report(rank: communicator.rank, failed: failed)
    try communicator.finalize()
    checks.fails("barrier after finalize", with: CommunicationError.self, { $0.kind == .finalized }) {
      try communicator.barrier()
    }
    exit(failed || !checks.failures.isEmpty ? 1 : 0)
  }

  /// One rank throws while the others wait in a collective that it will never call.
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

  /// A check fails on one rank, to show that the tests notice it.
  private static func failOnLastRank() throws {
    let checks = Checks()
    let communicator = try CommunicatorFactory.make()
    checks.check("rank is not the last", communicator.rank < communicator.worldSize - 1, "on purpose")
    let failed = try communicator.allgather([checks.failures.isEmpty ? 0 : 1]).joined().contains(1)
    checks.report(rank: communicator.rank, failed: failed)
    try communicator.finalize()
    exit(failed ? 1 : 0)
  }

  /// One rank never reaches the barrier.
  private static func hangOnLastRank() throws {
    let communicator = try CommunicatorFactory.make()
    while communicator.rank == communicator.worldSize - 1 { sleep(1) }
    try communicator.barrier()
  }

  /// The last rank adds Double values where the others wait in a barrier.
  private static func callAnotherCollective() throws {
    let communicator = try CommunicatorFactory.make()
    communicator.enter(.step, step: 7)
    guard communicator.rank == communicator.worldSize - 1 else { return try communicator.barrier() }
    var values = [Double](repeating: 1, count: 100_000)
    try values.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
  }

  /// The last rank goes on to the second of two collectives.
  private static func skipACollective() throws {
    let communicator = try CommunicatorFactory.make()
    communicator.enter(.step, step: 7)
    if communicator.rank < communicator.worldSize - 1 {
      var bytes = [UInt8](repeating: 1, count: 100_000)
      try bytes.withUnsafeMutableBytes { try communicator.broadcast($0, from: communicator.worldSize - 1) }
    }
    try communicator.barrier()
  }
}
