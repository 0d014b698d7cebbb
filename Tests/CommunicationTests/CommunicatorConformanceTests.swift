import Communication
import MPIConformance
import Testing

/// The suite that MPITests runs over MPI, on the implementations that need no launcher.
@Suite struct CommunicatorConformanceTests {
  @Test func solo() throws {
    let checks = Checks()
    try CommunicatorSuite.run(on: SoloCommunicator(), checks)
    #expect(checks.failures.isEmpty)
    #expect(checks.names.count >= 32)
  }

  @Test(arguments: [1, 2, 3, 4])
  func inProcess(ranks: Int) throws {
    let failures = try InProcessCommunicator.run(ranks: ranks) { communicator in
      let checks = Checks()
      try CommunicatorSuite.run(on: communicator, checks)
      return checks.failures + (checks.names.count >= 32 ? [] : ["only \(checks.names)"])
    }
    #expect(failures == Array(repeating: [], count: ranks))
  }

  @Test(arguments: [1, 2, 3, 4])
  func checked(ranks: Int) throws {
    let failures = try InProcessCommunicator.run(ranks: ranks) { communicator in
      let checks = Checks()
      try CommunicatorSuite.run(on: CheckedCommunicator(communicator), checks)
      return checks.failures
    }
    #expect(failures == Array(repeating: [], count: ranks))
  }

  @Test(arguments: [false, true])
  func factoryNeedsNoLauncher(debugChecks: Bool) throws {
    let communicator = try CommunicatorFactory.make(debugChecks: debugChecks)
    #expect(communicator.worldSize == 1)
    #expect(communicator is CheckedCommunicator == debugChecks)
    try communicator.finalize()
    #expect(throws: CommunicationError.self) { try communicator.barrier() }
  }
}
