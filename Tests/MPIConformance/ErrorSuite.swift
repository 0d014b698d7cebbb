import MPI

/// Mistakes. Each must throw an error with the call and the rank, and leave the communicator usable.
enum ErrorSuite {
  static func run(_ world: borrowing Communicator, _ checks: Checks) throws(MPIError) {
    peers(world, checks)
    roots(world, checks)
    lengths(world, checks)
    try truncation(world, checks)
    let sum = try world.allreduce([Int32(1)], .sum)
    checks.equal("usable after errors", sum, [Int32(world.size)])
  }

  private static func expect<Value: ~Copyable>(
    _ name: String, _ kind: MPIError.Kind, _ call: String, _ world: borrowing Communicator,
    _ checks: Checks, _ body: (borrowing Communicator) throws(MPIError) -> Value
  ) {
    do throws(MPIError) {
      _ = try body(world)
      checks.check(name, false, "threw nothing")
    } catch {
      checks.equal(name, error.kind, kind)
      checks.equal("\(name): call", error.call, call)
      checks.equal("\(name): rank", error.rank, world.rank)
      checks.check("\(name): text", error.message.count > 10 && "\(error)".contains(call), "\(error)")
    }
  }

  private static func peers(_ world: borrowing Communicator, _ checks: Checks) {
    let values: [Float] = [1, 2]
    for wrong in [world.size, -5, 1 << 20] {
      expect("send to \(wrong)", .reported(.rank), "MPI_Send", world, checks) { world throws(MPIError) in
        try world.send(values, to: wrong)
      }
      expect("startSend to \(wrong)", .reported(.rank), "MPI_Isend", world, checks) {
        world throws(MPIError) in try world.startSend(Buffer(values), to: wrong)
      }
      expect("receive from \(wrong)", .reported(.rank), "MPI_Recv", world, checks) {
        world throws(MPIError) in try world.receive(atMost: 2, of: Float.self, from: wrong)
      }
      expect("startReceive from \(wrong)", .reported(.rank), "MPI_Irecv", world, checks) {
        world throws(MPIError) in try world.startReceive(into: Buffer<Float>(count: 2), from: wrong)
      }
      expect("probe from \(wrong)", .reported(.rank), "MPI_Iprobe", world, checks) {
        world throws(MPIError) in try world.probeIfReady(for: Float.self, from: wrong)
      }
    }
    expect("send to beyond 32 bits", .outOfRange(1 << 40), "MPI_Send", world, checks) {
      world throws(MPIError) in try world.send(values, to: 1 << 40)
    }
    expect("send with a negative tag", .reported(.tag), "MPI_Send", world, checks) {
      world throws(MPIError) in try world.send(values, to: 0, tag: -3)
    }
    expect("receive with a negative tag", .reported(.tag), "MPI_Recv", world, checks) {
      world throws(MPIError) in try world.receive(atMost: 2, of: Float.self, tag: -1)
    }
    expect("split by a negative color", .outOfRange(-2), "MPI_Comm_split", world, checks) {
      world throws(MPIError) in try world.split(color: -2)
    }
  }

  private static func roots(_ world: borrowing Communicator, _ checks: Checks) {
    let values: [Float] = [1, 2]
    let counts = [Int](repeating: 2, count: world.size)
    for wrong in [world.size, -1] {
      expect("broadcast from \(wrong)", .reported(.root), "MPI_Bcast", world, checks) {
        world throws(MPIError) in
        var values = values
        try world.broadcast(&values, from: wrong)
      }
      expect("startBroadcast from \(wrong)", .reported(.root), "MPI_Bcast", world, checks) {
        world throws(MPIError) in try world.startBroadcast(Buffer(values), from: wrong)
      }
      expect("reduce to \(wrong)", .reported(.root), "MPI_Reduce", world, checks) {
        world throws(MPIError) in try world.reduce(values, .sum, to: wrong)
      }
      expect("gather to \(wrong)", .reported(.root), "MPI_Gather", world, checks) {
        world throws(MPIError) in try world.gather(values, to: wrong)
      }
      expect("varying gather to \(wrong)", .reported(.root), "MPI_Gatherv", world, checks) {
        world throws(MPIError) in try world.gather(varying: values, to: wrong)
      }
      expect("scatter from \(wrong)", .reported(.root), "MPI_Scatter", world, checks) {
        world throws(MPIError) in try world.scatter(values, count: 2, from: wrong)
      }
      expect("varying scatter from \(wrong)", .reported(.root), "MPI_Scatterv", world, checks) {
        world throws(MPIError) in try world.scatter(values, counts: counts, from: wrong)
      }
    }
  }

  private static func lengths(_ world: borrowing Communicator, _ checks: Checks) {
    let size = world.size
    let own = Buffer<Int32>(count: 4)
    let other = Buffer<Int32>(count: 4 * size + 1)
    own.withUnsafePointer { own in
      other.withUnsafePointer { other in
        let values = UnsafeBufferPointer(own)
        let wrong = 4 * size + 1
        expect(
          "allreduce into another length", .lengthMismatch(expected: 4, actual: wrong), "MPI_Allreduce",
          world, checks
        ) { world throws(MPIError) in try world.allreduce(values, into: other, .sum) }
        expect(
          "allgather into another length", .lengthMismatch(expected: 4 * size, actual: wrong),
          "MPI_Allgather", world, checks
        ) { world throws(MPIError) in try world.allgather(values, into: other) }
        expect(
          "allToAll into another length", .lengthMismatch(expected: 4, actual: wrong), "MPI_Alltoall", world,
          checks
        ) { world throws(MPIError) in try world.allToAll(values, into: other) }
        expect(
          "too many counts", .lengthMismatch(expected: size, actual: size + 1), "MPI_Allgatherv", world,
          checks
        ) { world throws(MPIError) in
          try world.allgather(values, into: other, counts: [Int](repeating: 4, count: size + 1))
        }
        expect(
          "a block of another length", .lengthMismatch(expected: 5, actual: 4), "MPI_Allgatherv", world,
          checks
        ) { world throws(MPIError) in
          try world.allgather(values, into: other, counts: [Int](repeating: 5, count: size))
        }
        expect("a negative count", .outOfRange(-1), "MPI_Reduce_scatter", world, checks) {
          world throws(MPIError) in
          try world.reduceScatter(values, into: own, counts: [Int](repeating: -1, count: size), .sum)
        }
        guard size > 1 else { return }
        expect(
          "blocks that are not equal", .lengthMismatch(expected: 4 * size, actual: wrong), "MPI_Allgather",
          world, checks
        ) { world throws(MPIError) in try world.allgather(inPlace: other) }
      }
    }
  }

  /// A message that is longer than the buffer, from this rank itself or from its neighbor.
  private static func truncation(_ world: borrowing Communicator, _ checks: Checks) throws(MPIError) {
    let next = (world.rank + 1) % world.size
    // One part, or three parts if a part has three elements; the last part doesn't fit.
    for values in [[1, 2], [1, 2, 3, 4, 5, 6, 7, 8]] as [[Int16]] {
      let room = values.count - 1
      let first = try world.startSend(Buffer(values), to: next, tag: 3)
      expect("truncated receive to \(room)", .reported(.truncated), "MPI_Recv", world, checks) {
        world throws(MPIError) in try world.receive(atMost: room, of: Int16.self, tag: 3)
      }
      _ = try first.wait()
      try world.barrier()
      let second = try world.startSend(Buffer(values), to: next, tag: 3)
      expect("truncated startReceive to \(room)", .reported(.truncated), "MPI_Wait", world, checks) {
        world throws(MPIError) in
        try world.startReceive(into: Buffer<Int16>(count: room), tag: 3).wait()
      }
      _ = try second.wait()
      try world.barrier()
    }
  }
}
