import Foundation

/// The communicator of a program that runs alone: one rank and no MPI.
public final class SoloCommunicator: Communicator {
  public let rank = 0
  public let worldSize = 1
  public let hostName = localHostName()
  private var isFinalized = false

  /// Creates the communicator of a job with a single rank.
  public init() {}

  public func barrier() throws { try requireActive("barrier") }

  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
    try requireActive("broadcast")
    try requireRank(root, in: "broadcast")
  }

  public func allreduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws {
    try requireActive("allreduceSum")
  }

  public func allreduceSum(_ values: UnsafeMutableBufferPointer<Double>) throws {
    try requireActive("allreduceSum")
  }

  public func allgather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    try requireActive("allgather")
    return [bytes]
  }

  public func exchange(
    _ send: UnsafeRawBufferPointer, _ receive: UnsafeMutableRawBufferPointer, with peer: Int
  ) throws {
    try requireActive("exchange")
    try requireRank(peer, in: "exchange")
    guard send.count == receive.count else {
      throw failure(
        .mismatch(ranks: [rank]), in: "exchange",
        "sends \(send.count) bytes and receives \(receive.count)")
    }
    receive.copyMemory(from: send)
  }

  public func first(_ count: Int) throws -> (any Communicator)? {
    try requireActive("first")
    return SoloCommunicator()
  }

  public func abort(exitCode: Int32) -> Never { exit(exitCode) }

  public func finalize() throws {
    try requireActive("finalize")
    isFinalized = true
  }

  private func requireActive(_ collective: String) throws {
    guard !isFinalized else { throw failure(.finalized, in: collective, "called after finalize()") }
  }
}

/// Returns the name of this host without a query to a name service.
package func localHostName() -> String {
  var name = [CChar](repeating: 0, count: 256)
  guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
  return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
