import COpenMPI

extension Communicator {
  /// Reduces all ranks' `values` and overwrites each rank's `result` with its block of them.
  ///
  /// `counts[r]` is the length of rank r's block, the same list on all ranks; blocks lie in rank order.
  public func reduceScatter<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, into result: UnsafeMutableBufferPointer<Element>,
    counts: [Int], _ operation: Reduction<Element>
  ) throws(MPIError) {
    let call = "MPI_Reduce_scatter"
    try requireLength(counts.count, size, "the list of counts", call)
    try requireLength(values.count, try total(counts, call), "the buffer to reduce", call)
    try requireLength(result.count, counts[rank], "the result", call)
    try perform { posting throws(MPIError) in
      if values.count <= maximumCount {
        try reduceScatterAtOnce(Contribution(values), into: result, counts, operation, &posting)
      } else {
        try reduceBlocks(of: values, into: result, counts, operation, &posting)
      }
    }
  }

  /// Reduces all ranks' `values` and overwrites the start of `values` with this rank's block of them.
  public func reduceScatter<Element: MPIElement>(
    inPlace values: UnsafeMutableBufferPointer<Element>, counts: [Int], _ operation: Reduction<Element>
  ) throws(MPIError) {
    let call = "MPI_Reduce_scatter"
    try requireLength(counts.count, size, "the list of counts", call)
    try requireLength(values.count, try total(counts, call), "the buffer to reduce", call)
    guard values.count > maximumCount else {
      return try perform { posting throws(MPIError) in
        try reduceScatterAtOnce(.inPlace, into: values, counts, operation, &posting)
      }
    }
    // Each block is reduced where it lies; only then may the own one overwrite the first.
    try perform { posting throws(MPIError) in
      for (root, block) in blocks(counts).enumerated() {
        try reduce(
          inPlace: UnsafeMutableBufferPointer(rebasing: values[block]), operation, to: root, &posting)
      }
    }
    let own = blocks(counts)[rank]
    for index in own { values[index - own.lowerBound] = values[index] }
  }

  /// Starts to reduce `values`, owned by the request, and returns this rank's block of them from `wait`.
  public func startReduceScatter<Element: MPIElement>(
    _ values: consuming Buffer<Element>, counts: [Int], _ operation: Reduction<Element>
  ) throws(MPIError) -> Request<Element> {
    let call = "MPI_Ireduce_scatter"
    try requireLength(counts.count, size, "the list of counts", call)
    try requireLength(values.count, try total(counts, call), "the buffer to reduce", call)
    let source = UnsafeBufferPointer(values.memory.pointer)
    return try start(Buffer<Element>(count: counts[rank]), holding: values) {
      result, posting throws(MPIError) in
      if source.count <= maximumCount {
        try reduceScatterAtOnce(Contribution(source), into: result, counts, operation, &posting)
      } else {
        try reduceBlocks(of: source, into: result, counts, operation, &posting)
      }
    }
  }

  private func reduceScatterAtOnce<Element: MPIElement>(
    _ values: Contribution<Element>, into result: UnsafeMutableBufferPointer<Element>, _ counts: [Int],
    _ operation: Reduction<Element>, _ posting: inout Posting
  ) throws(MPIError) {
    let list = posting.keep(counts.map(Int32.init))
    let source = values.address(0)
    let place = address(result, 0)
    let type = Element.datatype.handle
    try posting.issue(("MPI_Reduce_scatter", "MPI_Ireduce_scatter")) {
      MPI_Reduce_scatter(source, place, list, type, operation.handle, handle)
    } starting: {
      MPI_Ireduce_scatter(source, place, list, type, operation.handle, handle, $0)
    }
  }

  /// Reduces block r to rank r, one after the other.
  private func reduceBlocks<Element: MPIElement>(
    of values: UnsafeBufferPointer<Element>, into result: UnsafeMutableBufferPointer<Element>,
    _ counts: [Int], _ operation: Reduction<Element>, _ posting: inout Posting
  ) throws(MPIError) {
    for (root, block) in blocks(counts).enumerated() {
      let part = UnsafeBufferPointer(rebasing: values[block])
      try reduce(Contribution(part), part.count, into: result, operation, to: root, &posting)
    }
  }

  /// Returns the sum of `counts`, none of which may be negative.
  func total(_ counts: [Int], _ call: String) throws(MPIError) -> Int {
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
}
