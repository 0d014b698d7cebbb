/// An error with a documented exit code of the program.
public protocol ExitCoded: Error {
  /// The exit code of the process, such as 65 for bad data.
  var exitCode: Int32 { get }
}

/// A failed collective, as one rank sees it.
public struct CommunicationError: Error, Sendable, Equatable, CustomStringConvertible, ExitCoded {
  /// The problem.
  public enum Kind: Sendable, Equatable {
    /// The transport (MPI) reported an error.
    case transport
    /// A rank ended the job with `abort(exitCode:)`.
    case aborted(exitCode: Int32)
    /// These ranks called a different operation than the other ranks, or the same operation with a different size.
    case mismatch(ranks: [Int])
    /// A root or peer outside `0 ..< worldSize`.
    case invalidRank(Int)
    /// The operation requires the number of ranks to be a power of two.
    case notPowerOfTwo(worldSize: Int)
    /// The launcher announced a different number of ranks than MPI found.
    case wrongLauncher(announced: Int, found: Int)
    /// The communicator was used after `finalize()`.
    case finalized
  }

  /// The problem.
  public let kind: Kind
  /// The rank that reports it.
  public let rank: Int
  /// The host of that rank.
  public let host: String
  /// The operation that failed, such as `allreduceSum`.
  public let collective: String
  /// The event and its remedy.
  public let detail: String

  /// 78 (configuration) for a wrong launcher, the exit code of an abort, otherwise 1.
  public var exitCode: Int32 {
    switch kind {
    case .wrongLauncher: 78
    case .aborted(let code): code
    default: 1
    }
  }

  public var description: String { "rank \(rank) on \(host), \(collective): \(detail)" }
}

extension Communicator {
  /// Returns an error of `kind` that carries this rank and host.
  package func failure(
    _ kind: CommunicationError.Kind, in collective: String, _ detail: String
  ) -> CommunicationError {
    CommunicationError(kind: kind, rank: rank, host: hostName, collective: collective, detail: detail)
  }

  /// Throws unless `peer` is a rank of this communicator.
  package func requireRank(_ peer: Int, in collective: String) throws {
    guard (0..<worldSize).contains(peer) else {
      throw failure(
        .invalidRank(peer), in: collective,
        "there is no rank \(peer); the ranks of this job are 0 to \(worldSize - 1)")
    }
  }
}
