/// An error that decides with which documented code the program ends.
public protocol ExitCoded: Error {
  /// The exit code of the process, such as 65 for bad data.
  var exitCode: Int32 { get }
}

/// A collective that could not be carried out, as seen by one rank.
public struct CommunicationError: Error, Sendable, Equatable, CustomStringConvertible, ExitCoded {
  /// What went wrong.
  public enum Kind: Sendable, Equatable {
    /// The transport (MPI) reported an error.
    case transport
    /// Another rank failed, so this collective can never complete.
    case peerFailed
    /// A rank ended the job by `abort(exitCode:)`.
    case aborted(exitCode: Int32)
    /// These ranks called another operation, or the same one with another size, than the rest.
    case mismatch(ranks: [Int])
    /// A root or partner outside `0 ..< worldSize`.
    case invalidRank(Int)
    /// The operation needs a number of ranks that is a power of two.
    case notPowerOfTwo(worldSize: Int)
    /// The launcher announced another number of ranks than MPI found.
    case wrongLauncher(announced: Int, found: Int)
    /// The communicator was used after `finalize()`.
    case finalized
  }

  /// What went wrong.
  public let kind: Kind
  /// The rank that reports it.
  public let rank: Int
  /// The host of that rank.
  public let host: String
  /// The operation that failed, such as `allreduceSum`.
  public let collective: String
  /// What happened and what to do about it, in words.
  public let detail: String

  /// Creates an error of `kind` that `rank` on `host` met in `collective`.
  public init(kind: Kind, rank: Int, host: String, collective: String, detail: String) {
    self.kind = kind
    self.rank = rank
    self.host = host
    self.collective = collective
    self.detail = detail
  }

  /// 78 (configuration) for a wrong launcher, the code of an abort, otherwise 1.
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
  func failure(
    _ kind: CommunicationError.Kind, in collective: String, _ detail: String
  ) -> CommunicationError {
    CommunicationError(kind: kind, rank: rank, host: hostName, collective: collective, detail: detail)
  }

  /// Throws unless `peer` is a rank of this communicator.
  func requireRank(_ peer: Int, in collective: String) throws {
    guard (0..<worldSize).contains(peer) else {
      throw failure(
        .invalidRank(peer), in: collective,
        "there is no rank \(peer); the ranks of this job are 0 to \(worldSize - 1)")
    }
  }
}
