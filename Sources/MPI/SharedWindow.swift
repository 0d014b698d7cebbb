import COpenMPI

/// Memory that the ranks of one host share, a segment for each.
///
/// Every rank can read and write every segment directly; `fence` separates writing from reading.
public struct SharedWindow<Element: MPIElement>: ~Copyable {
  private let handle: MPI_Win
  private let rank: Int
  private let size: Int

  /// Allocates `count` elements, all bits zero, for this rank (collective; `count` may differ).
  ///
  /// All ranks of `communicator` must be on one host: use `Communicator.splitByHost()`.
  public init(count: Int, on communicator: borrowing Communicator) throws(MPIError) {
    let call = "MPI_Win_allocate_shared"
    let rank = communicator.rank
    let stride = MemoryLayout<Element>.stride
    var base: UnsafeMutableRawPointer?
    var made: MPI_Win?
    guard count >= 0 else { throw communicator.outOfRange(call, count, "a count can't be negative") }
    let code = withUnsafeMutablePointer(to: &base) {
      MPI_Win_allocate_shared(
        count * stride, Int32(stride), shim_info_null(), communicator.handle, $0, &made)
    }
    try requireSuccess(call, code, rank: rank)
    guard let made else { preconditionFailure("\(call) succeeded without a window") }
    try requireSuccess(
      "MPI_Win_set_errhandler", MPI_Win_set_errhandler(made, shim_errors_return()), rank: rank)
    if count > 0 { base?.initializeMemory(as: UInt8.self, repeating: 0, count: count * stride) }
    try requireSuccess("MPI_Win_fence", MPI_Win_fence(0, made), rank: rank)
    self.init(handle: made, rank: rank, size: communicator.size)
  }

  private init(handle: MPI_Win, rank: Int, size: Int) {
    self.handle = handle
    self.rank = rank
    self.size = size
  }

  /// Returns the segment of `rank`, valid until `free()`.
  public func segment(of rank: Int) throws(MPIError) -> UnsafeMutableBufferPointer<Element> {
    let call = "MPI_Win_shared_query"
    guard rank >= 0, rank < size else {
      throw MPIError(
        kind: .reported(.rank), call: call, rank: self.rank,
        message: "there is no rank \(rank); this window has ranks 0 to \(size - 1)")
    }
    var bytes = 0
    var unit: Int32 = 0
    var base: UnsafeMutableRawPointer?
    let code = withUnsafeMutablePointer(to: &base) {
      MPI_Win_shared_query(handle, Int32(rank), &bytes, &unit, $0)
    }
    try requireSuccess(call, code, rank: self.rank)
    let count = bytes / MemoryLayout<Element>.stride
    return UnsafeMutableBufferPointer(
      start: count == 0 ? nil : base?.bindMemory(to: Element.self, capacity: count), count: count)
  }

  /// Returns when all ranks have called it; what any wrote before, all see after (collective).
  public func fence() throws(MPIError) {
    try requireSuccess("MPI_Win_fence", MPI_Win_fence(0, handle), rank: rank)
  }

  /// Gives the memory back (collective).
  public consuming func free() throws(MPIError) {
    var handle: MPI_Win? = handle
    try requireSuccess("MPI_Win_free", MPI_Win_free(&handle), rank: rank)
  }
}
