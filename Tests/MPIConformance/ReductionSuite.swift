import MPI

/// Barrier, broadcast and the reductions.
enum ReductionSuite {
  static func run<Element: TestElement>(
    _ type: Element.Type, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    try world.barrier()
    _ = try world.startBarrier().wait()
    for count in testCounts {
      try broadcast(type, count, world, checks)
      try allreduce(type, count, world, checks)
      try reduce(type, count, world, checks)
      try reduceScatter(type, count, world, checks)
    }
    try userDefined(type, world, checks)
    if let integer = type as? any (FixedWidthInteger & TestElement).Type {
      try bits(integer, world, checks)
    }
  }

  private static func broadcast<Element: TestElement>(
    _ type: Element.Type, _ count: Int, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    for root in 0..<world.size {
      var values = numbers(count, rank: world.rank, type)
      try world.broadcast(&values, from: root)
      checks.equal("broadcast of \(count) from \(root)", values, numbers(count, rank: root, type))
      let own = Buffer(numbers(count, rank: world.rank, type))
      let request = try world.startBroadcast(own, from: root)
      checks.equal(
        "startBroadcast of \(count) from \(root)", try request.wait().elements,
        numbers(count, rank: root, type))
    }
  }

  private static func allreduce<Element: TestElement>(
    _ type: Element.Type, _ count: Int, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let own = numbers(count, rank: world.rank, type)
    let ranks = world.size
    checks.equal("allreduce sum of \(count)", try world.allreduce(own, .sum), reduced(count, ranks: ranks, +))
    checks.equal(
      "allreduce product of \(count)", try world.allreduce(own, .product), reduced(count, ranks: ranks, *))
    checks.equal(
      "allreduce minimum of \(count)", try world.allreduce(own, .minimum), reduced(count, ranks: ranks, min))
    checks.equal(
      "allreduce maximum of \(count)", try world.allreduce(own, .maximum), reduced(count, ranks: ranks, max))
    let result = Buffer<Element>(count: count)
    try own.withUnsafeBufferPointer { own throws(MPIError) in
      try result.withUnsafePointer { memory throws(MPIError) in try world.allreduce(own, into: memory, .sum) }
    }
    checks.equal("allreduce into another of \(count)", result.elements, reduced(count, ranks: ranks, +))
    var request = try world.startAllreduce(inPlace: Buffer(own), .sum)
    while try !request.test() {}
    checks.equal("startAllreduce of \(count)", try request.wait().elements, reduced(count, ranks: ranks, +))
  }

  private static func reduce<Element: TestElement>(
    _ type: Element.Type, _ count: Int, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let own = numbers(count, rank: world.rank, type)
    for root in 0..<world.size {
      let isRoot = world.rank == root
      let sum: [Element] = reduced(count, ranks: world.size, +)
      checks.equal("reduce of \(count) to \(root)", try world.reduce(own, .sum, to: root), isRoot ? sum : nil)
      let result = Buffer<Element>(count: isRoot ? count : 0)
      try own.withUnsafeBufferPointer { own throws(MPIError) in
        try result.withUnsafePointer { memory throws(MPIError) in
          try world.reduce(own, into: memory, .sum, to: root)
        }
      }
      checks.equal("reduce into another of \(count) to \(root)", result.elements, isRoot ? sum : [])
      let request = try world.startReduce(inPlace: Buffer(own), .sum, to: root)
      checks.equal("startReduce of \(count) to \(root)", try request.wait().elements, isRoot ? sum : own)
    }
  }

  private static func reduceScatter<Element: TestElement>(
    _ type: Element.Type, _ count: Int, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    // Rank r gets r elements more than rank 0, so that the blocks have different lengths.
    let counts = (0..<world.size).map { count + $0 }
    let whole = counts.reduce(0, +)
    let start = counts[..<world.rank].reduce(0, +)
    let own = numbers(whole, rank: world.rank, type)
    let sum: [Element] = reduced(whole, ranks: world.size, +)
    let expected = Array(sum[start..<start + counts[world.rank]])
    checks.equal(
      "reduceScatter of \(whole)", try world.reduceScatter(own, counts: counts, .sum), expected)
    let inPlace = Buffer(own)
    try inPlace.withUnsafePointer { memory throws(MPIError) in
      try world.reduceScatter(inPlace: memory, counts: counts, .sum)
    }
    checks.equal(
      "reduceScatter in place of \(whole)", Array(inPlace.elements.prefix(expected.count)), expected)
    let request = try world.startReduceScatter(Buffer(own), counts: counts, .sum)
    checks.equal("startReduceScatter of \(whole)", try request.wait().elements, expected)
  }

  /// Reductions written in Swift. One is commutative, the other depends on the order of the ranks.
  private static func userDefined<Element: TestElement>(
    _ type: Element.Type, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let largest = try UserReduction<Element> { accumulator, other in
      for index in other.indices { accumulator[index] = max(accumulator[index], other[index]) }
    }
    let own = numbers(8, rank: world.rank, type)
    checks.equal(
      "user-defined allreduce", try world.allreduce(own, largest.operation),
      reduced(8, ranks: world.size, max))
    let request = try world.startAllreduce(inPlace: Buffer(own), largest.operation)
    checks.equal(
      "user-defined startAllreduce", try request.wait().elements, reduced(8, ranks: world.size, max))
    try largest.free()

    // Associative but not commutative: the result is the element of the lowest rank.
    let first = try UserReduction<Element>(commutative: false) { accumulator, other in
      for index in other.indices { accumulator[index] = other[index] }
    }
    let place = [Element](repeating: Element(world.rank + 1), count: 4)
    checks.equal(
      "reduction in rank order", try world.reduce(place, first.operation, to: 0),
      world.rank == 0 ? [Element](repeating: 1, count: 4) : nil)
    checks.equal(
      "reduction to all in rank order", try world.allreduce(place, first.operation),
      [Element](repeating: 1, count: 4))
    try first.free()
  }

  private static func bits<Element: FixedWidthInteger & TestElement>(
    _ type: Element.Type, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let own: [Element] = [1 << Element(world.rank), 3, world.rank == 0 ? 0 : 2]
    let ranks = world.size
    let all = Element((1 << ranks) - 1)
    checks.equal(
      "bitwise or", try world.allreduce(own, .bitwiseOr), [all, 3, ranks > 1 ? 2 : 0])
    checks.equal("bitwise and", try world.allreduce(own, .bitwiseAnd), [ranks > 1 ? 0 : 1, 3, 0])
    checks.equal(
      "bitwise xor", try world.allreduce(own, .bitwiseXor),
      [all, ranks % 2 == 0 ? 0 : 3, ranks % 2 == 0 ? 2 : 0])
    // A single rank gets its own elements back, which need not be 0 or 1.
    let and = try world.allreduce(own, .logicalAnd)
    let or = try world.allreduce(own, .logicalOr)
    checks.equal("logical and", and.map { $0 != 0 }, [true, true, false])
    checks.equal("logical or", or.map { $0 != 0 }, [true, true, ranks > 1])
  }
}
