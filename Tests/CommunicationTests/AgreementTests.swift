import Communication
import InProcessRanks
import Testing

@Suite struct AgreementTests {
  private struct Full: Error, ExitCoded, CustomStringConvertible {
    let exitCode: Int32
    let description: String
  }
  private struct Plain: Error {}

  @Test(arguments: [1, 2, 3])
  func lowestFailingRankIsThrownEverywhere(ranks: Int) throws {
    let errors = try InProcessCommunicator.run(ranks: ranks) { communicator in
      #expect(throws: CollectiveFailure.self) {
        try communicator.agree {
          throw Full(exitCode: 66 + Int32(communicator.rank), description: "pas trouvé: \(communicator.rank)")
        }
      }
    }
    for error in errors {
      #expect(error?.rank == 0 && error?.exitCode == 66)
      #expect(error?.message == "pas trouvé: 0")
      #expect(
        error?.description == (ranks > 1 ? "rank 0 on \(error?.host ?? "?"): pas trouvé: 0" : "pas trouvé: 0")
      )
    }
  }

  /// A rank is named unless all have the same error, also if all throw on what an inner call has attributed to it.
  @Test(arguments: [nil, 1]) func anErrorOfAllRanksNamesNone(failing: Int?) throws {
    let errors = try InProcessCommunicator.run(ranks: 3) { communicator in
      #expect(throws: CollectiveFailure.self) {
        try communicator.agree {
          try communicator.agree {
            if failing == nil || failing == communicator.rank {
              throw Full(exitCode: 66, description: "pas trouvé")
            }
          }
        }
      }
    }
    let expected = failing == nil ? "pas trouvé" : "rank 1 on \(errors[0]?.host ?? "?"): pas trouvé"
    #expect(errors.map { $0?.description } == [expected, expected, expected])
  }

  @Test func whatRank0ReadsForAllNamesNoRank() throws {
    let errors = try InProcessCommunicator.run(ranks: 2) { communicator in
      #expect(throws: CollectiveFailure.self) {
        try communicator.readOnRank0 { throw Full(exitCode: 66, description: "pas trouvé") }
      }
    }
    #expect(errors.map { $0?.description } == ["pas trouvé", "pas trouvé"])
  }

  @Test func errorWithoutCodeIsInternal() {
    let error = #expect(throws: CollectiveFailure.self) {
      try SoloCommunicator().agree { throw Plain() }
    }
    #expect(error?.exitCode == 1)
  }

  @Test func everyRankKeepsItsOwnValue() throws {
    let values = try InProcessCommunicator.run(ranks: 3) { communicator in
      try communicator.agree { "value \(communicator.rank)" }
    }
    #expect(values == ["value 0", "value 1", "value 2"])
  }

  @Test func oddReplicasAreNamed() throws {
    let errors = try InProcessCommunicator.run(ranks: 4) { communicator in
      #expect(throws: ReplicaMismatch.self) {
        try communicator.allEqual(communicator.rank % 2 == 1 ? [1] : [1, 1], what: "the configuration")
      }
    }
    for error in errors {
      #expect(error?.ranks == [1, 3] && error?.exitCode == 78)
      #expect(
        error?.description.hasPrefix("the configuration differs from rank 0's on rank 1, 3 (of 4)") == true)
    }
  }

  @Test func soloExchangesOnlyWithItself() throws {
    let error = #expect(throws: CommunicationError.self) {
      var received = [UInt8](repeating: 0, count: 3)
      try [1, 2].withUnsafeBytes { send in
        try received.withUnsafeMutableBytes { try SoloCommunicator().exchange(send, $0, with: 0) }
      }
    }
    #expect(error?.kind == .mismatch(ranks: [0]))
  }
}
