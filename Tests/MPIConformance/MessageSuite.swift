import MPI

/// Messages from one rank to another, in a ring.
enum MessageSuite {
  static func run<Element: TestElement>(
    _ type: Element.Type, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let next = (world.rank + 1) % world.size
    let previous = (world.rank + world.size - 1) % world.size
    for count in testCounts {
      let own = numbers(count, rank: world.rank, type)
      let expected = numbers(count, rank: previous, type)
      try ring(own, expected, next, previous, world, checks)
      try nonblocking(own, expected, next, previous, world, checks)
    }
    try probes(type, next, previous, world, checks)
    try canceled(type, world, checks)
    try world.barrier()
  }

  private static func ring<Element: TestElement>(
    _ own: [Element], _ expected: [Element], _ next: Int, _ previous: Int,
    _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let count = own.count
    let received = Buffer<Element>(count: count)
    let status = try own.withUnsafeBufferPointer { own throws(MPIError) in
      try received.withUnsafePointer { memory throws(MPIError) in
        try world.sendReceive(own, to: next, into: memory, from: previous, tag: 5)
      }
    }
    checks.equal("sendReceive of \(count)", received.elements, expected)
    checks.equal(
      "sendReceive status of \(count)", fields(status), [previous, 5, count])

    // A blocking ring: rank 0 sends first, the other ranks receive first.
    if world.size > 1 {
      if world.rank == 0 { try world.send(own, to: next, tag: 7) }
      // The buffer is larger than the message, so the length must be that of the message.
      let message = try world.receive(atMost: count + 5, of: Element.self, from: previous, tag: 7)
      if world.rank != 0 { try world.send(own, to: next, tag: 7) }
      checks.equal("send and receive of \(count)", message, expected)
    }
  }

  private static func nonblocking<Element: TestElement>(
    _ own: [Element], _ expected: [Element], _ next: Int, _ previous: Int,
    _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let count = own.count
    var receiving = try world.startReceive(into: Buffer<Element>(count: count + 4))
    let sending = try world.startSend(Buffer(own), to: next, tag: 9)
    while try !receiving.test() {}
    var status: Status?
    let received = try receiving.wait(status: &status)
    checks.equal("startReceive of \(count)", Array(received.elements.prefix(count)), expected)
    checks.equal("startReceive status of \(count)", status.map(fields), [previous, 9, count])
    checks.equal("startSend gives back \(count)", try sending.wait().elements, own)

    // Two messages in progress at the same time keep their order, even if each has several parts.
    let first = try world.startSend(Buffer(own), to: next, tag: 1)
    let second = try world.startSend(Buffer(own + own), to: next, tag: 1)
    let one = try world.startReceive(into: Buffer<Element>(count: count), from: previous, tag: 1)
    checks.equal("first of two messages of \(count)", try one.wait().elements, expected)
    let two = try world.receive(atMost: 2 * count, of: Element.self, from: previous, tag: 1)
    checks.equal("second of two messages of \(count)", two, expected + expected)
    _ = try first.wait()
    _ = try second.wait()
  }

  private static func probes<Element: TestElement>(
    _ type: Element.Type, _ next: Int, _ previous: Int, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    checks.equal("probeIfReady of nothing", try world.probeIfReady(for: type, tag: 4), nil)
    try world.barrier()
    let sending = try world.startSend(Buffer(numbers(2, rank: world.rank, type)), to: next, tag: 4)
    let status = try world.probe(for: type, tag: 4)
    checks.equal("probe", fields(status), [previous, 4, 2])
    checks.equal("probeIfReady", try world.probeIfReady(for: type, from: previous, tag: 4), status)
    let message = try world.receive(atMost: 2, of: type, from: status.source, tag: status.tag)
    checks.equal("message after probe", message, numbers(2, rank: previous, type))
    _ = try sending.wait()
  }

  private static func fields(_ status: Status) -> [Int] { [status.source, status.tag, status.count] }

  private static func canceled<Element: TestElement>(
    _ type: Element.Type, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let receiving = try world.startReceive(into: Buffer(numbers(5, rank: 0, type)), tag: 77)
    checks.equal("cancel gives the buffer back", try receiving.cancel().elements, numbers(5, rank: 0, type))
  }
}
