// Separate file: every suite of the conformance program has one.

import MPI

/// Memory that the ranks on a host share.
enum WindowSuite {
  static func run<Element: TestElement>(
    _ type: Element.Type, _ world: borrowing Communicator, _ checks: Checks
  ) throws(MPIError) {
    let host = try world.splitByHost()
    let window = try SharedWindow<Element>(count: 3 + host.rank, on: host)
    let own = try window.segment(of: host.rank)
    checks.equal("window is zero at first", Array(own), [Element](repeating: 0, count: 3 + host.rank))
    try window.fence()
    let last = host.size - 1
    let next = try window.segment(of: (host.rank + 1) % host.size)
    let nextRank = (host.rank + 1) % host.size
    _ = next.update(fromContentsOf: numbers(3 + nextRank, rank: nextRank, type))
    try window.fence()
    checks.equal("window written by a neighbor", Array(own), numbers(3 + host.rank, rank: host.rank, type))
    let far = try window.segment(of: last)
    checks.equal("window of the last rank", Array(far), numbers(3 + last, rank: last, type))
    let size = host.size
    checks.fails("segment of no rank", with: MPIError.self, { $0.kind == .reported(.rank) }) {
      try window.segment(of: size)
    }
    try window.fence()
    try window.free()
    try host.free()
  }
}
