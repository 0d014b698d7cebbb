import Communication
import InProcessRanks
import Testing

@testable import rnn_dist

@Suite struct HandshakeTests {
  private func compare(
    _ make: @escaping @Sendable (_ rank: Int) -> Handshake
  ) throws -> [String] {
    try InProcessCommunicator.run(ranks: 3) { communicator in
      do {
        try make(communicator.rank).compare(on: communicator)
        return ""
      } catch {
        return "\(error)"
      }
    }
  }

  @Test func equalRanksGoOn() throws {
    #expect(
      try compare { _ in Handshake(versions: ["rnn-dist": "1"], arguments: ["train"]) } == ["", "", ""])
  }

  @Test func anotherBuildIsRefusedOnAllRanks() throws {
    let errors = try compare { rank in
      Handshake(versions: ["rnn-dist": "1", "build": rank == 2 ? "b" : "a"], arguments: ["train"])
    }
    let expected =
      "the version of the program or of its libraries differs from rank 0's on rank 2 (of 3): "
      + "\"build b, rnn-dist 1\" instead of \"build a, rnn-dist 1\""
    #expect(errors.allSatisfy { $0.hasPrefix(expected) }, "\(errors)")
  }

  @Test func anotherCommandLineIsShown() throws {
    let errors = try compare { rank in
      Handshake(versions: [:], arguments: rank == 0 ? ["train", "a b"] : ["evaluate"])
    }
    #expect(
      errors.allSatisfy { $0.contains("on rank 1, 2 (of 3): \"evaluate\" instead of \"train 'a b'\"") },
      "\(errors)")
  }
}
