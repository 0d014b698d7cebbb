// Separate file: the suite itself is in MPIConformance.

import Communication
import InProcessRanks
import MPIConformance
import Testing

/// Runs the suite that MPITests runs over MPI on the implementations that need no launcher.
@Suite struct CommunicatorConformanceTests {
  @Test func solo() throws {
    let checks = Checks()
    try CommunicatorSuite.run(on: SoloCommunicator(), checks)
    #expect(checks.failures.isEmpty)
    #expect(checks.names.count >= 28)
  }

  @Test(arguments: [1, 2, 3, 4])
  func inProcess(ranks: Int) throws {
    let failures = try InProcessCommunicator.run(ranks: ranks) { communicator in
      let checks = Checks()
      try CommunicatorSuite.run(on: communicator, checks)
      return checks.failures + (checks.names.count >= 28 ? [] : ["only \(checks.names)"])
    }
    #expect(failures == Array(repeating: [], count: ranks))
  }

  @Test func factoryNeedsNoLauncher() throws {
    let communicator = try CommunicatorFactory.make()
    #expect(communicator is SoloCommunicator)
    try communicator.finalize()
    #expect(throws: CommunicationError.self) { try communicator.barrier() }
  }
}
