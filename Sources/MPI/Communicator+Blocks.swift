import COpenMPI

// Collectives that move equal blocks. Where all blocks together exceed `maximumCount` they go in several
// calls, each with a part of every block: a datatype as long as the part, but spaced by the whole block, lets
// MPI find the parts, without a copy and without a 32-bit displacement.

extension Communicator {
  // MARK: - Gather

  /// Overwrites `gathered` on `root` with all ranks' `values`, in rank order; they are equally long.
  ///
  /// On the other ranks `gathered` is not used and may be empty.
  public func gather<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, into gathered: UnsafeMutableBufferPointer<Element>, to root: Int
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in
      try gather(Contribution(values), values.count, into: gathered, to: root, &posting)
    }
  }

  /// Gathers with the block of `root` already in its place of `gathered`; the others send `values`.
  ///
  /// `values` is not used on `root`; `gathered` is not used on the others.
  public func gather<Element: MPIElement>(
    inPlace gathered: UnsafeMutableBufferPointer<Element>, orSending values: UnsafeBufferPointer<Element>,
    to root: Int
  ) throws(MPIError) {
    let own: Contribution<Element> = rank == root ? .inPlace : Contribution(values)
    let count = rank == root ? try equalBlock(gathered.count, "MPI_Gather") : values.count
    try perform { posting throws(MPIError) in
      try gather(own, count, into: gathered, to: root, &posting)
    }
  }

  /// Starts to gather `values`, owned by the request; on `root` `wait` returns all, elsewhere nothing.
  public func startGather<Element: MPIElement>(
    _ values: consuming Buffer<Element>, to root: Int
  ) throws(MPIError) -> Request<Element> {
    let source = UnsafeBufferPointer(values.memory.pointer)
    let gathered = Buffer<Element>(count: rank == root ? source.count * size : 0)
    return try start(gathered, holding: values) { memory, posting throws(MPIError) in
      try gather(Contribution(source), source.count, into: memory, to: root, &posting)
    }
  }

  private func gather<Element: MPIElement>(
    _ values: Contribution<Element>, _ count: Int, into gathered: UnsafeMutableBufferPointer<Element>,
    to root: Int, _ posting: inout Posting
  ) throws(MPIError) {
    try requireRank(root, "MPI_Gather")
    if rank == root { try requireLength(gathered.count, count * size, "the result", "MPI_Gather") }
    let type = Element.datatype.handle
    try forParts(of: count, Element.self) { part, block throws(MPIError) in
      let source = values.address(part.lowerBound)
      let place = rank == root ? address(gathered, part.lowerBound) : nil
      let count = Int32(part.count)
      try posting.issue(("MPI_Gather", "MPI_Igather")) {
        MPI_Gather(source, count, type, place, block.count, block.type, Int32(root), handle)
      } starting: {
        MPI_Igather(source, count, type, place, block.count, block.type, Int32(root), handle, $0)
      }
    }
  }

  // MARK: - Allgather

  /// Overwrites `gathered` on every rank with all ranks' `values`, in rank order; they are equally long.
  public func allgather<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, into gathered: UnsafeMutableBufferPointer<Element>
  ) throws(MPIError) {
    try requireLength(gathered.count, values.count * size, "the result", "MPI_Allgather")
    try perform { posting throws(MPIError) in
      try allgather(Contribution(values), into: gathered, &posting)
    }
  }

  /// Completes `gathered`, of which each rank holds its own block, on every rank.
  public func allgather<Element: MPIElement>(
    inPlace gathered: UnsafeMutableBufferPointer<Element>
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in try allgather(.inPlace, into: gathered, &posting) }
  }

  /// Starts to gather `values`, owned by the request; `wait` returns all ranks' in rank order.
  public func startAllgather<Element: MPIElement>(
    _ values: consuming Buffer<Element>
  ) throws(MPIError) -> Request<Element> {
    let source = UnsafeBufferPointer(values.memory.pointer)
    return try start(Buffer<Element>(count: source.count * size), holding: values) {
      memory, posting throws(MPIError) in
      try allgather(Contribution(source), into: memory, &posting)
    }
  }

  private func allgather<Element: MPIElement>(
    _ values: Contribution<Element>, into gathered: UnsafeMutableBufferPointer<Element>,
    _ posting: inout Posting
  ) throws(MPIError) {
    let type = Element.datatype.handle
    let length = try equalBlock(gathered.count, "MPI_Allgather")
    try forParts(of: length, Element.self) { part, block throws(MPIError) in
      let source = values.address(part.lowerBound)
      let place = address(gathered, part.lowerBound)
      let count = Int32(part.count)
      try posting.issue(("MPI_Allgather", "MPI_Iallgather")) {
        MPI_Allgather(source, count, type, place, block.count, block.type, handle)
      } starting: {
        MPI_Iallgather(source, count, type, place, block.count, block.type, handle, $0)
      }
    }
  }

  // MARK: - Scatter

  /// Overwrites `values` on each rank with its block of `root`'s `scattered`; blocks are equally long.
  ///
  /// On the other ranks `scattered` is not used and may be empty.
  public func scatter<Element: MPIElement>(
    _ scattered: UnsafeBufferPointer<Element>, into values: UnsafeMutableBufferPointer<Element>,
    from root: Int
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in
      try scatter(scattered, values.count, into: address(values, 0), from: root, &posting)
    }
  }

  /// Scatters with the block of `root` left in its place of `scattered`; the others receive into `values`.
  ///
  /// `values` is not used on `root`; `scattered` is not used on the others.
  public func scatter<Element: MPIElement>(
    inPlace scattered: UnsafeBufferPointer<Element>,
    orReceivingInto values: UnsafeMutableBufferPointer<Element>, from root: Int
  ) throws(MPIError) {
    let count = rank == root ? try equalBlock(scattered.count, "MPI_Scatter") : values.count
    try perform { posting throws(MPIError) in
      try scatter(
        scattered, count, into: rank == root ? nil : address(values, 0), keepsOwn: rank == root, from: root,
        &posting)
    }
  }

  /// Starts to scatter `root`'s `scattered`, owned by the request, in blocks of `count`.
  ///
  /// `wait` returns this rank's block. On the other ranks `scattered` is not used and may be empty.
  public func startScatter<Element: MPIElement>(
    _ scattered: consuming Buffer<Element>, count: Int, from root: Int
  ) throws(MPIError) -> Request<Element> {
    let source = UnsafeBufferPointer(scattered.memory.pointer)
    return try start(Buffer<Element>(count: count), holding: scattered) { memory, posting throws(MPIError) in
      try scatter(source, count, into: address(memory, 0), from: root, &posting)
    }
  }

  private func scatter<Element: MPIElement>(
    _ scattered: UnsafeBufferPointer<Element>, _ count: Int, into values: UnsafeMutableRawPointer?,
    keepsOwn: Bool = false, from root: Int, _ posting: inout Posting
  ) throws(MPIError) {
    try requireRank(root, "MPI_Scatter")
    if rank == root {
      try requireLength(scattered.count, count * size, "the buffer to scatter", "MPI_Scatter")
    }
    let type = Element.datatype.handle
    try forParts(of: count, Element.self) { part, block throws(MPIError) in
      let source = rank == root ? address(scattered, part.lowerBound) : nil
      let place =
        keepsOwn ? shim_in_place() : values.map { $0 + part.lowerBound * MemoryLayout<Element>.stride }
      let count = Int32(part.count)
      try posting.issue(("MPI_Scatter", "MPI_Iscatter")) {
        MPI_Scatter(source, block.count, block.type, place, count, type, Int32(root), handle)
      } starting: {
        MPI_Iscatter(source, block.count, block.type, place, count, type, Int32(root), handle, $0)
      }
    }
  }

  // MARK: - All to all

  /// Sends block r of `values` to rank r, and overwrites block r of `received` with what rank r sends.
  public func allToAll<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, into received: UnsafeMutableBufferPointer<Element>
  ) throws(MPIError) {
    try requireLength(received.count, values.count, "the result", "MPI_Alltoall")
    try perform { posting throws(MPIError) in
      try allToAll(Contribution(values), into: received, &posting)
    }
  }

  /// Replaces block r of `values` by what rank r sends.
  public func allToAll<Element: MPIElement>(
    inPlace values: UnsafeMutableBufferPointer<Element>
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in try allToAll(.inPlace, into: values, &posting) }
  }

  /// Starts to send block r of `values` to rank r; `wait` returns the blocks received, in rank order.
  public func startAllToAll<Element: MPIElement>(
    _ values: consuming Buffer<Element>
  ) throws(MPIError) -> Request<Element> {
    let source = UnsafeBufferPointer(values.memory.pointer)
    return try start(Buffer<Element>(count: source.count), holding: values) {
      memory, posting throws(MPIError) in
      try allToAll(Contribution(source), into: memory, &posting)
    }
  }

  private func allToAll<Element: MPIElement>(
    _ values: Contribution<Element>, into received: UnsafeMutableBufferPointer<Element>,
    _ posting: inout Posting
  ) throws(MPIError) {
    let length = try equalBlock(received.count, "MPI_Alltoall")
    try forParts(of: length, Element.self) { part, block throws(MPIError) in
      let source = values.address(part.lowerBound)
      let place = address(received, part.lowerBound)
      try posting.issue(("MPI_Alltoall", "MPI_Ialltoall")) {
        MPI_Alltoall(source, block.count, block.type, place, block.count, block.type, handle)
      } starting: {
        MPI_Ialltoall(source, block.count, block.type, place, block.count, block.type, handle, $0)
      }
    }
  }

  // MARK: - Parts of blocks

  /// How a part of a block is described to MPI: `count` items of `type`.
  private struct BlockType {
    let count: Int32
    let type: MPI_Datatype
  }

  /// Calls `body` with each part of a block of `count` elements, and the type that finds it in every block.
  private func forParts<Element: MPIElement>(
    of count: Int, _ element: Element.Type,
    _ body: (Range<Int>, BlockType) throws(MPIError) -> Void
  ) throws(MPIError) {
    guard count > maximumCount / size else {
      return try body(0..<count, BlockType(count: Int32(count), type: Element.datatype.handle))
    }
    for part in pieces(of: count, limit: max(1, maximumCount / size)) {
      var type = try partType(part.count, of: count, element)
      defer { MPI_Type_free(&type) }
      guard let type else { preconditionFailure("MPI made no datatype") }
      try body(part, BlockType(count: 1, type: type))
    }
  }

  /// Returns a type of `count` elements, the next of which lies `blockCount` elements further on.
  ///
  /// It may be freed as soon as the operations that use it have started.
  private func partType<Element: MPIElement>(
    _ count: Int, of blockCount: Int, _ element: Element.Type
  ) throws(MPIError) -> MPI_Datatype? {
    var packed: MPI_Datatype?
    var spaced: MPI_Datatype?
    defer { MPI_Type_free(&packed) }
    try check(
      "MPI_Type_contiguous", MPI_Type_contiguous(Int32(count), Element.datatype.handle, &packed))
    let extent = blockCount * MemoryLayout<Element>.stride
    try check("MPI_Type_create_resized", MPI_Type_create_resized(packed, 0, extent, &spaced))
    try check("MPI_Type_commit", MPI_Type_commit(&spaced))
    return spaced
  }

  /// Returns the length of a block of a buffer that holds one for each rank.
  private func equalBlock(_ count: Int, _ call: String) throws(MPIError) -> Int {
    try requireLength(count, count / size * size, "a buffer of \(size) equal blocks", call)
    return count / size
  }
}
