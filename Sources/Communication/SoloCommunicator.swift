import Foundation

/// The communicator of a program that runs alone: one rank, no MPI, every collective its own result.
public final class SoloCommunicator: Communicator {
  public let rank = 0
  public let worldSize = 1
  public let localRank = 0
  public let localSize = 1
  public let hostName = localHostName()
  private var isFinalized = false

  /// Creates the only rank of a job of one.
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
    _ send: UnsafeRawBufferPointer, _ receive: UnsafeMutableRawBufferPointer, with partner: Int
  ) throws {
    try requireActive("exchange")
    try requireRank(partner, in: "exchange")
    guard send.count == receive.count else {
      throw failure(
        .mismatch(ranks: [rank]), in: "exchange",
        "\(send.count) bytes sent where \(receive.count) are received")
    }
    receive.copyMemory(from: send)
  }

  public func startAllreduceSum(
    _ values: UnsafeMutableBufferPointer<Float>
  ) throws -> any PendingReduction {
    try requireActive("startAllreduceSum")
    return CompletedReduction()
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

/// A reduction that had nothing to wait for.
private final class CompletedReduction: PendingReduction {
  func progress() throws -> Bool { true }
  func wait() throws {}
}
