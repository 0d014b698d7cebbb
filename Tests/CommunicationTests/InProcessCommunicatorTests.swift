import Communication
import InProcessRanks
import Testing

/// In addition to the protocol, the implementation with threads guarantees that no mistake causes a hang.
@Suite struct InProcessCommunicatorTests {
  private struct Broken: Error, Equatable { let rank: Int }

  @Test func returnsValuesInRankOrder() throws {
    let values = try InProcessCommunicator.run(ranks: 5) { ($0.rank, $0.worldSize) }
    #expect(values.map(\.0) == [0, 1, 2, 3, 4])
    #expect(values.allSatisfy { $0.1 == 5 })
  }

  @Test(arguments: 0..<3)
  func throwingRankWakesTheOthers(broken: Int) {
    #expect(throws: Broken(rank: broken)) {
      try InProcessCommunicator.run(ranks: 3) { communicator in
        try communicator.barrier()
        if communicator.rank == broken { throw Broken(rank: broken) }
        do {
          try communicator.barrier()
          Issue.record("the barrier ended without rank \(broken)")
        } catch let error as CommunicationError {
          #expect(error.kind == .transport)
          #expect(error.rank == communicator.rank && error.collective == "barrier")
          #expect(error.description.contains("rank \(broken)"))
          throw error
        }
      }
    }
  }

  @Test func rankThatLeavesEarlyIsReported() {
    let error = #expect(throws: CommunicationError.self) {
      try InProcessCommunicator.run(ranks: 3) { communicator in
        if communicator.rank != 1 { try communicator.barrier() }
      }
    }
    #expect(error?.kind == .transport)
    #expect(error?.detail.contains("rank 1 has left") == true)
  }

  @Test func ranksThatWaitForEachOtherAreReported() {
    let error = #expect(throws: CommunicationError.self) {
      try InProcessCommunicator.run(ranks: 2) { communicator in
        if communicator.rank == 0 {
          try communicator.barrier()
        } else {
          try communicator.exchange(.init(start: nil, count: 0), .init(start: nil, count: 0), with: 0)
        }
      }
    }
    guard case .mismatch = error?.kind else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func oddRankIsNamed() {
    let error = #expect(throws: CommunicationError.self) {
      try InProcessCommunicator.run(ranks: 4) { communicator in
        var values = [Float](repeating: 1, count: communicator.rank == 2 ? 7 : 8)
        try values.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
      }
    }
    #expect(error?.kind == .mismatch(ranks: [2]))
    #expect(error?.detail.contains("rank 2 called allreduceSum of Float of 7") == true)
  }

  @Test func abortEndsTheJobWithItsCode() {
    let error = #expect(throws: CommunicationError.self) {
      try InProcessCommunicator.run(ranks: 3) { communicator in
        if communicator.rank == 2 { communicator.abort(exitCode: 74) }
        try communicator.barrier()
      }
    }
    #expect(error?.kind == .aborted(exitCode: 74))
    #expect(error?.exitCode == 74 && error?.rank == 2)
  }

  @Test func nothingWorksAfterFinalize() throws {
    let kinds = try InProcessCommunicator.run(ranks: 2) { communicator in
      try communicator.finalize()
      return #expect(throws: CommunicationError.self) { try communicator.barrier() }?.kind
    }
    #expect(kinds == [.finalized, .finalized])
  }

  @Test func manyMeetingsKeepTheirOrder() throws {
    let sums = try InProcessCommunicator.run(ranks: 4) { communicator in
      var values = [Double](repeating: 1, count: 16)
      for _ in 0..<200 {
        try values.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
        for index in values.indices { values[index] /= 4 }
        _ = try communicator.allgather([UInt8(communicator.rank)])
      }
      return values
    }
    #expect(sums == Array(repeating: [Double](repeating: 1, count: 16), count: 4))
  }
}
