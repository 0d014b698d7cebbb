import COpenMPI

/// What a rank contributes to a collective: elements of its own, or those already in the result buffer.
struct Contribution<Element: MPIElement> {
  private let values: UnsafeBufferPointer<Element>?

  /// The elements of `values`.
  init(_ values: UnsafeBufferPointer<Element>) { self.values = values }
  private init() { values = nil }
  /// The elements already in the result buffer.
  static var inPlace: Contribution { Contribution() }

  var isInPlace: Bool { values == nil }
  /// The length, nil in place.
  var count: Int? { values?.count }

  /// The address of the element at `offset`, or MPI's word for "in place".
  func address(_ offset: Int) -> UnsafeRawPointer? {
    guard let values else { return UnsafeRawPointer(shim_in_place()) }
    return values.baseAddress.map { UnsafeRawPointer($0 + offset) }
  }
}

// The operations of one file share their form: a private core that makes the calls, blocking or not, and
// public functions for separate buffers, in place, and started.

extension Communicator {
  /// Returns once every rank of the group has called it.
  public func barrier() throws(MPIError) {
    try check("MPI_Barrier", MPI_Barrier(handle))
  }

  /// Starts a barrier; `wait` returns once every rank has started it.
  public func startBarrier() throws(MPIError) -> Request<UInt8> {
    try start(Buffer<UInt8>(count: 0)) { _, posting throws(MPIError) in
      try posting.start("MPI_Ibarrier") { MPI_Ibarrier(handle, $0) }
    }
  }

  // MARK: - Broadcast

  /// Overwrites `values` on every rank with those of `root`.
  public func broadcast<Element: MPIElement>(
    _ values: UnsafeMutableBufferPointer<Element>, from root: Int
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in try broadcast(values, from: root, &posting) }
  }

  /// Starts a broadcast of `values`, which the request owns until it is waited for.
  public func startBroadcast<Element: MPIElement>(
    _ values: consuming Buffer<Element>, from root: Int
  ) throws(MPIError) -> Request<Element> {
    try start(values) { memory, posting throws(MPIError) in try broadcast(memory, from: root, &posting) }
  }

  func broadcast<Element: MPIElement>(
    _ values: UnsafeMutableBufferPointer<Element>, from root: Int, _ posting: inout Posting
  ) throws(MPIError) {
    try requireRank(root, "MPI_Bcast")
    let type = Element.datatype.handle
    for piece in pieces(of: values.count, limit: maximumCount) {
      let place = address(values, piece.lowerBound)
      let count = Int32(piece.count)
      try posting.issue(("MPI_Bcast", "MPI_Ibcast")) {
        MPI_Bcast(place, count, type, Int32(root), handle)
      } starting: {
        MPI_Ibcast(place, count, type, Int32(root), handle, $0)
      }
    }
  }

  // MARK: - Allreduce

  /// Overwrites `result` on every rank with the reduction of all ranks' `values`.
  public func allreduce<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, into result: UnsafeMutableBufferPointer<Element>,
    _ operation: Reduction<Element>
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in
      try allreduce(Contribution(values), into: result, operation, &posting)
    }
  }

  /// Overwrites `values` on every rank with the reduction of all ranks' `values`.
  public func allreduce<Element: MPIElement>(
    inPlace values: UnsafeMutableBufferPointer<Element>, _ operation: Reduction<Element>
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in
      try allreduce(.inPlace, into: values, operation, &posting)
    }
  }

  /// Starts an allreduce in place of `values`, which the request owns until it is waited for.
  public func startAllreduce<Element: MPIElement>(
    inPlace values: consuming Buffer<Element>, _ operation: Reduction<Element>
  ) throws(MPIError) -> Request<Element> {
    try start(values) { memory, posting throws(MPIError) in
      try allreduce(.inPlace, into: memory, operation, &posting)
    }
  }

  private func allreduce<Element: MPIElement>(
    _ values: Contribution<Element>, into result: UnsafeMutableBufferPointer<Element>,
    _ operation: Reduction<Element>, _ posting: inout Posting
  ) throws(MPIError) {
    if let count = values.count {
      try requireLength(result.count, count, "the result", "MPI_Allreduce")
    }
    let type = Element.datatype.handle
    for piece in pieces(of: result.count, limit: maximumCount) {
      let source = values.address(piece.lowerBound)
      let place = address(result, piece.lowerBound)
      let count = Int32(piece.count)
      try posting.issue(("MPI_Allreduce", "MPI_Iallreduce")) {
        MPI_Allreduce(source, place, count, type, operation.handle, handle)
      } starting: {
        MPI_Iallreduce(source, place, count, type, operation.handle, handle, $0)
      }
    }
  }

  // MARK: - Reduce

  /// Overwrites `result` on `root` with the reduction of all ranks' `values`.
  ///
  /// On the other ranks `result` is not used and may be empty.
  public func reduce<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, into result: UnsafeMutableBufferPointer<Element>,
    _ operation: Reduction<Element>, to root: Int
  ) throws(MPIError) {
    if rank == root { try requireLength(result.count, values.count, "the result", "MPI_Reduce") }
    try perform { posting throws(MPIError) in
      try reduce(Contribution(values), values.count, into: result, operation, to: root, &posting)
    }
  }

  /// Overwrites `values` on `root` with the reduction of all ranks' `values`, and only reads the others'.
  public func reduce<Element: MPIElement>(
    inPlace values: UnsafeMutableBufferPointer<Element>, _ operation: Reduction<Element>, to root: Int
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in
      try reduce(inPlace: values, operation, to: root, &posting)
    }
  }

  /// Starts a reduce in place of `values`, which the request owns until it is waited for.
  public func startReduce<Element: MPIElement>(
    inPlace values: consuming Buffer<Element>, _ operation: Reduction<Element>, to root: Int
  ) throws(MPIError) -> Request<Element> {
    try start(values) { memory, posting throws(MPIError) in
      try reduce(inPlace: memory, operation, to: root, &posting)
    }
  }

  func reduce<Element: MPIElement>(
    inPlace values: UnsafeMutableBufferPointer<Element>, _ operation: Reduction<Element>, to root: Int,
    _ posting: inout Posting
  ) throws(MPIError) {
    // In place is the root's word alone: the others contribute their buffer.
    let own: Contribution<Element> = rank == root ? .inPlace : Contribution(UnsafeBufferPointer(values))
    try reduce(own, values.count, into: values, operation, to: root, &posting)
  }

  func reduce<Element: MPIElement>(
    _ values: Contribution<Element>, _ count: Int, into result: UnsafeMutableBufferPointer<Element>,
    _ operation: Reduction<Element>, to root: Int, _ posting: inout Posting
  ) throws(MPIError) {
    try requireRank(root, "MPI_Reduce")
    let type = Element.datatype.handle
    for piece in pieces(of: count, limit: maximumCount) {
      let source = values.address(piece.lowerBound)
      let place = rank == root ? address(result, piece.lowerBound) : nil
      let count = Int32(piece.count)
      try posting.issue(("MPI_Reduce", "MPI_Ireduce")) {
        MPI_Reduce(source, place, count, type, operation.handle, Int32(root), handle)
      } starting: {
        MPI_Ireduce(source, place, count, type, operation.handle, Int32(root), handle, $0)
      }
    }
  }
}
