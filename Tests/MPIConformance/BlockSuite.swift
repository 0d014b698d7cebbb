import MPI

/// Collectives that move equal blocks.
enum BlockSuite {
  static func run<Element: TestElement>(
    _ type: Element.Type, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    for count in testCounts {
      try gather(type, count, world, checks)
      try allgather(type, count, world, checks)
      try scatter(type, count, world, checks)
      try allToAll(type, count, world, checks)
    }
  }

  private static func gather<Element: TestElement>(
    _ type: Element.Type, _ count: Int, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let own = numbers(count, rank: world.rank, type)
    let all = joined(count, ranks: world.size, type)
    for root in 0..<world.size {
      let isRoot = world.rank == root
      checks.equal("gather of \(count) to \(root)", try world.gather(own, to: root), isRoot ? all : nil)
      let request = try world.startGather(Buffer(own), to: root)
      checks.equal("startGather of \(count) to \(root)", try request.wait().elements, isRoot ? all : [])
      let place = Buffer<Element>(alone(own, in: all.count, at: world.rank * count))
      try own.withUnsafeBufferPointer { own throws(MPIError) in
        try place.withUnsafePointer { memory throws(MPIError) in
          try world.gather(isRoot ? nil : own, into: memory, to: root)
        }
      }
      if isRoot { checks.equal("gather in place of \(count) to \(root)", place.elements, all) }
    }
  }

  private static func allgather<Element: TestElement>(
    _ type: Element.Type, _ count: Int, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let own = numbers(count, rank: world.rank, type)
    let all = joined(count, ranks: world.size, type)
    checks.equal("allgather of \(count)", try world.allgather(own), all)
    let place = Buffer<Element>(alone(own, in: all.count, at: world.rank * count))
    try place.withUnsafePointer { memory throws(MPIError) in try world.allgather(inPlace: memory) }
    checks.equal("allgather in place of \(count)", place.elements, all)
    let request = try world.startAllgather(Buffer(own))
    checks.equal("startAllgather of \(count)", try request.wait().elements, all)
  }

  private static func scatter<Element: TestElement>(
    _ type: Element.Type, _ count: Int, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let expected = numbers(count, rank: world.rank, type)
    for root in 0..<world.size {
      let isRoot = world.rank == root
      let all = isRoot ? joined(count, ranks: world.size, type) : []
      checks.equal(
        "scatter of \(count) from \(root)", try world.scatter(all, count: count, from: root), expected)
      let request = try world.startScatter(Buffer(all), count: count, from: root)
      checks.equal("startScatter of \(count) from \(root)", try request.wait().elements, expected)
      let place = Buffer<Element>(count: count)
      try all.withUnsafeBufferPointer { all throws(MPIError) in
        try place.withUnsafePointer { memory throws(MPIError) in
          try world.scatter(all, into: isRoot ? nil : memory, from: root)
        }
      }
      checks.equal(
        "scatter in place of \(count) from \(root)", place.elements,
        isRoot ? [Element](repeating: 0, count: count) : expected)
    }
  }

  private static func allToAll<Element: TestElement>(
    _ type: Element.Type, _ count: Int, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    // Rank s sends the numbers of "rank" s + 2r to rank r.
    let own = (0..<world.size).flatMap { numbers(count, rank: world.rank + 2 * $0, type) }
    let expected = (0..<world.size).flatMap { numbers(count, rank: $0 + 2 * world.rank, type) }
    checks.equal("allToAll of \(count)", try world.allToAll(own), expected)
    let place = Buffer(own)
    try place.withUnsafePointer { memory throws(MPIError) in try world.allToAll(inPlace: memory) }
    checks.equal("allToAll in place of \(count)", place.elements, expected)
    let request = try world.startAllToAll(Buffer(own))
    checks.equal("startAllToAll of \(count)", try request.wait().elements, expected)
  }
}

/// Returns `count` elements that are zero except for `own` at `start`.
func alone<Element: TestElement>(_ own: [Element], in count: Int, at start: Int) -> [Element] {
  var all = [Element](repeating: 0, count: count)
  all.replaceSubrange(start..<start + own.count, with: own)
  return all
}
