// Separate file: every suite of the conformance program has one.

import MPI

/// Messages that are too long to be sent before the receiver is ready, whole and in parts of unequal length.
enum LargeSuite {
  static func run(_ world: borrowing Communicator, _ checks: Checks) throws(MPIError) {
    let count = 250_001
    let ranks = world.size
    let block = { (rank: Int) in (0..<count).map { Int32(truncatingIfNeeded: $0 &* 31 &+ rank) } }
    let own = block(world.rank)
    let blocks = (0..<ranks).map(block)
    let all = Array(blocks.joined())

    var sent = own
    try world.broadcast(&sent, from: ranks - 1)
    checks.check("broadcast", sent == blocks[ranks - 1])
    let sums = (0..<count).map { index in blocks.reduce(Int32(0)) { $0 &+ $1[index] } }
    checks.check("allreduce", try world.allreduce(own, .sum) == sums)
    let request = try world.startAllreduce(inPlace: Buffer(own), .sum)
    checks.check("startAllreduce", try request.wait().elements == sums)
    checks.check("allgather", try world.allgather(own) == all)
    checks.check(
      "varying allgather",
      try world.allgather(varying: Array(own.dropFirst(world.rank))).last
        == Array(blocks[ranks - 1].dropFirst(ranks - 1)))
    checks.check("scatter", try world.scatter(world.rank == 0 ? all : [], count: count, from: 0) == own)
    let exchanged = try world.allToAll(all)
    checks.check(
      "allToAll", exchanged == Array(repeatElement(own, count: ranks).joined()))

    let next = (world.rank + 1) % ranks
    let previous = (world.rank + ranks - 1) % ranks
    let sending = try world.startSend(Buffer(own), to: next, tag: 2)
    let message = try world.receive(atMost: count + 1, of: Int32.self, from: previous, tag: 2)
    checks.check("message", message == blocks[previous])
    checks.check("message returned", try sending.wait().elements == own)
  }
}
