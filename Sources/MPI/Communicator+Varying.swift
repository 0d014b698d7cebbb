import COpenMPI

// Collectives that move blocks of different lengths. All ranks know all lengths, so that all take the same
// way: one call, or, beyond `maximumCount` elements, one rank's block after the other.

extension Communicator {
  /// Overwrites `gathered` on `root` with all ranks' `values` in rank order; rank r has `counts[r]` of them.
  ///
  /// `counts` is the same on all ranks. On the others than `root`, `gathered` is not used.
  public func gather<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, into gathered: UnsafeMutableBufferPointer<Element>,
    counts: [Int], to root: Int
  ) throws(MPIError) {
    try requireVarying(values.count, counts, whole: rank == root ? gathered.count : nil, "MPI_Gatherv")
    try perform { posting throws(MPIError) in
      try gather(values, into: gathered, counts, to: root, &posting)
    }
  }

  /// Starts to gather `values`, owned by the request, of varying length.
  ///
  /// On `root` `wait` returns all in rank order, elsewhere nothing.
  public func startGather<Element: MPIElement>(
    _ values: consuming Buffer<Element>, counts: [Int], to root: Int
  ) throws(MPIError) -> Request<Element> {
    let source = UnsafeBufferPointer(values.memory.pointer)
    try requireVarying(source.count, counts, whole: nil, "MPI_Igatherv")
    let gathered = Buffer<Element>(count: rank == root ? try total(counts, "MPI_Igatherv") : 0)
    return try start(gathered, holding: values) { memory, posting throws(MPIError) in
      try gather(source, into: memory, counts, to: root, &posting)
    }
  }

  private func gather<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, into gathered: UnsafeMutableBufferPointer<Element>,
    _ counts: [Int], to root: Int, _ posting: inout Posting
  ) throws(MPIError) {
    try requireRank(root, "MPI_Gatherv")
    let type = Element.datatype.handle
    for step in steps(counts) {
      let lengths = posting.keep(step.counts)
      let starts = posting.keep(step.starts)
      let source = address(values, step.offset)
      let place = rank == root ? address(gathered, step.base) : nil
      let count = step.counts[rank]
      try posting.issue(("MPI_Gatherv", "MPI_Igatherv")) {
        MPI_Gatherv(source, count, type, place, lengths, starts, type, Int32(root), handle)
      } starting: {
        MPI_Igatherv(source, count, type, place, lengths, starts, type, Int32(root), handle, $0)
      }
    }
  }

  /// Overwrites `gathered` on every rank with all ranks' `values` in rank order; rank r has `counts[r]`.
  public func allgather<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, into gathered: UnsafeMutableBufferPointer<Element>,
    counts: [Int]
  ) throws(MPIError) {
    try requireVarying(values.count, counts, whole: gathered.count, "MPI_Allgatherv")
    try perform { posting throws(MPIError) in
      try allgather(Contribution(values), into: gathered, counts, &posting)
    }
  }

  /// Completes `gathered`, of which each rank holds its own block of varying length, on every rank.
  public func allgather<Element: MPIElement>(
    inPlace gathered: UnsafeMutableBufferPointer<Element>, counts: [Int]
  ) throws(MPIError) {
    try requireVarying(nil, counts, whole: gathered.count, "MPI_Allgatherv")
    try perform { posting throws(MPIError) in
      try allgather(.inPlace, into: gathered, counts, &posting)
    }
  }

  /// Starts to gather `values`, owned by the request, of varying length; `wait` returns all ranks'.
  public func startAllgather<Element: MPIElement>(
    _ values: consuming Buffer<Element>, counts: [Int]
  ) throws(MPIError) -> Request<Element> {
    let source = UnsafeBufferPointer(values.memory.pointer)
    try requireVarying(source.count, counts, whole: nil, "MPI_Iallgatherv")
    let gathered = Buffer<Element>(count: try total(counts, "MPI_Iallgatherv"))
    return try start(gathered, holding: values) { memory, posting throws(MPIError) in
      try allgather(Contribution(source), into: memory, counts, &posting)
    }
  }

  private func allgather<Element: MPIElement>(
    _ values: Contribution<Element>, into gathered: UnsafeMutableBufferPointer<Element>, _ counts: [Int],
    _ posting: inout Posting
  ) throws(MPIError) {
    let type = Element.datatype.handle
    for step in steps(counts) {
      let lengths = posting.keep(step.counts)
      let starts = posting.keep(step.starts)
      let source = values.address(step.offset)
      let place = address(gathered, step.base)
      let count = step.counts[rank]
      try posting.issue(("MPI_Allgatherv", "MPI_Iallgatherv")) {
        MPI_Allgatherv(source, count, type, place, lengths, starts, type, handle)
      } starting: {
        MPI_Iallgatherv(source, count, type, place, lengths, starts, type, handle, $0)
      }
    }
  }

  /// Overwrites `values` on rank r with the block of `counts[r]` elements of `root`'s `scattered`.
  ///
  /// `counts` is the same on all ranks. On the others than `root`, `scattered` is not used.
  public func scatter<Element: MPIElement>(
    _ scattered: UnsafeBufferPointer<Element>, into values: UnsafeMutableBufferPointer<Element>,
    counts: [Int], from root: Int
  ) throws(MPIError) {
    try requireVarying(values.count, counts, whole: rank == root ? scattered.count : nil, "MPI_Scatterv")
    try perform { posting throws(MPIError) in
      try scatter(scattered, into: values, counts, from: root, &posting)
    }
  }

  /// Starts to scatter `root`'s `scattered`, owned by the request; `wait` returns this rank's block.
  public func startScatter<Element: MPIElement>(
    _ scattered: consuming Buffer<Element>, counts: [Int], from root: Int
  ) throws(MPIError) -> Request<Element> {
    let source = UnsafeBufferPointer(scattered.memory.pointer)
    try requireVarying(nil, counts, whole: rank == root ? source.count : nil, "MPI_Iscatterv")
    return try start(Buffer<Element>(count: counts[rank]), holding: scattered) {
      memory, posting throws(MPIError) in
      try scatter(source, into: memory, counts, from: root, &posting)
    }
  }

  private func scatter<Element: MPIElement>(
    _ scattered: UnsafeBufferPointer<Element>, into values: UnsafeMutableBufferPointer<Element>,
    _ counts: [Int], from root: Int, _ posting: inout Posting
  ) throws(MPIError) {
    try requireRank(root, "MPI_Scatterv")
    let type = Element.datatype.handle
    for step in steps(counts) {
      let lengths = posting.keep(step.counts)
      let starts = posting.keep(step.starts)
      let source = rank == root ? address(scattered, step.base) : nil
      let place = address(values, step.offset)
      let count = step.counts[rank]
      try posting.issue(("MPI_Scatterv", "MPI_Iscatterv")) {
        MPI_Scatterv(source, lengths, starts, type, place, count, type, Int32(root), handle)
      } starting: {
        MPI_Iscatterv(source, lengths, starts, type, place, count, type, Int32(root), handle, $0)
      }
    }
  }

  // MARK: - Steps

  /// One call: of each rank `counts[r]` elements, which lie at `base + starts[r]` of the whole.
  private struct Step {
    var counts: [Int32]
    var starts: [Int32]
    /// Where in the whole buffer the displacements begin.
    var base = 0
    /// Where in its own block each rank's part begins.
    var offset = 0
  }

  /// Returns the calls that move blocks of these lengths, the same on all ranks.
  private func steps(_ counts: [Int]) -> [Step] {
    let blocks = blocks(counts)
    guard counts.reduce(0, +) > maximumCount else {
      return [Step(counts: counts.map(Int32.init), starts: blocks.map { Int32($0.lowerBound) })]
    }
    let none = [Int32](repeating: 0, count: size)
    return blocks.indices.flatMap { owner in
      pieces(of: counts[owner], limit: maximumCount).filter { !$0.isEmpty }.map { piece in
        var step = Step(
          counts: none, starts: none, base: blocks[owner].lowerBound + piece.lowerBound,
          // The others have nothing in this step, so only the owner's offset is ever used.
          offset: owner == rank ? piece.lowerBound : 0)
        step.counts[owner] = Int32(piece.count)
        return step
      }
    }
  }

  private func requireVarying(
    _ own: Int?, _ counts: [Int], whole: Int?, _ call: String
  ) throws(MPIError) {
    try requireLength(counts.count, size, "the list of counts", call)
    let sum = try total(counts, call)
    if let own { try requireLength(own, counts[rank], "this rank's block", call) }
    if let whole { try requireLength(whole, sum, "the buffer of all blocks", call) }
  }
}
