import CMPI

// Barrier, broadcast and the reductions.
//
// Each operation has a core that makes the MPI calls, blocking or nonblocking. The public functions pass it separate
// buffers, one buffer in place, buffers that a request owns, or arrays.

extension Communicator {
  /// Returns once every rank of the group has called it.
  public func barrier() throws(MPIError) {
    try check("MPI_Barrier", MPI_Barrier(handle))
  }

  /// Starts a barrier. `wait` returns once every rank has started it.
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

  /// Overwrites `values` on every rank with those of `root`. All have the same length.
  public func broadcast<Element: MPIElement>(_ values: inout [Element], from root: Int) throws(MPIError) {
    try values.withUnsafeMutableBufferPointer { own throws(MPIError) in try broadcast(own, from: root) }
  }

  /// Starts a broadcast of `values`, which the request owns until `wait`.
  public func startBroadcast<Element: MPIElement>(
    _ values: consuming Buffer<Element>, from root: Int
  ) throws(MPIError) -> Request<Element> {
    try start(values) { memory, posting throws(MPIError) in try broadcast(memory, from: root, &posting) }
  }

  private func broadcast<Element: MPIElement>(
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
    try requireLength(result.count, values.count, "the result", "MPI_Allreduce")
    try perform { posting throws(MPIError) in try allreduce(values, into: result, operation, &posting) }
  }

  /// Overwrites `values` on every rank with the reduction of all ranks' `values`.
  public func allreduce<Element: MPIElement>(
    inPlace values: UnsafeMutableBufferPointer<Element>, _ operation: Reduction<Element>
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in try allreduce(nil, into: values, operation, &posting) }
  }

  /// Returns the reduction of all ranks' `values`.
  public func allreduce<Element: MPIElement>(
    _ values: [Element], _ operation: Reduction<Element>
  ) throws(MPIError) -> [Element] {
    var values = values
    try values.withUnsafeMutableBufferPointer { own throws(MPIError) in
      try allreduce(inPlace: own, operation)
    }
    return values
  }

  /// Starts an allreduce in place of `values`, which the request owns until `wait`.
  public func startAllreduce<Element: MPIElement>(
    inPlace values: consuming Buffer<Element>, _ operation: Reduction<Element>
  ) throws(MPIError) -> Request<Element> {
    try start(values) { memory, posting throws(MPIError) in
      try allreduce(nil, into: memory, operation, &posting)
    }
  }

  private func allreduce<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>?, into result: UnsafeMutableBufferPointer<Element>,
    _ operation: Reduction<Element>, _ posting: inout Posting
  ) throws(MPIError) {
    let type = Element.datatype.handle
    for piece in pieces(of: result.count, limit: maximumCount) {
      let source = sendAddress(values, piece.lowerBound)
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
      try reduce(values, into: result, operation, to: root, &posting)
    }
  }

  /// Overwrites `values` on `root` with the reduction of all ranks' `values`. The `values` of the other ranks are only
  /// read.
  public func reduce<Element: MPIElement>(
    inPlace values: UnsafeMutableBufferPointer<Element>, _ operation: Reduction<Element>, to root: Int
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in
      try reduce(rank == root ? nil : .init(values), into: values, operation, to: root, &posting)
    }
  }

  /// Returns the reduction of all ranks' `values` on `root` and nil elsewhere.
  public func reduce<Element: MPIElement>(
    _ values: [Element], _ operation: Reduction<Element>, to root: Int
  ) throws(MPIError) -> [Element]? {
    var values = values
    try values.withUnsafeMutableBufferPointer { own throws(MPIError) in
      try reduce(inPlace: own, operation, to: root)
    }
    return rank == root ? values : nil
  }

  /// Starts a reduce in place of `values`, which the request owns until `wait`.
  public func startReduce<Element: MPIElement>(
    inPlace values: consuming Buffer<Element>, _ operation: Reduction<Element>, to root: Int
  ) throws(MPIError) -> Request<Element> {
    try start(values) { memory, posting throws(MPIError) in
      try reduce(rank == root ? nil : .init(memory), into: memory, operation, to: root, &posting)
    }
  }

  /// Only the root may pass `MPI_IN_PLACE`; the other ranks must pass `values`.
  private func reduce<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>?, into result: UnsafeMutableBufferPointer<Element>,
    _ operation: Reduction<Element>, to root: Int, _ posting: inout Posting
  ) throws(MPIError) {
    try requireRank(root, "MPI_Reduce")
    let type = Element.datatype.handle
    for piece in pieces(of: values?.count ?? result.count, limit: maximumCount) {
      let source = sendAddress(values, piece.lowerBound)
      let place = rank == root ? address(result, piece.lowerBound) : nil
      let count = Int32(piece.count)
      try posting.issue(("MPI_Reduce", "MPI_Ireduce")) {
        MPI_Reduce(source, place, count, type, operation.handle, Int32(root), handle)
      } starting: {
        MPI_Ireduce(source, place, count, type, operation.handle, Int32(root), handle, $0)
      }
    }
  }

  // MARK: - Reduce and scatter

  /// Reduces all ranks' `values` and overwrites each rank's `result` with its block of the reduction.
  ///
  /// `counts[r]` is the length of rank r's block, the same list on all ranks. The blocks are in rank order.
  public func reduceScatter<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, into result: UnsafeMutableBufferPointer<Element>,
    counts: [Int], _ operation: Reduction<Element>
  ) throws(MPIError) {
    _ = try blockLength("MPI_Reduce_scatter", own: result.count, whole: values.count, counts)
    try perform { posting throws(MPIError) in
      try reduceScatter(values, into: result, counts, operation, &posting)
    }
  }

  /// Reduces all ranks' `values` and overwrites the start of `values` with this rank's block of the reduction.
  public func reduceScatter<Element: MPIElement>(
    inPlace values: UnsafeMutableBufferPointer<Element>, counts: [Int], _ operation: Reduction<Element>
  ) throws(MPIError) {
    _ = try blockLength("MPI_Reduce_scatter", own: nil, whole: values.count, counts)
    try perform { posting throws(MPIError) in
      guard values.count > maximumCount else {
        return try reduceScatter(nil, into: values, counts, operation, &posting)
      }
      // The result of this rank overwrites the first block, so every block must be reduced before that.
      for (root, block) in blocks(counts).enumerated() {
        let part = UnsafeMutableBufferPointer(rebasing: values[block])
        try reduce(rank == root ? nil : .init(part), into: part, operation, to: root, &posting)
      }
      let own = blocks(counts)[rank]
      for index in own { values[index - own.lowerBound] = values[index] }
    }
  }

  /// Reduces all ranks' `values` and returns this rank's block of the reduction.
  public func reduceScatter<Element: MPIElement>(
    _ values: [Element], counts: [Int], _ operation: Reduction<Element>
  ) throws(MPIError) -> [Element] {
    let count = try blockLength("MPI_Reduce_scatter", own: nil, whole: values.count, counts)
    return try collect(values, count: count) { own, result throws(MPIError) in
      try reduceScatter(own, into: result, counts: counts, operation)
    }
  }

  /// Starts to reduce `values`, which the request owns. `wait` returns this rank's block of the reduction.
  public func startReduceScatter<Element: MPIElement>(
    _ values: consuming Buffer<Element>, counts: [Int], _ operation: Reduction<Element>
  ) throws(MPIError) -> Request<Element> {
    let count = try blockLength("MPI_Reduce_scatter", own: nil, whole: values.count, counts)
    return try start(reading: values, resultCount: count) { source, result, posting throws(MPIError) in
      try reduceScatter(source, into: result, counts, operation, &posting)
    }
  }

  private func reduceScatter<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>?, into result: UnsafeMutableBufferPointer<Element>,
    _ counts: [Int], _ operation: Reduction<Element>, _ posting: inout Posting
  ) throws(MPIError) {
    if let values, values.count > maximumCount {
      for (root, block) in blocks(counts).enumerated() {
        try reduce(.init(rebasing: values[block]), into: result, operation, to: root, &posting)
      }
      return
    }
    let list = posting.keep(counts.map(Int32.init))
    let source = sendAddress(values, 0)
    let place = address(result, 0)
    let type = Element.datatype.handle
    try posting.issue(("MPI_Reduce_scatter", "MPI_Ireduce_scatter")) {
      MPI_Reduce_scatter(source, place, list, type, operation.handle, handle)
    } starting: {
      MPI_Ireduce_scatter(source, place, list, type, operation.handle, handle, $0)
    }
  }
}
