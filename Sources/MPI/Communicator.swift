import CMPI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A group of ranks whose messages are separate from those of all other groups.
///
/// Errors are thrown as `MPIError` and never end the process. After an error in a collective the state of the other
/// ranks is unknown, so the only safe continuation is `abort`. Call `free()` on the communicators that `duplicate` and
/// `split` return.
///
/// MPI counts elements with 32-bit integers. A collective over more than `maximumCount` elements therefore takes several
/// calls, and a longer message is sent in several parts, the last of which is shorter. All ranks must use the same
/// `maximumCount`. Up to that limit every operation is exactly one MPI call.
public struct Communicator: ~Copyable {
  /// The default limit on the elements of one call, 2³⁰.
  public static var defaultMaximumCount: Int { 1 << 30 }

  /// The rank of this process in the group, `0 ..< size`.
  public let rank: Int
  /// The number of ranks in the group.
  public let size: Int
  /// The largest number of elements that is passed to one MPI call.
  public let maximumCount: Int

  let handle: MPI_Comm
  private let isOwned: Bool

  init(_ handle: MPI_Comm, owned: Bool, maximumCount: Int) throws(MPIError) {
    precondition(
      maximumCount > 0 && maximumCount <= Int(Int32.max),
      "maximumCount is \(maximumCount), it must be 1 to \(Int32.max)")
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

  /// Returns a communicator of the same ranks whose messages are separate from this one's (collective).
  public func duplicate(maximumCount: Int? = nil) throws(MPIError) -> Communicator {
    var made: CommunicatorSlot = shim_comm_null()
    try check("MPI_Comm_dup", MPI_Comm_dup(handle, &made))
    return try adopt(made, "MPI_Comm_dup", maximumCount: maximumCount ?? self.maximumCount)
  }

  /// Returns the communicator of the ranks that pass the same `color`, or nil if `color` is nil (collective).
  ///
  /// The new ranks are ordered by `key`, and by the current rank if keys are equal.
  public func split(color: Int?, key: Int = 0) throws(MPIError) -> Communicator? {
    var made: CommunicatorSlot = shim_comm_null()
    let call = "MPI_Comm_split"
    if let color, color < 0 { throw outOfRange(call, color, "a color is nil, or 0 or more") }
    let mpiColor = if let color { try int32(color, call) } else { MPI_UNDEFINED }
    try check(call, MPI_Comm_split(handle, mpiColor, try int32(key, call), &made))
    guard let made = made as MPI_Comm?, !shim_is_comm_null(made) else { return nil }
    return try adopt(made, call, maximumCount: maximumCount)
  }

  /// Returns the communicator of the ranks on this host (collective).
  public func splitByHost() throws(MPIError) -> Communicator {
    var made: CommunicatorSlot = shim_comm_null()
    let call = "MPI_Comm_split_type"
    try check(
      call, MPI_Comm_split_type(handle, Int32(MPI_COMM_TYPE_SHARED), 0, shim_info_null(), &made))
    return try adopt(made, call, maximumCount: maximumCount)
  }

  /// Releases a communicator that `duplicate` or `split` returned (collective).
  ///
  /// Does nothing for the communicators of the runtime, which exist until MPI is finalized.
  public consuming func free() throws(MPIError) {
    guard isOwned else { return }
    var handle: CommunicatorSlot = handle
    try requireSuccess("MPI_Comm_free", MPI_Comm_free(&handle), rank: rank)
  }

  /// Ends all ranks of the job with `exitCode`, without waiting for any of them.
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

  /// Returns `value` as a 32-bit integer, as MPI requires.
  func int32(_ value: Int, _ call: String) throws(MPIError) -> Int32 {
    guard let small = Int32(exactly: value) else {
      throw outOfRange(call, value, "doesn't fit the 32-bit integers of MPI")
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
        message: "there is no rank \(peer); the ranks of this communicator are 0 to \(size - 1)")
    }
  }

  /// Throws unless a buffer or a list has the length that the operation requires.
  func requireLength(_ actual: Int, _ expected: Int, _ what: String, _ call: String) throws(MPIError) {
    guard actual == expected else {
      throw MPIError(
        kind: .lengthMismatch(expected: expected, actual: actual), call: call, rank: rank,
        message: "\(what) must have \(expected) elements and has \(actual)")
    }
  }

  /// Returns the `count` elements that `body` writes, given `values`.
  func collect<Element: MPIElement>(
    _ values: [Element], count: Int,
    _ body: (UnsafeBufferPointer<Element>, UnsafeMutableBufferPointer<Element>) throws(MPIError) -> Void
  ) throws(MPIError) -> [Element] {
    let result = Buffer<Element>(count: count)
    try values.withUnsafeBufferPointer { own throws(MPIError) in
      try result.withUnsafePointer { memory throws(MPIError) in try body(own, memory) }
    }
    return result.elements
  }
}

/// Returns the ranges of at most `limit` elements that make up `0 ..< count`; one empty range if `count` is 0.
func pieces(of count: Int, limit: Int) -> [Range<Int>] {
  guard count > limit else { return [0..<count] }
  return stride(from: 0, to: count, by: limit).map { $0..<min($0 + limit, count) }
}

/// Returns the address of the element at `offset`, nil for a buffer without memory.
func address<Element>(_ buffer: UnsafeBufferPointer<Element>, _ offset: Int) -> UnsafeRawPointer? {
  buffer.baseAddress.map { UnsafeRawPointer($0 + offset) }
}

/// Returns the address of the element at `offset`, nil for a buffer without memory.
func address<Element>(
  _ buffer: UnsafeMutableBufferPointer<Element>, _ offset: Int
) -> UnsafeMutableRawPointer? {
  buffer.baseAddress.map { UnsafeMutableRawPointer($0 + offset) }
}

/// Returns the address to send from. Without a buffer, this is `MPI_IN_PLACE`: the elements are in the result already.
func sendAddress<Element>(_ buffer: UnsafeBufferPointer<Element>?, _ offset: Int) -> UnsafeRawPointer? {
  if let buffer { address(buffer, offset) } else { UnsafeRawPointer(shim_in_place()) }
}

/// Returns the address to receive at. Without a buffer, this is `MPI_IN_PLACE`: the elements stay in their positions.
func receiveAddress<Element>(
  _ buffer: UnsafeMutableBufferPointer<Element>?, _ offset: Int
) -> UnsafeMutableRawPointer? {
  if let buffer { address(buffer, offset) } else { shim_in_place() }
}
