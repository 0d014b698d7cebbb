import CMPI

/// Memory that the ranks on one host share, with one segment per rank.
///
/// Every rank can read and write every segment directly. Call `fence()` between writing and reading.
public struct SharedWindow<Element: MPIElement>: ~Copyable {
  private let handle: MPI_Win
  private let rank: Int
  private let size: Int

  /// Allocates `count` elements, all bits zero, for this rank (collective; ranks may pass different counts).
  ///
  /// All ranks of `communicator` must be on one host; `Communicator.splitByHost()` returns such a communicator.
  public init(count: Int, on communicator: borrowing Communicator) throws(MPIError) {
    let call = "MPI_Win_allocate_shared"
    let rank = communicator.rank
    let stride = MemoryLayout<Element>.stride
    var base: UnsafeMutableRawPointer?
    var made: WindowSlot = shim_win_null()
    guard count >= 0 else { throw communicator.outOfRange(call, count, "a count can't be negative") }
    let code = withUnsafeMutablePointer(to: &base) {
      MPI_Win_allocate_shared(
        count * stride, Int32(stride), shim_info_null(), communicator.handle, $0, &made)
    }
    try requireSuccess(call, code, rank: rank)
    guard let made = made as MPI_Win? else { preconditionFailure("\(call) succeeded without a window") }
    try requireSuccess(
      "MPI_Win_set_errhandler", MPI_Win_set_errhandler(made, shim_errors_return()), rank: rank)
    if count > 0 { base?.initializeMemory(as: UInt8.self, repeating: 0, count: count * stride) }
    try requireSuccess("MPI_Win_fence", MPI_Win_fence(0, made), rank: rank)
    handle = made
    self.rank = rank
    size = communicator.size
  }

  /// Returns the segment of `rank`. It is valid until `free()`.
  public func segment(of rank: Int) throws(MPIError) -> UnsafeMutableBufferPointer<Element> {
    let call = "MPI_Win_shared_query"
    guard rank >= 0, rank < size else {
      throw MPIError(
        kind: .reported(.rank), call: call, rank: self.rank,
        message: "there is no rank \(rank); the ranks of this window are 0 to \(size - 1)")
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

  /// Returns once all ranks have called it. Every rank then sees what any rank wrote before (collective).
  public func fence() throws(MPIError) {
    try requireSuccess("MPI_Win_fence", MPI_Win_fence(0, handle), rank: rank)
  }

  /// Releases the memory (collective).
  public consuming func free() throws(MPIError) {
    var handle: WindowSlot = handle
    try requireSuccess("MPI_Win_free", MPI_Win_free(&handle), rank: rank)
  }
}
