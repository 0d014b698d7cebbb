import MPI

/// Collectives that move blocks of varying length.
enum VaryingSuite {
  static func run<Element: TestElement>(
    _ type: Element.Type, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let shapes = [
      (0..<world.size).map { 2 * $0 }, (0..<world.size).map { 7 - $0 },
      (0..<world.size).map { $0 == world.size / 2 ? 5 : 0 },
    ]
    for counts in shapes {
      let blocks = counts.indices.map { numbers(counts[$0], rank: $0, type) }
      try gather(counts, blocks, world, checks)
      try allgather(counts, blocks, world, checks)
      try scatter(counts, blocks, world, checks)
    }
  }

  private static func gather<Element: TestElement>(
    _ counts: [Int], _ blocks: [[Element]], _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let own = blocks[world.rank]
    let all = Array(blocks.joined())
    for root in 0..<world.size {
      let isRoot = world.rank == root
      checks.equal(
        "gather of \(counts) to \(root)", try world.gather(varying: own, to: root), isRoot ? blocks : nil)
      let request = try world.startGather(Buffer(own), counts: counts, to: root)
      checks.equal(
        "startGather of \(counts) to \(root)", try request.wait().elements, isRoot ? all : [])
      let place = Buffer<Element>(alone(own, in: all.count, at: counts[..<world.rank].reduce(0, +)))
      try own.withUnsafeBufferPointer { own throws(MPIError) in
        try place.withUnsafePointer { memory throws(MPIError) in
          try world.gather(isRoot ? nil : own, into: memory, counts: counts, to: root)
        }
      }
      if isRoot { checks.equal("gather in place of \(counts) to \(root)", place.elements, all) }
    }
  }

  private static func allgather<Element: TestElement>(
    _ counts: [Int], _ blocks: [[Element]], _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let own = blocks[world.rank]
    let all = Array(blocks.joined())
    checks.equal("allgather of \(counts)", try world.allgather(varying: own), blocks)
    let place = Buffer<Element>(alone(own, in: all.count, at: counts[..<world.rank].reduce(0, +)))
    try place.withUnsafePointer { memory throws(MPIError) in
      try world.allgather(inPlace: memory, counts: counts)
    }
    checks.equal("allgather in place of \(counts)", place.elements, all)
    let request = try world.startAllgather(Buffer(own), counts: counts)
    checks.equal("startAllgather of \(counts)", try request.wait().elements, all)
  }

  private static func scatter<Element: TestElement>(
    _ counts: [Int], _ blocks: [[Element]], _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    for root in 0..<world.size {
      let isRoot = world.rank == root
      let all = isRoot ? Array(blocks.joined()) : []
      checks.equal(
        "scatter of \(counts) from \(root)", try world.scatter(all, counts: counts, from: root),
        blocks[world.rank])
      let request = try world.startScatter(Buffer(all), counts: counts, from: root)
      checks.equal("startScatter of \(counts) from \(root)", try request.wait().elements, blocks[world.rank])
      let place = Buffer<Element>(count: counts[world.rank])
      try all.withUnsafeBufferPointer { all throws(MPIError) in
        try place.withUnsafePointer { memory throws(MPIError) in
          try world.scatter(all, into: isRoot ? nil : memory, counts: counts, from: root)
        }
      }
      let expected = isRoot ? [Element](repeating: 0, count: counts[root]) : blocks[world.rank]
      checks.equal("scatter in place of \(counts) from \(root)", place.elements, expected)
    }
  }
}
