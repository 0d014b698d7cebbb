import CMPI

// Collectives that move one block per rank: gather, allgather, scatter and all-to-all.
//
// The blocks are equally long, or, with `counts`, the block of rank r has `counts[r]` elements; `counts` must be the
// same on all ranks. Each operation has a private core that makes the MPI calls, blocking or nonblocking. The public
// functions pass it separate buffers, one buffer in place, buffers that a request owns, or arrays.

extension Communicator {
  // MARK: - Gather

  /// Overwrites `gathered` on `root` with the `values` of all ranks, in rank order.
  ///
  /// On `root`, `values` may be nil if its block is already in its place in `gathered`. On the other ranks `gathered` is
  /// not used and may be empty.
  public func gather<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>?, into gathered: UnsafeMutableBufferPointer<Element>,
    counts: [Int]? = nil, to root: Int
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in
      try gather(values, into: gathered, counts, to: root, &posting)
    }
  }

  /// Starts a gather of `values`, which the request owns. `wait` returns all blocks on `root`, nothing elsewhere.
  public func startGather<Element: MPIElement>(
    _ values: consuming Buffer<Element>, counts: [Int]? = nil, to root: Int
  ) throws(MPIError) -> Request<Element> {
    let whole = try total(counts ?? Array(repeating: values.count, count: size), "MPI_Gatherv")
    return try start(reading: values, resultCount: rank == root ? whole : 0) {
      source, gathered, posting throws(MPIError) in
      try gather(source, into: gathered, counts, to: root, &posting)
    }
  }

  /// Returns the `values` of all ranks on `root`, in rank order, and nil elsewhere. All are equally long.
  public func gather<Element: MPIElement>(
    _ values: [Element], to root: Int
  ) throws(MPIError) -> [Element]? {
    let count = rank == root ? values.count * size : 0
    let all = try collect(values, count: count) { own, result throws(MPIError) in
      try gather(own, into: result, to: root)
    }
    return rank == root ? all : nil
  }

  /// Returns the `values` of every rank on `root` and nil elsewhere. Lengths may differ; they are exchanged first.
  public func gather<Element: MPIElement>(
    varying values: [Element], to root: Int
  ) throws(MPIError) -> [[Element]]? {
    let counts = try allgather([Int64(values.count)]).map(Int.init)
    let count = rank == root ? counts.reduce(0, +) : 0
    let all = try collect(values, count: count) { own, result throws(MPIError) in
      try gather(own, into: result, counts: counts, to: root)
    }
    return rank == root ? blocks(counts).map { Array(all[$0]) } : nil
  }

  private func gather<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>?, into gathered: UnsafeMutableBufferPointer<Element>,
    _ counts: [Int]?, to root: Int, _ posting: inout Posting
  ) throws(MPIError) {
    let call = counts == nil ? "MPI_Gather" : "MPI_Gatherv"
    try requireRank(root, call)
    let count = try blockLength(
      call, own: values?.count, whole: rank == root ? gathered.count : nil, counts)
    let type = Element.datatype.handle
    guard let counts else {
      return try forParts(of: count, Element.self) { part, block throws(MPIError) in
        let source = sendAddress(values, part.lowerBound)
        let place = rank == root ? address(gathered, part.lowerBound) : nil
        let count = Int32(part.count)
        try posting.issue(("MPI_Gather", "MPI_Igather")) {
          MPI_Gather(source, count, type, place, block.count, block.type, Int32(root), handle)
        } starting: {
          MPI_Igather(source, count, type, place, block.count, block.type, Int32(root), handle, $0)
        }
      }
    }
    for step in steps(counts, &posting) {
      let source = sendAddress(values, step.offset)
      let place = rank == root ? address(gathered, step.base) : nil
      try posting.issue(("MPI_Gatherv", "MPI_Igatherv")) {
        MPI_Gatherv(source, step.count, type, place, step.counts, step.starts, type, Int32(root), handle)
      } starting: {
        MPI_Igatherv(source, step.count, type, place, step.counts, step.starts, type, Int32(root), handle, $0)
      }
    }
  }

  // MARK: - Allgather

  /// Overwrites `gathered` on every rank with the `values` of all ranks, in rank order.
  public func allgather<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, into gathered: UnsafeMutableBufferPointer<Element>,
    counts: [Int]? = nil
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in try allgather(values, into: gathered, counts, &posting) }
  }

  /// Completes `gathered` on every rank. Before the call, each rank writes its own block to its position.
  public func allgather<Element: MPIElement>(
    inPlace gathered: UnsafeMutableBufferPointer<Element>, counts: [Int]? = nil
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in try allgather(nil, into: gathered, counts, &posting) }
  }

  /// Starts an allgather of `values`, which the request owns. `wait` returns all blocks in rank order.
  public func startAllgather<Element: MPIElement>(
    _ values: consuming Buffer<Element>, counts: [Int]? = nil
  ) throws(MPIError) -> Request<Element> {
    let whole = try total(counts ?? Array(repeating: values.count, count: size), "MPI_Allgatherv")
    return try start(reading: values, resultCount: whole) { source, gathered, posting throws(MPIError) in
      try allgather(source, into: gathered, counts, &posting)
    }
  }

  /// Returns the `values` of all ranks in rank order. All are equally long.
  public func allgather<Element: MPIElement>(_ values: [Element]) throws(MPIError) -> [Element] {
    try collect(values, count: values.count * size) { own, result throws(MPIError) in
      try allgather(own, into: result)
    }
  }

  /// Returns the `values` of every rank. Lengths may differ; they are exchanged first.
  public func allgather<Element: MPIElement>(varying values: [Element]) throws(MPIError) -> [[Element]] {
    let counts = try allgather([Int64(values.count)]).map(Int.init)
    let all = try collect(values, count: counts.reduce(0, +)) { own, result throws(MPIError) in
      try allgather(own, into: result, counts: counts)
    }
    return blocks(counts).map { Array(all[$0]) }
  }

  private func allgather<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>?, into gathered: UnsafeMutableBufferPointer<Element>,
    _ counts: [Int]?, _ posting: inout Posting
  ) throws(MPIError) {
    let call = counts == nil ? "MPI_Allgather" : "MPI_Allgatherv"
    let count = try blockLength(call, own: values?.count, whole: gathered.count, counts)
    let type = Element.datatype.handle
    guard let counts else {
      return try forParts(of: count, Element.self) { part, block throws(MPIError) in
        let source = sendAddress(values, part.lowerBound)
        let place = address(gathered, part.lowerBound)
        let count = Int32(part.count)
        try posting.issue(("MPI_Allgather", "MPI_Iallgather")) {
          MPI_Allgather(source, count, type, place, block.count, block.type, handle)
        } starting: {
          MPI_Iallgather(source, count, type, place, block.count, block.type, handle, $0)
        }
      }
    }
    for step in steps(counts, &posting) {
      let source = sendAddress(values, step.offset)
      let place = address(gathered, step.base)
      try posting.issue(("MPI_Allgatherv", "MPI_Iallgatherv")) {
        MPI_Allgatherv(source, step.count, type, place, step.counts, step.starts, type, handle)
      } starting: {
        MPI_Iallgatherv(source, step.count, type, place, step.counts, step.starts, type, handle, $0)
      }
    }
  }

  // MARK: - Scatter

  /// Overwrites `values` on each rank with that rank's block of `scattered` on `root`.
  ///
  /// On `root`, `values` may be nil to leave its block where it is. On the other ranks `scattered` is not used and may be
  /// empty.
  public func scatter<Element: MPIElement>(
    _ scattered: UnsafeBufferPointer<Element>, into values: UnsafeMutableBufferPointer<Element>?,
    counts: [Int]? = nil, from root: Int
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in
      try scatter(scattered, into: values, counts, from: root, &posting)
    }
  }

  /// Starts a scatter of `scattered` on `root`, which the request owns. Every block has `count` elements, and
  /// `wait` returns this rank's block.
  public func startScatter<Element: MPIElement>(
    _ scattered: consuming Buffer<Element>, count: Int, from root: Int
  ) throws(MPIError) -> Request<Element> {
    try start(reading: scattered, resultCount: count) { source, values, posting throws(MPIError) in
      try scatter(source, into: values, nil, from: root, &posting)
    }
  }

  /// Starts a scatter of `scattered` on `root`, which the request owns. `wait` returns this rank's block.
  public func startScatter<Element: MPIElement>(
    _ scattered: consuming Buffer<Element>, counts: [Int], from root: Int
  ) throws(MPIError) -> Request<Element> {
    let count = try blockLength("MPI_Scatterv", own: nil, whole: nil, counts)
    return try start(reading: scattered, resultCount: count) { source, values, posting throws(MPIError) in
      try scatter(source, into: values, counts, from: root, &posting)
    }
  }

  /// Returns this rank's block of the `values` on `root`. Every block has `count` elements.
  public func scatter<Element: MPIElement>(
    _ values: [Element], count: Int, from root: Int
  ) throws(MPIError) -> [Element] {
    try collect(values, count: count) { own, result throws(MPIError) in
      try scatter(own, into: result, from: root)
    }
  }

  /// Returns this rank's block, of `counts[rank]` elements, of the `values` on `root`.
  public func scatter<Element: MPIElement>(
    _ values: [Element], counts: [Int], from root: Int
  ) throws(MPIError) -> [Element] {
    let count = try blockLength("MPI_Scatterv", own: nil, whole: nil, counts)
    return try collect(values, count: count) { own, result throws(MPIError) in
      try scatter(own, into: result, counts: counts, from: root)
    }
  }

  private func scatter<Element: MPIElement>(
    _ scattered: UnsafeBufferPointer<Element>, into values: UnsafeMutableBufferPointer<Element>?,
    _ counts: [Int]?, from root: Int, _ posting: inout Posting
  ) throws(MPIError) {
    let call = counts == nil ? "MPI_Scatter" : "MPI_Scatterv"
    try requireRank(root, call)
    let count = try blockLength(
      call, own: values?.count, whole: rank == root ? scattered.count : nil, counts)
    let type = Element.datatype.handle
    guard let counts else {
      return try forParts(of: count, Element.self) { part, block throws(MPIError) in
        let source = rank == root ? address(scattered, part.lowerBound) : nil
        let place = receiveAddress(values, part.lowerBound)
        let count = Int32(part.count)
        try posting.issue(("MPI_Scatter", "MPI_Iscatter")) {
          MPI_Scatter(source, block.count, block.type, place, count, type, Int32(root), handle)
        } starting: {
          MPI_Iscatter(source, block.count, block.type, place, count, type, Int32(root), handle, $0)
        }
      }
    }
    for step in steps(counts, &posting) {
      let source = rank == root ? address(scattered, step.base) : nil
      let place = receiveAddress(values, step.offset)
      try posting.issue(("MPI_Scatterv", "MPI_Iscatterv")) {
        MPI_Scatterv(source, step.counts, step.starts, type, place, step.count, type, Int32(root), handle)
      } starting: {
        MPI_Iscatterv(
          source, step.counts, step.starts, type, place, step.count, type, Int32(root), handle, $0)
      }
    }
  }

  // MARK: - All to all

  /// Sends block r of `values` to rank r, and overwrites block r of `received` with the block that rank r sends.
  public func allToAll<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, into received: UnsafeMutableBufferPointer<Element>
  ) throws(MPIError) {
    try requireLength(received.count, values.count, "the result", "MPI_Alltoall")
    try perform { posting throws(MPIError) in try allToAll(values, into: received, &posting) }
  }

  /// Replaces block r of `values` with the block that rank r sends.
  public func allToAll<Element: MPIElement>(
    inPlace values: UnsafeMutableBufferPointer<Element>
  ) throws(MPIError) {
    try perform { posting throws(MPIError) in try allToAll(nil, into: values, &posting) }
  }

  /// Starts to send block r of `values` to rank r. `wait` returns the received blocks in rank order.
  public func startAllToAll<Element: MPIElement>(
    _ values: consuming Buffer<Element>
  ) throws(MPIError) -> Request<Element> {
    let count = values.count
    return try start(reading: values, resultCount: count) { source, received, posting throws(MPIError) in
      try allToAll(source, into: received, &posting)
    }
  }

  /// Sends block r of `values` to rank r and returns the received blocks in rank order.
  public func allToAll<Element: MPIElement>(_ values: [Element]) throws(MPIError) -> [Element] {
    try collect(values, count: values.count) { own, result throws(MPIError) in
      try allToAll(own, into: result)
    }
  }

  private func allToAll<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>?, into received: UnsafeMutableBufferPointer<Element>,
    _ posting: inout Posting
  ) throws(MPIError) {
    let length = try blockLength("MPI_Alltoall", own: nil, whole: received.count, nil)
    try forParts(of: length, Element.self) { part, block throws(MPIError) in
      let source = sendAddress(values, part.lowerBound)
      let place = address(received, part.lowerBound)
      try posting.issue(("MPI_Alltoall", "MPI_Ialltoall")) {
        MPI_Alltoall(source, block.count, block.type, place, block.count, block.type, handle)
      } starting: {
        MPI_Ialltoall(source, block.count, block.type, place, block.count, block.type, handle, $0)
      }
    }
  }

  // MARK: - Lengths

  /// Checks the lengths of a collective over blocks and returns the length of this rank's block.
  ///
  /// `own` is the length of the buffer of this rank's block, `whole` that of the buffer of all blocks; nil if the call
  /// does not have that buffer. Without `counts` the blocks are equally long.
  func blockLength(_ call: String, own: Int?, whole: Int?, _ counts: [Int]?) throws(MPIError) -> Int {
    guard let counts else {
      let length = own ?? (whole ?? 0) / size
      if let whole { try requireLength(whole, length * size, "the buffer of \(size) equal blocks", call) }
      return length
    }
    try requireLength(counts.count, size, "the list of counts", call)
    let sum = try total(counts, call)
    if let own { try requireLength(own, counts[rank], "this rank's block", call) }
    if let whole { try requireLength(whole, sum, "the buffer of all blocks", call) }
    return counts[rank]
  }

  /// Returns the sum of `counts`, none of which may be negative.
  private func total(_ counts: [Int], _ call: String) throws(MPIError) -> Int {
    if let negative = counts.first(where: { $0 < 0 }) {
      throw outOfRange(call, negative, "a count can't be negative")
    }
    return counts.reduce(0, +)
  }

  /// Returns the ranges of consecutive blocks with these counts.
  func blocks(_ counts: [Int]) -> [Range<Int>] {
    var start = 0
    return counts.map { count in
      defer { start += count }
      return start..<start + count
    }
  }

  // MARK: - Parts of equal blocks

  /// The layout of a part of every block: `count` items of `type` per block.
  private struct BlockType {
    let count: Int32
    let type: MPI_Datatype
  }

  /// Calls `body` with each part of a block of `count` elements, and with the type that finds it in every block.
  ///
  /// If all blocks together exceed `maximumCount`, the operation takes several calls, each with a part of every
  /// block. A datatype with the size of the part and the extent of the block lets MPI find the parts without a copy
  /// and without 32-bit displacements.
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
      guard let type = type as MPI_Datatype? else { preconditionFailure("MPI made no datatype") }
      try body(part, BlockType(count: 1, type: type))
    }
  }

  /// Returns a type of `count` elements with an extent of `blockCount` elements.
  ///
  /// It may be freed as soon as the operations that use it have started.
  private func partType<Element: MPIElement>(
    _ count: Int, of blockCount: Int, _ element: Element.Type
  ) throws(MPIError) -> DatatypeSlot {
    var packed: DatatypeSlot = shim_datatype_null()
    var spaced: DatatypeSlot = shim_datatype_null()
    defer { MPI_Type_free(&packed) }
    try check(
      "MPI_Type_contiguous", MPI_Type_contiguous(Int32(count), Element.datatype.handle, &packed))
    let extent = blockCount * MemoryLayout<Element>.stride
    try check("MPI_Type_create_resized", MPI_Type_create_resized(packed, 0, extent, &spaced))
    try check("MPI_Type_commit", MPI_Type_commit(&spaced))
    return spaced
  }

  // MARK: - Steps of varying blocks

  /// One MPI call. Each rank contributes `counts[r]` elements, which are at `base + starts[r]` of the whole buffer.
  private struct Step {
    let counts: UnsafePointer<Int32>?
    let starts: UnsafePointer<Int32>?
    /// The number of elements that this rank contributes.
    let count: Int32
    /// The position in the whole buffer at which the displacements start.
    var base = 0
    /// The position in this rank's block at which its part starts.
    var offset = 0
  }

  /// Returns the calls that move blocks of these lengths, the same on all ranks.
  ///
  /// This is one call, or, beyond `maximumCount` elements, one block after another.
  private func steps(_ counts: [Int], _ posting: inout Posting) -> [Step] {
    let blocks = blocks(counts)
    guard counts.reduce(0, +) > maximumCount else {
      let starts = posting.keep(blocks.map { Int32($0.lowerBound) })
      return [
        Step(counts: posting.keep(counts.map(Int32.init)), starts: starts, count: Int32(counts[rank]))
      ]
    }
    let zeros = [Int32](repeating: 0, count: size)
    let starts = posting.keep(zeros)
    var steps: [Step] = []
    for (owner, block) in blocks.enumerated() where !block.isEmpty {
      for piece in pieces(of: block.count, limit: maximumCount) {
        var lengths = zeros
        lengths[owner] = Int32(piece.count)
        // The other ranks have no elements in this step, so only the owner's offset is used.
        steps.append(
          Step(
            counts: posting.keep(lengths), starts: starts, count: lengths[rank],
            base: block.lowerBound + piece.lowerBound, offset: owner == rank ? piece.lowerBound : 0))
      }
    }
    return steps
  }
}
