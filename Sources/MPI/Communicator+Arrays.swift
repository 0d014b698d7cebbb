// The blocking operations on arrays, for code in which a copy doesn't matter. Each does what the operation of
// the same name on buffers does, and throws the same.

extension Communicator {
  /// Sends `values` to rank `destination`.
  public func send<Element: MPIElement>(
    _ values: [Element], to destination: Int, tag: Int = 0
  ) throws(MPIError) {
    try values.withUnsafeBufferPointer { own throws(MPIError) in try send(own, to: destination, tag: tag) }
  }

  /// Returns a message of at most `count` elements.
  public func receive<Element: MPIElement>(
    atMost count: Int, of type: Element.Type = Element.self, from source: Int? = nil, tag: Int? = nil
  ) throws(MPIError) -> [Element] {
    let buffer = Buffer<Element>(count: count)
    let status = try buffer.withUnsafePointer { memory throws(MPIError) in
      try receive(into: memory, from: source, tag: tag)
    }
    return Array(buffer.elements.prefix(status.count))
  }

  /// Overwrites `values` on every rank with those of `root`; they are equally long.
  public func broadcast<Element: MPIElement>(_ values: inout [Element], from root: Int) throws(MPIError) {
    try values.withUnsafeMutableBufferPointer { own throws(MPIError) in try broadcast(own, from: root) }
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

  /// Returns the reduction of all ranks' `values` on `root`, elsewhere nil.
  public func reduce<Element: MPIElement>(
    _ values: [Element], _ operation: Reduction<Element>, to root: Int
  ) throws(MPIError) -> [Element]? {
    var values = values
    try values.withUnsafeMutableBufferPointer { own throws(MPIError) in
      try reduce(inPlace: own, operation, to: root)
    }
    return rank == root ? values : nil
  }

  /// Reduces all ranks' `values` and returns this rank's block of them.
  public func reduceScatter<Element: MPIElement>(
    _ values: [Element], counts: [Int], _ operation: Reduction<Element>
  ) throws(MPIError) -> [Element] {
    try requireLength(counts.count, size, "the list of counts", "MPI_Reduce_scatter")
    return try collect(values, count: counts[rank]) { own, result throws(MPIError) in
      try reduceScatter(own, into: result, counts: counts, operation)
    }
  }

  /// Returns all ranks' `values` on `root`, in rank order, elsewhere nil; they are equally long.
  public func gather<Element: MPIElement>(
    _ values: [Element], to root: Int
  ) throws(MPIError) -> [Element]? {
    let count = rank == root ? values.count * size : 0
    let all = try collect(values, count: count) { own, result throws(MPIError) in
      try gather(own, into: result, to: root)
    }
    return rank == root ? all : nil
  }

  /// Returns all ranks' `values` in rank order; they are equally long.
  public func allgather<Element: MPIElement>(_ values: [Element]) throws(MPIError) -> [Element] {
    try collect(values, count: values.count * size) { own, result throws(MPIError) in
      try allgather(own, into: result)
    }
  }

  /// Returns the `values` of every rank, whose lengths may differ and are exchanged first.
  public func allgather<Element: MPIElement>(varying values: [Element]) throws(MPIError) -> [[Element]] {
    let counts = try allgather([Int64(values.count)]).map(Int.init)
    let all = try collect(values, count: counts.reduce(0, +)) { own, result throws(MPIError) in
      try allgather(own, into: result, counts: counts)
    }
    return blocks(counts).map { Array(all[$0]) }
  }

  /// Returns the `values` of every rank on `root`, elsewhere nil; lengths may differ, and are exchanged first.
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

  /// Returns this rank's block, of `count` elements as all are, of `root`'s `values`.
  public func scatter<Element: MPIElement>(
    _ values: [Element], count: Int, from root: Int
  ) throws(MPIError) -> [Element] {
    try collect(values, count: count) { own, result throws(MPIError) in
      try scatter(own, into: result, from: root)
    }
  }

  /// Returns this rank's block, of `counts[rank]` elements, of `root`'s `values`.
  public func scatter<Element: MPIElement>(
    _ values: [Element], counts: [Int], from root: Int
  ) throws(MPIError) -> [Element] {
    try requireLength(counts.count, size, "the list of counts", "MPI_Scatterv")
    return try collect(values, count: counts[rank]) { own, result throws(MPIError) in
      try scatter(own, into: result, counts: counts, from: root)
    }
  }

  /// Sends block r of `values` to rank r and returns the blocks received, in rank order.
  public func allToAll<Element: MPIElement>(_ values: [Element]) throws(MPIError) -> [Element] {
    try collect(values, count: values.count) { own, result throws(MPIError) in
      try allToAll(own, into: result)
    }
  }

  /// Returns the `count` elements that `body` writes, given `values`.
  private func collect<Element: MPIElement>(
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
