import COpenMPI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A group of ranks that exchange messages apart from all other groups.
///
/// Errors are returned, never fatal, and thrown as `MPIError`. After an error in a collective the state of
/// the other ranks is unknown: `abort` is the way out. Free what `duplicate` and `split` make.
///
/// MPI counts in 32 bits. A collective over more than `maximumCount` elements is therefore made of several
/// calls, and a message of that many is sent in several parts, the last one shorter; both sides must have the
/// same `maximumCount`. Below it every operation is exactly one call.
public struct Communicator: ~Copyable {
  /// The bound on the elements of one call unless another is asked for, 2³⁰.
  public static var defaultMaximumCount: Int { 1 << 30 }

  /// This process within the group, `0 ..< size`.
  public let rank: Int
  /// How many ranks the group has.
  public let size: Int
  /// The most elements that one call of MPI is given.
  public let maximumCount: Int

  let handle: MPI_Comm
  private let isOwned: Bool

  init(_ handle: MPI_Comm, owned: Bool, maximumCount: Int) throws(MPIError) {
    precondition(
      maximumCount > 0 && maximumCount <= Int(Int32.max),
      "maximumCount is \(maximumCount), and MPI counts from 1 to \(Int32.max)")
    var rank: Int32 = 0
    var size: Int32 = 0
    try requireSuccess(
      "MPI_Comm_set_errhandler", MPI_Comm_set_errhandler(handle, shim_errors_return()), rank: nil)
    try requireSuccess("MPI_Comm_rank", MPI_Comm_rank(handle, &rank), rank: nil)
    try requireSuccess("MPI_Comm_size", MPI_Comm_size(handle, &size), rank: nil)
    self.rank = Int(rank)
    self.size = Int(size)
    self.maximumCount = maximumCount
    self.handle = handle
    isOwned = owned
  }

  /// Returns a communicator of the same ranks whose messages are apart from this one's (collective).
  public func duplicate(maximumCount: Int? = nil) throws(MPIError) -> Communicator {
    var made: MPI_Comm?
    try check("MPI_Comm_dup", MPI_Comm_dup(handle, &made))
    return try adopt(made, "MPI_Comm_dup", maximumCount: maximumCount ?? self.maximumCount)
  }

  /// Returns the communicator of the ranks that give the same `color`, or nil for color nil (collective).
  ///
  /// Ranks are ordered by `key`, and by the present rank where keys are equal.
  public func split(color: Int?, key: Int = 0) throws(MPIError) -> Communicator? {
    var made: MPI_Comm?
    let call = "MPI_Comm_split"
    if let color, color < 0 { throw outOfRange(call, color, "a color is nil, or 0 or more") }
    let mpiColor = if let color { try int32(color, call) } else { MPI_UNDEFINED }
    try check(call, MPI_Comm_split(handle, mpiColor, try int32(key, call), &made))
    guard let made, !shim_is_comm_null(made) else { return nil }
    return try adopt(made, call, maximumCount: maximumCount)
  }

  /// Returns the communicator of the ranks on this host (collective).
  public func splitByHost() throws(MPIError) -> Communicator {
    var made: MPI_Comm?
    let call = "MPI_Comm_split_type"
    try check(
      call, MPI_Comm_split_type(handle, Int32(MPI_COMM_TYPE_SHARED), 0, shim_info_null(), &made))
    return try adopt(made, call, maximumCount: maximumCount)
  }

  /// Gives back what MPI holds for a communicator made by `duplicate` or `split` (collective).
  ///
  /// Does nothing for the communicators of the runtime, which live until MPI ends.
  public consuming func free() throws(MPIError) {
    guard isOwned else { return }
    var handle: MPI_Comm? = handle
    try requireSuccess("MPI_Comm_free", MPI_Comm_free(&handle), rank: rank)
  }

  /// Ends all ranks of the job with `exitCode`, without waiting for any.
  public func abort(_ exitCode: Int32) -> Never {
    MPI_Abort(handle, exitCode)
    exit(exitCode)
  }

  // MARK: - Helpers of the operations

  private func adopt(
    _ made: MPI_Comm?, _ call: String, maximumCount: Int
  ) throws(MPIError) -> Communicator {
    guard let made else { preconditionFailure("\(call) succeeded without a communicator") }
    return try Communicator(made, owned: true, maximumCount: maximumCount)
  }

  /// Throws unless `code`, returned by `call`, means success.
  func check(_ call: String, _ code: Int32) throws(MPIError) {
    try requireSuccess(call, code, rank: rank)
  }

  /// Returns `value` as MPI's integer.
  func int32(_ value: Int, _ call: String) throws(MPIError) -> Int32 {
    guard let small = Int32(exactly: value) else {
      throw outOfRange(call, value, "does not fit MPI's 32-bit integers")
    }
    return small
  }

  func outOfRange(_ call: String, _ value: Int, _ reason: String) -> MPIError {
    MPIError(kind: .outOfRange(value), call: call, rank: rank, message: "\(value): \(reason)")
  }

  /// Throws unless `peer` is a rank of this group.
  func requireRank(_ peer: Int, _ call: String, _ kind: MPIError.ErrorClass = .root) throws(MPIError) {
    guard peer >= 0, peer < size else {
      throw MPIError(
        kind: .reported(kind), call: call, rank: rank,
        message: "there is no rank \(peer); this communicator has ranks 0 to \(size - 1)")
    }
  }

  /// Throws unless a buffer, or a list, has the length that the operation requires.
  func requireLength(_ actual: Int, _ expected: Int, _ what: String, _ call: String) throws(MPIError) {
    guard actual == expected else {
      throw MPIError(
        kind: .lengthMismatch(expected: expected, actual: actual), call: call, rank: rank,
        message: "\(what) must have \(expected) elements and has \(actual)")
    }
  }
}

/// Returns the ranges of at most `limit` that make up `0 ..< count`; one empty range for none.
func pieces(of count: Int, limit: Int) -> [Range<Int>] {
  guard count > limit else { return [0..<count] }
  return stride(from: 0, to: count, by: limit).map { $0..<min($0 + limit, count) }
}
